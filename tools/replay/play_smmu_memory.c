/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_smmu_memory.c - what an event leaves behind in guest memory (m): event records.
 *
 * An m line is kept if memory ends with its bytes and the engine wrote some of them. Bytes that the engine changed and no
 * m line has are a mismatch too. Afterwards memory is as recorded.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "play_smmu.h"
#include "written.h"

#define RECORD_BYTES	   32U
#define RECORD_TYPE(word)  ((word)&0xff)
#define F_TRANSLATION	   0x10U
#define F_ADDR_SIZE	   0x11U
#define F_PERMISSION	   0x13U
#define RECORD_S2	   (1ULL << 39)
#define RECORD_CLASS(word) ((word) >> 40 & 3)
#define CLASS_IN	   2U

static uint64_t word_of(const uint8_t *data, unsigned n)
{
	uint64_t word = 0;

	for (unsigned i = 8; i-- > 0;)
		word = word << 8 | data[n * 8 + i];
	return word;
}

/* 7.3.12 to 7.3.15 IPA: bits 11 to 0 are reserved; the recorder has them of a fault of stage 2. */
static bool only_low_ipa(const struct tape_line *e, const uint8_t *now)
{
	uint64_t type = RECORD_TYPE(word_of(now, 0));
	uint64_t want = word_of(e->data, 3);

	return memcmp(e->data, now, 24) == 0 && type >= F_TRANSLATION && type <= F_PERMISSION &&
	       (word_of(now, 1) & RECORD_S2) && word_of(now, 3) == (want & ~0xfffULL);
}

static bool line_deviates(struct player *p, const struct tape_line *event,
			  const struct tape_line *e)
{
	uint8_t now[RECORD_BYTES];

	(void)event;
	if (e->bytes != RECORD_BYTES || !written_touched(p, e))
		return false;
	guest_load(&p->memory, e->at, now, e->bytes);
	if (!only_low_ipa(e, now))
		return false;
	player_deviates(p, DEVIATION_SMMU_IPA_LOW);
	return true;
}

void smmu_settle_written(struct player *p, const struct tape_line *event)
{
	static const struct written_deviations deviations = { line_deviates, NULL };

	written_settle(p, event, &deviations);
	p->exhausted |= p->smmu->history.exhausted;
}

/* The record is what was written last: 32 bytes, in one piece or in several. */
static bool is_address_size(const struct player *p, uint64_t at)
{
	uint64_t word0 = guest_load64(&p->memory, at);
	uint64_t word1 = guest_load64(&p->memory, at + 8);

	return RECORD_TYPE(word0) == F_ADDR_SIZE && !(word1 & RECORD_S2) &&
	       RECORD_CLASS(word1) == CLASS_IN;
}

bool smmu_take_back_address_size(struct player *p)
{
	uint64_t at = UINT64_MAX;
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->memory.logged; i++) {
		at = p->memory.log[i].gpa < at ? p->memory.log[i].gpa : at;
		bytes += p->memory.log[i].bytes;
	}
	if (bytes != RECORD_BYTES || !is_address_size(p, at))
		return false;
	for (size_t i = p->memory.logged; i-- > 0;)
		guest_store(&p->memory, p->memory.log[i].gpa, p->memory.log[i].before,
			    p->memory.log[i].bytes);
	guest_log_clear(&p->memory);
	player_deviates(p, DEVIATION_SMMU_WIDE_SILENT);
	return true;
}
