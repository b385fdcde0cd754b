/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_amdvi_watch.c - follows the guest's invalidations, so that the history knows which answers may still be cached.
 *
 * What was executed is seen from outside: the head of the command buffer before and after a register write (48882, 2.4).
 */

#include "play_amdvi.h"

#define REG_DEV_TABLE 0x00U
#define REG_CMD_BASE  0x08U
#define REG_CONTROL   0x18U
#define REG_CMD_HEAD  0x2000U
#define ADDRESS	      0xffffffffff000ULL

static uint64_t reg(const struct player *p, uint64_t offset)
{
	uint64_t value = 0;

	viommu_reg_read(p->iommu, offset, 8, &value);
	return value;
}

uint32_t amdvi_domain(const struct player *p, uint32_t rid)
{
	return (uint32_t)guest_load64(&p->memory,
				      (reg(p, REG_DEV_TABLE) & ADDRESS) + rid * 32ULL + 8) &
	       0xffff;
}

/* S: as many bytes as the lowest 0 from bit 12 on says; from bit 51 on everything. */
static void pages(struct player *p, uint64_t w0, uint64_t w1)
{
	struct history_match m = { .by_tag = true, .tag = (uint32_t)(w0 >> 32) & 0xffff };
	uint64_t low = 0xfff;

	if (w1 & 1) {
		uint64_t zeros = ~(w1 | 0xfff) & ((1ULL << 51) - 1);

		low = zeros ? (zeros & -zeros) * 2 - 1 : UINT64_MAX;
	}
	m.by_range = low != UINT64_MAX;
	m.first = w1 & ~0xfffULL & ~low;
	m.last = m.first | low;
	history_forget(&p->amdvi->history, &m);
}

static void command(struct player *p, uint64_t w0, uint64_t w1)
{
	struct history_match m = { .by_rid = true, .rid = (uint32_t)w0 & 0xffff };

	switch (w0 >> 60) {
	case 2: /* INVALIDATE_DEVTAB_ENTRY: both halves */
		history_forget(&p->amdvi->history, &m);
		m.interrupt = true;
		history_forget(&p->amdvi->history, &m);
		break;
	case 3:
		pages(p, w0, w1);
		break;
	case 5:
		m.interrupt = true;
		history_forget(&p->amdvi->history, &m);
		break;
	case 8:
		amdvi_forget_all(p);
		break;
	default:
		break;
	}
}

void amdvi_forget_all(struct player *p)
{
	history_forget(&p->amdvi->history, &(struct history_match){ .interrupt = false });
	history_forget(&p->amdvi->history, &(struct history_match){ .interrupt = true });
}

void amdvi_watch_before(struct player *p)
{
	p->amdvi->head = reg(p, REG_CMD_HEAD);
}

void amdvi_watch_after(struct player *p, const struct tape_line *w)
{
	uint64_t base = reg(p, REG_CMD_BASE);
	uint64_t bytes = 16ULL << (base >> 56 & 15);
	uint64_t head = reg(p, REG_CMD_HEAD);

	if (w->at < REG_CMD_BASE || (w->at >= REG_CONTROL && w->at < REG_CMD_HEAD))
		amdvi_forget_all(p);
	if (w->at < REG_CMD_HEAD || p->amdvi->head >= bytes || head >= bytes)
		return;
	for (uint64_t at = p->amdvi->head; at != head; at = (at + 16) % bytes) {
		uint64_t gpa = (base & ADDRESS) + at;

		command(p, guest_load64(&p->memory, gpa), guest_load64(&p->memory, gpa + 8));
	}
}
