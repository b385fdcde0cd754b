/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_packet.c - frames with known content. */
#include "vu_packet.h"

#include <string.h>

enum { MAC = 6, NUMBER_AT = 14, PATTERN_AT = NUMBER_AT + 8 };

/* Locally administered addresses; 0x88b5 is for local experiments. */
static const uint8_t there[NUMBER_AT] = { 2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 0x88, 0xb5 };
static const uint8_t back[NUMBER_AT] = { 2, 0, 0, 0, 0, 0xaa, 2, 0, 0, 0, 0, 0xbb, 0x88, 0xb5 };

static uint64_t pattern(uint64_t number, unsigned at)
{
	return (number + 1) * UINT64_C(0x9e3779b97f4a7c15) + at;
}

static void fill_rest(uint8_t *frame, uint64_t number, unsigned bytes)
{
	unsigned at = PATTERN_AT;
	uint64_t word;

	for (; at + 8 <= bytes; at += 8) {
		word = pattern(number, at);
		memcpy(frame + at, &word, 8);
	}
	word = pattern(number, at);
	memcpy(frame + at, &word, bytes - at);
}

void packet_fill(uint8_t *buffer, uint64_t number, unsigned bytes)
{
	uint8_t *frame = buffer + PACKET_HEADER;

	memset(buffer, 0, PACKET_HEADER);
	memcpy(frame, there, sizeof(there));
	memcpy(frame + NUMBER_AT, &number, 8);
	fill_rest(frame, number, bytes);
}

static bool check_rest(const uint8_t *frame, uint64_t number, unsigned bytes)
{
	unsigned at = PATTERN_AT;
	uint64_t word, wrong = 0;

	for (; at + 8 <= bytes; at += 8) {
		memcpy(&word, frame + at, 8);
		wrong |= word ^ pattern(number, at);
	}
	word = pattern(number, at);
	return !wrong && !memcmp(frame + at, &word, bytes - at);
}

bool packet_check(const uint8_t *buffer, uint64_t *number, unsigned bytes)
{
	const uint8_t *frame = buffer + PACKET_HEADER;

	memcpy(number, frame + NUMBER_AT, 8);
	return !memcmp(frame, back, sizeof(back)) && check_rest(frame, *number, bytes);
}
