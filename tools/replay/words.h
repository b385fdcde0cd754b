/* SPDX-License-Identifier: BSD-3-Clause */
/* words.h - a line of a recording, split at its spaces, and what its words can be. */
#ifndef REPLAY_WORDS_H
#define REPLAY_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX	256U
#define WORDS_BYTES_MAX 4096U
#define WORDS_ZEROS_MAX ((1U << 20) + WORDS_BYTES_MAX) /* that are only counted */
#define WORDS_DATA_MAX	(WORDS_BYTES_MAX + WORDS_ZEROS_MAX)

struct words {
	char *word[WORDS_MAX];
	unsigned count;
	char error[200]; /* why the line is not of the format, empty: it is */
	/* What the words stand for, where it is more than numbers. */
	uint8_t data[WORDS_DATA_MAX];
	size_t bytes;
	size_t zeros; /* of them, that were only counted */
	uint64_t list[WORDS_MAX];
};

/* Says what is wrong; false, to be returned. */
bool words_fail(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Splits at single spaces, which it overwrites. An empty word or one too many is an error. */
bool words_split(struct words *words, char *text);

/* Whether the last word, which is not the only one, is this. */
bool words_end_in(const struct words *words, const char *mark);

/* Word i as a hexadecimal number without a prefix, at most max. */
bool words_hex(struct words *words, unsigned i, uint64_t max, uint64_t *value);
bool words_hex32(struct words *words, unsigned i, uint32_t max, uint32_t *value);
/* Word i as a decimal number, at most max. */
bool words_decimal(struct words *words, unsigned i, uint32_t max, uint32_t *value);
/* Word i as the size of an access, decimal. */
bool words_size(struct words *words, unsigned i, uint32_t *bytes);
/* Word i as bytes in hexadecimal, behind those that data has already. */
bool words_data(struct words *words, unsigned i);
/* The same, where zCOUNT. stands for so many zeros. */
bool words_data_zeros(struct words *words, unsigned i);

/* As they were, cut if there is no room; and whether two lines are the same. */
void words_join(const struct words *words, char *text, size_t size);
bool words_same(const struct words *a, const struct words *b);

/* A number of a command line, with or without 0x: addresses and ids are hexadecimal, as on a tape. */
bool words_number(const char *text, uint64_t max, uint64_t *value);

#endif
