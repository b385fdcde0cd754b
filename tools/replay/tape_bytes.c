/* SPDX-License-Identifier: BSD-3-Clause */
/* tape_bytes.c - the bytes of a file, decompressed if they are xz. What they are is decided by the first ones. */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LZMA
#include <lzma.h>
#endif

#include "tape_bytes.h"

#define CHUNK 65536U

struct tape_bytes {
	FILE *file;
	bool xz;
	bool end;      /* nothing more comes into out */
	size_t next;   /* first byte of out not given yet */
	size_t filled; /* bytes in out */
	uint8_t out[CHUNK];
#ifdef HAVE_LZMA
	lzma_stream stream;
	uint8_t in[CHUNK];
#endif
};

static const uint8_t xz_magic[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

static bool starts_as_xz(FILE *file)
{
	uint8_t first[sizeof(xz_magic)];
	size_t got = fread(first, 1, sizeof(first), file);

	rewind(file);
	return got == sizeof(first) && memcmp(first, xz_magic, sizeof(first)) == 0;
}

#ifdef HAVE_LZMA

/* More memory than any preset of xz needs to decompress. */
#define XZ_MEMORY (256U << 20)

static bool decoder_init(struct tape_bytes *b, const char **error)
{
	b->stream = (lzma_stream)LZMA_STREAM_INIT;
	if (lzma_stream_decoder(&b->stream, XZ_MEMORY, LZMA_CONCATENATED) == LZMA_OK)
		return true;
	*error = "out of memory";
	return false;
}

static void decoder_fini(struct tape_bytes *b)
{
	lzma_end(&b->stream);
}

static const char *decoder_error(lzma_ret result)
{
	switch (result) {
	case LZMA_MEM_ERROR:
	case LZMA_MEMLIMIT_ERROR:
		return "xz: needs too much memory";
	case LZMA_BUF_ERROR:
		return "xz: the file is truncated";
	case LZMA_OPTIONS_ERROR:
		return "xz: a format that is not supported";
	default:
		return "xz: the file is damaged";
	}
}

static bool fill_xz(struct tape_bytes *b, const char **error)
{
	lzma_stream *s = &b->stream;
	lzma_ret result = LZMA_OK;

	s->next_out = b->out;
	s->avail_out = CHUNK;
	while (s->avail_out == CHUNK && result == LZMA_OK) {
		if (s->avail_in == 0 && !feof(b->file)) {
			s->next_in = b->in;
			s->avail_in = fread(b->in, 1, CHUNK, b->file);
			if (ferror(b->file)) {
				*error = strerror(errno);
				return false;
			}
		}
		result = lzma_code(s, feof(b->file) ? LZMA_FINISH : LZMA_RUN);
	}
	b->filled = CHUNK - s->avail_out;
	b->end = result == LZMA_STREAM_END;
	if (result == LZMA_OK || result == LZMA_STREAM_END)
		return true;
	*error = decoder_error(result);
	return false;
}

#else

static bool decoder_init(struct tape_bytes *b, const char **error)
{
	(void)b;
	*error = "xz: this program was built without liblzma";
	return false;
}

static void decoder_fini(struct tape_bytes *b)
{
	(void)b;
}

static bool fill_xz(struct tape_bytes *b, const char **error)
{
	(void)b;
	*error = "xz: not supported";
	return false;
}

#endif

static bool fill_plain(struct tape_bytes *b, const char **error)
{
	b->filled = fread(b->out, 1, CHUNK, b->file);
	b->end = b->filled < CHUNK;
	if (!ferror(b->file))
		return true;
	*error = strerror(errno);
	return false;
}

struct tape_bytes *tape_bytes_open(const char *path, const char **error)
{
	struct tape_bytes *b = calloc(1, sizeof(*b));

	if (!b) {
		*error = "out of memory";
		return NULL;
	}
	b->file = fopen(path, "rb");
	if (!b->file) {
		*error = strerror(errno);
		goto no_file;
	}
	b->xz = starts_as_xz(b->file);
	if (b->xz && !decoder_init(b, error))
		goto no_decoder;
	return b;

no_decoder:
	fclose(b->file);
no_file:
	free(b);
	return NULL;
}

void tape_bytes_close(struct tape_bytes *b)
{
	if (!b)
		return;
	if (b->xz)
		decoder_fini(b);
	fclose(b->file);
	free(b);
}

int tape_bytes_get(struct tape_bytes *b, const char **error)
{
	while (b->next == b->filled) {
		if (b->end)
			return TAPE_BYTES_END;
		b->next = 0;
		b->filled = 0;
		if (!(b->xz ? fill_xz(b, error) : fill_plain(b, error)))
			return TAPE_BYTES_ERROR;
	}
	return b->out[b->next++];
}
