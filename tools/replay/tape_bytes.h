/* SPDX-License-Identifier: BSD-3-Clause */
/* tape_bytes.h - the bytes of a file, decompressed if they are xz. */
#ifndef REPLAY_TAPE_BYTES_H
#define REPLAY_TAPE_BYTES_H

struct tape_bytes;

/* NULL: cannot be opened, *error says why. */
struct tape_bytes *tape_bytes_open(const char *path, const char **error);
void tape_bytes_close(struct tape_bytes *bytes);

#define TAPE_BYTES_END	 (-1)
#define TAPE_BYTES_ERROR (-2)

/* Next byte, 0 to 255; TAPE_BYTES_END; or TAPE_BYTES_ERROR, and *error says why. */
int tape_bytes_get(struct tape_bytes *bytes, const char **error);

#endif
