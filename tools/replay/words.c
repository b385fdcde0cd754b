/* SPDX-License-Identifier: BSD-3-Clause */
/* words.c - a line of a recording, split at its spaces, and what its words can be. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

bool words_fail(struct words *w, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(w->error, sizeof(w->error), format, list);
	va_end(list);
	return false;
}

bool words_split(struct words *w, char *text)
{
	char *at = text;

	w->count = 0;
	w->bytes = 0;
	w->zeros = 0;
	while (at) {
		char *space = strchr(at, ' ');

		if (w->count == WORDS_MAX)
			return words_fail(w, "too many fields");
		if (space)
			*space++ = '\0';
		if (*at == '\0')
			return words_fail(w, "an empty field");
		w->word[w->count++] = at;
		at = space;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool words_end_in(const struct words *w, const char *mark)
{
	return w->count > 1 && strcmp(w->word[w->count - 1], mark) == 0;
}

bool words_hex(struct words *w, unsigned i, uint64_t max, uint64_t *value)
{
	const char *word = w->word[i];
	size_t digits = strlen(word);

	*value = 0;
	for (const char *c = word; *c; c++) {
		if (hex_digit(*c) < 0)
			return words_fail(w, "'%.40s' is not a hexadecimal number", word);
		*value = *value << 4 | (uint64_t)hex_digit(*c);
	}
	if (digits == 0 || digits > 16 || *value > max)
		return words_fail(w, "'%.40s' is out of range", word);
	return true;
}

bool words_hex32(struct words *w, unsigned i, uint32_t max, uint32_t *value)
{
	uint64_t wide;

	if (!words_hex(w, i, max, &wide))
		return false;
	*value = (uint32_t)wide;
	return true;
}

bool words_decimal(struct words *w, unsigned i, uint32_t max, uint32_t *value)
{
	const char *word = w->word[i];
	uint64_t sum = 0;

	for (const char *c = word; *c; c++) {
		if (*c < '0' || *c > '9')
			return words_fail(w, "'%.40s' is not a decimal number", word);
		sum = 10 * sum + (uint64_t)(*c - '0');
		if (sum > max)
			return words_fail(w, "'%.40s' is out of range", word);
	}
	*value = (uint32_t)sum;
	return true;
}

bool words_size(struct words *w, unsigned i, uint32_t *bytes)
{
	static const char *const sizes[] = { "1", "2", "4", "8" };

	for (unsigned lg2 = 0; lg2 < 4; lg2++) {
		if (strcmp(w->word[i], sizes[lg2]) == 0) {
			*bytes = 1U << lg2;
			return true;
		}
	}
	return words_fail(w, "'%.40s' is not the size of an access", w->word[i]);
}

static bool add_digits(struct words *w, const char *digits, size_t count)
{
	if (count % 2 || count / 2 > WORDS_BYTES_MAX - (w->bytes - w->zeros))
		return words_fail(w, "memory of %zu hexadecimal digits", count);
	for (size_t at = 0; at < count; at += 2) {
		int high = hex_digit(digits[at]);
		int low = hex_digit(digits[at + 1]);

		if (high < 0 || low < 0)
			return words_fail(w, "memory contents that are not hexadecimal");
		w->data[w->bytes++] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool words_data(struct words *w, unsigned i)
{
	return add_digits(w, w->word[i], strlen(w->word[i]));
}

/* Behind a z; the end of it, NULL: it is not of the format. */
static const char *add_zeros(struct words *w, const char *count)
{
	size_t zeros = 0;

	while (hex_digit(*count) >= 0 && zeros <= WORDS_ZEROS_MAX)
		zeros = zeros << 4 | (size_t)hex_digit(*count++);
	if (*count != '.' || zeros > WORDS_ZEROS_MAX - w->zeros)
		return NULL;
	memset(w->data + w->bytes, 0, zeros);
	w->bytes += zeros;
	w->zeros += zeros;
	return count + 1;
}

bool words_data_zeros(struct words *w, unsigned i)
{
	const char *at = w->word[i];

	while (at && *at) {
		size_t length = strcspn(at, "z");

		if (!add_digits(w, at, length))
			return false;
		at += length;
		if (*at)
			at = add_zeros(w, at + 1);
	}
	return at || words_fail(w, "zeros that are not counted as zCOUNT.");
}

bool words_number(const char *text, uint64_t max, uint64_t *value)
{
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;

	if (*digits == '\0' || strlen(digits) > 16 ||
	    strspn(digits, "0123456789abcdefABCDEF") != strlen(digits))
		return false;
	*value = strtoull(digits, NULL, 16);
	return *value <= max;
}

void words_join(const struct words *w, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < w->count && used + 1 < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "",
					 w->word[i]);
}

bool words_same(const struct words *a, const struct words *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		if (strcmp(a->word[i], b->word[i]) != 0)
			return false;
	}
	return true;
}
