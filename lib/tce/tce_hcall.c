/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_hcall.c - hypercalls, with their checks in the order of LoPAR ("TCE Hypervisor Calls"). */

#include <string.h>

#include "probe.h"
#include "recorder.h"
#include "tce_engine.h"

/* Arguments, from r4 on. */
enum { LIOBN = 1, IOBA, TCE, COUNT };
#define LIST TCE /* of H_PUT_TCE_INDIRECT */

/* The window of LIOBN, and its page IOBA. An address within a page is no page's. */
static struct tce_window *page(const struct tce *t, const uint64_t *r, uint64_t *index)
{
	struct tce_window *w = tce_window_find(t, r[LIOBN]);
	uint64_t offset;

	if (!w || !tce_live(w) || r[IOBA] < tce_start(w))
		return NULL;
	offset = r[IOBA] - tce_start(w);
	*index = offset >> tce_shift(w);
	return (offset & bits_low(tce_shift(w))) || *index >= tce_entries(w) ? NULL : w;
}

static int64_t get_tce(struct tce *t, uint64_t *r)
{
	uint64_t index;
	const struct tce_window *w = page(t, r, &index);
	uint64_t entry;

	r[LIOBN] = 0;
	if (!w)
		return H_PARAMETER;
	entry = tce_table_get(&t->pool, &w->table, index);
	r[LIOBN] = entry;
	if (!tce_is_valid(entry) || tce_address_owned(t, entry, tce_shift(w)))
		return H_SUCCESS;
	r[LIOBN] = entry | TCE_RPN;
	return H_PARTIAL;
}

/* The same entry for all, from the one at @index on. */
static int64_t fill(struct tce *t, const uint64_t *r, struct tce_window *w, uint64_t index,
		    uint64_t count)
{
	if (count > tce_entries(w) - index ||
	    (tce_is_valid(r[TCE]) && !tce_address_owned(t, r[TCE], tce_shift(w))))
		return H_PARAMETER;
	if (count)
		tce_begin_entries(t, w, index, count, false, r[TCE]);
	return H_SUCCESS;
}

static int64_t put_tce(struct tce *t, uint64_t *r)
{
	uint64_t index;
	struct tce_window *w = page(t, r, &index);

	return w ? fill(t, r, w, index, 1) : H_PARAMETER;
}

static int64_t stuff_tce(struct tce *t, uint64_t *r)
{
	bool unlimited = (t->config.flags & VIOMMU_TCE_STUFF_UNLIMITED) && !tce_is_valid(r[TCE]);
	struct tce_window *w;
	uint64_t index;

	if (t->config.flags & VIOMMU_TCE_NO_MULTI)
		return H_FUNCTION;
	w = page(t, r, &index);
	if (!w)
		return H_PARAMETER;
	if (r[COUNT] > TCE_COUNT_MAX && !unlimited)
		return H_P4;
	return fill(t, r, w, index, r[COUNT]);
}

/* Words of guest memory that are read at a time. */
#define AT_ONCE 8U

/* The list is read once, and is ours from then on. */
static bool copy_list(struct tce *t, uint64_t gpa, uint32_t count)
{
	struct mem_place place = MEM_NOWHERE;
	bool read = true;

	unit_pay(&t->unit, count);
	for (uint32_t i = 0; i < count && read; i += AT_ONCE) {
		uint32_t words = count - i < AT_ONCE ? count - i : AT_ONCE;

		read = mem_load_near(t->unit.vm, &place, gpa + i * sizeof(uint64_t), &t->list[i],
				     words);
		/* big-endian: mem.h reads the other way */
		for (uint32_t j = i; j < i + words; j++)
			t->list[j] = __builtin_bswap64(t->list[j]);
	}
	return read;
}

static int64_t put_tce_indirect(struct tce *t, uint64_t *r)
{
	struct tce_window *w;
	uint64_t index;

	/* A negative LIOBN is a number of tables: an option that is not offered. */
	if ((t->config.flags & VIOMMU_TCE_NO_MULTI) || r[LIOBN] >> 63)
		return H_FUNCTION;
	if (r[COUNT] > TCE_COUNT_MAX)
		return H_PARAMETER;
	w = page(t, r, &index);
	if (!w || r[COUNT] > tce_entries(w) - index || (r[LIST] & (TCE_LIST_BYTES - 1)) ||
	    !tce_address_owned(t, r[LIST], 12) || !copy_list(t, r[LIST], (uint32_t)r[COUNT]))
		return H_PARAMETER;
	if (r[COUNT])
		tce_begin_entries(t, w, index, r[COUNT], true, 0);
	return H_SUCCESS;
}

static int64_t not_offered(struct tce *t, uint64_t *r)
{
	(void)t;
	(void)r;
	return H_FUNCTION;
}

static const struct row {
	uint64_t token;
	int64_t (*execute)(struct tce *t, uint64_t *r);
} rows[] = {
	{ H_PUT_TCE, put_tce },
	{ H_PUT_TCE_INDIRECT, put_tce_indirect },
	{ H_STUFF_TCE, stuff_tce },
	{ H_GET_TCE, get_tce },
	{ H_PUT_RTCE, not_offered },
	{ H_PUT_RTCE_INDIRECT, not_offered },
	{ H_REMOVE_RTCE, not_offered },
	{ H_COPY_RDMA, not_offered },
	{ H_WRITE_RDMA, not_offered },
	{ H_READ_RDMA, not_offered },
	{ H_LIOBN_ATTRIBUTES, not_offered },
	{ H_MIGRATE_DMA, not_offered },
	{ H_GET_DMA_XLATES_LIMITED, not_offered },
};

static const struct row *find(uint64_t token)
{
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		if (rows[i].token == token)
			return &rows[i];
	}
	return NULL;
}

static inline __attribute__((always_inline)) int serve(struct viommu *u,
						       uint64_t registers[VIOMMU_TCE_REGISTERS],
						       uint64_t token)
{
	const struct row *row;
	struct tce *t;
	int result;

	if (!registers)
		return VIOMMU_EINVAL;
	result = tce_begin(u);
	if (result)
		return result;
	t = tce_of(u);
	row = find(registers[0]);
	result = VIOMMU_ENOENT;
	if (row) {
		t->job.token = token;
		count_own(u, COUNT_COMMANDS);
		t->job.status = row->execute(t, registers);
		result = tce_answer(t);
		if (t->job.status < 0)
			count_own(u, COUNT_COMMAND_ERRORS);
		registers[0] = (uint64_t)t->job.status;
	}
	unit_end(u);
	return result;
}

/* It is not in the way of those who are not recorded. */
static __attribute__((noinline)) int record(struct viommu *u,
					    uint64_t registers[VIOMMU_TCE_REGISTERS],
					    uint64_t token)
{
	uint64_t asked[VIOMMU_TCE_REGISTERS];
	struct record_event e;
	int result;

	memcpy(asked, registers, sizeof(asked));
	unit_record_call(u, &e);
	result = serve(u, registers, token);
	if (result >= 0)
		tce_record_hcall(&e, asked, registers);
	record_end(&e, record_after(result));
	return result;
}

int viommu_tce_hcall(struct viommu *u, uint64_t registers[VIOMMU_TCE_REGISTERS], uint64_t token)
{
	if (UNLIKELY(u && u->record && registers))
		return record(u, registers, token);
	return serve(u, registers, token);
}
