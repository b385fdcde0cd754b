/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_irq.c - interrupt remapping and posting (5.1 to 5.2, 9.9 to 9.12). */

#include "explain.h"
#include "mem.h"
#include "msi.h"
#include "vtd_engine.h"

/* One request on its way. */
struct request {
	uint32_t source;
	uint32_t flags; /* VIOMMU_MSI_NO_SOURCE, _TRUSTED */
	uint64_t address;
	uint32_t data;
	bool resolve;	/* no fault record, nothing posted */
	uint64_t irta;	/* read once */
	uint32_t index; /* of the table entry */
	bool fpd;
	struct explanation *explanation; /* or NULL; resolves, past the cache */
};

static __attribute__((noinline, cold)) void show_step(const struct request *r, const char *what,
						      uint64_t gpa, const uint64_t *raw,
						      unsigned words)
{
	struct viommu_step step = { .gpa = gpa, .words = words, .what = what };

	memcpy(step.raw, raw, words * sizeof(*raw));
	explain_step(r->explanation, &step);
}

/* A structure of the tables. */
static inline void show(const struct request *r, const char *what, uint64_t gpa,
			const uint64_t *raw, unsigned words)
{
	if (UNLIKELY(r->explanation != NULL))
		show_step(r, what, gpa, raw, words);
}

/* Of an entry that is looked for, or read, from now on. */
static inline struct irte_key entry_key(const struct vtd *v, uint32_t index)
{
	return (struct irte_key){ .slot = index,
				  .id = index,
				  .count = irte_cache_count(&v->irtes, index) };
}

/* What the cache has instead of the entry. */
static __attribute__((noinline, cold)) void show_cached(const struct vtd *v,
							const struct request *r,
							const uint64_t *entry)
{
	struct viommu_step step = { .gpa = UINT64_MAX,
				    .what = "interrupt entry cache",
				    .flags = VIOMMU_STEP_CACHE };
	struct irte_key key;

	if (!r->explanation->caches)
		return;
	key = entry_key(v, r->index);
	if (irte_cache_find(&v->irtes, &key, step.raw)) {
		step.words = 2;
		if (memcmp(step.raw, entry, 16) != 0)
			step.flags |= VIOMMU_STEP_STALE;
	}
	explain_step(r->explanation, &step);
}

static int refuse(struct vtd *v, const struct request *r, unsigned reason, struct viommu_msi *msi)
{
	*msi = (struct viommu_msi){ .reason = (uint16_t)reason, .index = r->index };
	if (!r->resolve)
		vtd_fault_interrupt(v, r->source, r->index == UINT32_MAX ? 0 : r->index, reason,
				    r->fpd);
	return VIOMMU_FAULT;
}

/* The address and data that KVM and 32-bit APICs understand: destination 31:8 in address 63:40. @how: RH, DM, DLM and
 * TM as a table entry has them */
static inline void encode(struct viommu_msi *msi, uint64_t how)
{
	static_assert(VTD_IRTE_RH == BIT(3) && VTD_IRTE_DM == BIT(2), "as in the address");
	static_assert(VTD_IRTE_DLM == BITS(7, 5) && VTD_IRTE_TM == BIT(4), "");
	msi->address = VTD_MSI_FEE | (uint64_t)(msi->destination & 0xff) << 12 |
		       (uint64_t)(msi->destination & ~0xffU) << 32 |
		       (how & (VTD_IRTE_RH | VTD_IRTE_DM));
	/* level assert, bit 14, is set for both triggers: a message never says deassert */
	msi->data = msi->vector | (uint32_t)(how & VTD_IRTE_DLM) << 3 | UINT32_C(1) << 14 |
		    (uint32_t)(how & VTD_IRTE_TM) << 11;
}

static int unremapped(const struct vtd *v, const struct request *r, struct viommu_msi *msi)
{
	msi_as_it_is(v->unit.vm, r->address, r->data, msi);
	return VIOMMU_OK;
}

/* 5.1.2: index of a remappable message; 0x20 and 0x21. 0: r->index is set. */
ALWAYS_INLINE unsigned find_index(struct request *r)
{
	uint32_t handle = (uint32_t)(bits_get(r->address, VTD_MSI_HANDLE_LO) |
				     bits_get(r->address, VTD_MSI_HANDLE_HI) << 15);

	if (r->address & VTD_MSI_SHV) {
		if (r->data & VTD_MSI_DATA_RSVD)
			return VTD_FR_IR_REQUEST_RSVD;
		handle += (uint32_t)bits_get(r->data, VTD_MSI_SUBHANDLE);
	}
	if (handle >= UINT32_C(2) << bits_get(r->irta, VTD_IRTA_S)) {
		r->index = handle & 0xffff;
		return VTD_FR_IR_INDEX;
	}
	r->index = handle;
	return 0;
}

/* 9.10: source validation; the bus range is [SID 15:8, SID 7:0]. */
ALWAYS_INLINE bool source_valid(const struct request *r, uint64_t high)
{
	static const uint16_t masks[] = { 0xffff, 0xfffb, 0xfff9, 0xfff8 };
	uint32_t sid = (uint32_t)bits_get(high, VTD_IRTE_SID);

	switch (bits_get(high, VTD_IRTE_SVT)) {
	case VTD_SVT_NONE:
		return true;
	case VTD_SVT_SID:
		return ((r->source ^ sid) & masks[bits_get(high, VTD_IRTE_SQ)]) == 0;
	case VTD_SVT_BUS:
		return r->source >> 8 >= sid >> 8 && r->source >> 8 <= (sid & 0xff);
	default:
		return false;
	}
}

/* The same, also of who is not known. A reserved SVT is nobody's. */
static bool sender_valid(const struct request *r, uint64_t high)
{
	if (!(r->flags & VIOMMU_MSI_NO_SOURCE))
		return source_valid(r, high);
	return bits_get(high, VTD_IRTE_SVT) == VTD_SVT_NONE ||
	       ((r->flags & VIOMMU_MSI_TRUSTED) && bits_get(high, VTD_IRTE_SVT) <= VTD_SVT_BUS);
}

static bool entry_reserved(const struct vtd *v, const struct request *r, const uint64_t raw[2])
{
	uint64_t low = VTD_IRTE_RSVD_12 | VTD_IRTE_RSVD_24;
	uint64_t high = VTD_IRTE_RSVD_84;

	if (raw[0] & VTD_IRTE_IM) {
		if (!(v->cap & VTD_CAP_PI))
			return true;
		low = VTD_PIRTE_RSVD_2 | VTD_PIRTE_RSVD_12 | VTD_PIRTE_RSVD_24;
		high = VTD_PIRTE_RSVD_84;
	} else if (!(r->irta & VTD_IRTA_EIME)) {
		low |= VTD_IRTE_DST & ~VTD_IRTE_DST_XAPIC;
	}
	return (raw[0] & low) || (raw[1] & high);
}

static void decode(const struct request *r, const uint64_t raw[2], struct viommu_msi *msi)
{
	bool extended = r->irta & VTD_IRTA_EIME;

	msi->destination = (uint32_t)bits_get(raw[0], extended ? VTD_IRTE_DST : VTD_IRTE_DST_XAPIC);
	msi->vector = (uint8_t)bits_get(raw[0], VTD_IRTE_V);
	msi->delivery_mode = (uint8_t)bits_get(raw[0], VTD_IRTE_DLM);
	msi->logical = (raw[0] & VTD_IRTE_DM) != 0;
	msi->level = (raw[0] & VTD_IRTE_TM) != 0;
	msi->redirection_hint = (raw[0] & VTD_IRTE_RH) != 0;
	msi->index = r->index;
	encode(msi, raw[0]);
}

/* ---- posting (5.2) ---- */

/* Each part is updated by compare-and-swap, a few times before it is given up: the guest can write
 * here all the time. */
#define SWAP_TRIES 64U

static bool set_bits(struct vtd *v, uint64_t gpa, uint64_t bits)
{
	uint64_t word;

	if (!mem_load64(v->unit.vm, gpa, &word))
		return false;
	for (unsigned i = 0; i < SWAP_TRIES; i++) {
		enum mem_swap swap;

		if ((word & bits) == bits)
			return true;
		swap = mem_swap64(v->unit.vm, gpa, &word, word | bits);
		if (swap != MEM_CHANGED)
			return swap == MEM_SWAPPED;
	}
	return false;
}

/* Sets ON unless it is set, or notifications are suppressed and the interrupt is not urgent. 0, or
 * the fault. */
static unsigned set_on(struct vtd *v, uint64_t gpa, bool urgent, uint64_t *control, bool *notify)
{
	*notify = false;
	if (!mem_load64(v->unit.vm, gpa, control))
		return VTD_FR_IR_PID_FETCH;
	for (unsigned i = 0; i < SWAP_TRIES; i++) {
		enum mem_swap swap;

		if (*control & (VTD_PID_RSVD_258 | VTD_PID_RSVD_280))
			return VTD_FR_IR_PID_RSVD;
		if ((*control & VTD_PID_ON) || ((*control & VTD_PID_SN) && !urgent))
			return 0;
		swap = mem_swap64(v->unit.vm, gpa, control, *control | VTD_PID_ON);
		if (swap == MEM_SWAPPED) {
			*notify = true;
			return 0;
		}
		if (swap == MEM_FAILED)
			break;
	}
	return VTD_FR_IR_PID_FETCH;
}

/* 9.12: the descriptor as a whole must be readable and without reserved bits before anything is
 * posted to it. */
static unsigned check_descriptor(struct vtd *v, const struct request *r, uint64_t pda,
				 uint64_t raw[8])
{
	bool read = !vtd_above_haw(v, pda) && mem_load(v->unit.vm, pda, raw, 8);

	show(r, "posted-interrupt descriptor", pda, raw, read ? 8 : 0);
	if (!read)
		return VTD_FR_IR_PID_FETCH;
	if ((raw[4] & (VTD_PID_RSVD_258 | VTD_PID_RSVD_280)) || raw[5] || raw[6] || raw[7])
		return VTD_FR_IR_PID_RSVD;
	return 0;
}

static int posted(struct vtd *v, const struct request *r, const uint64_t raw[2],
		  struct viommu_msi *msi)
{
	uint64_t pda = bits_get(raw[0], VTD_PIRTE_PDA_LO) << 6 | bits_get(raw[1], VTD_PIRTE_PDA_HI)
									 << 32;
	uint64_t vector = bits_get(raw[0], VTD_IRTE_V);
	uint64_t descriptor[8];
	bool notify = false;
	unsigned reason = check_descriptor(v, r, pda, descriptor);

	if (!reason && !r->resolve && !set_bits(v, pda + (vector >> 6) * 8, BIT(vector & 63)))
		reason = VTD_FR_IR_PID_FETCH;
	if (!reason && !r->resolve)
		reason = set_on(v, pda + 32, raw[0] & VTD_PIRTE_URG, &descriptor[4], &notify);
	if (reason)
		return refuse(v, r, reason, msi);
	*msi = (struct viommu_msi){
		.destination = (uint32_t)bits_get(
			descriptor[4], r->irta & VTD_IRTA_EIME ? VTD_PID_NDST : VTD_PID_NDST_XAPIC),
		.vector = (uint8_t)bits_get(descriptor[4], VTD_PID_NV),
		.flags = VIOMMU_MSI_POSTED | (notify ? VIOMMU_MSI_NOTIFY : 0),
		.index = r->index,
	};
	encode(msi, 0);
	return VIOMMU_OK;
}

/* The checks of an entry that do not depend on who asks: absent (0x22), reserved (0x24). 0: it may
 * be cached */
static unsigned check_entry(const struct vtd *v, const struct request *r, const uint64_t raw[2])
{
	if (!(raw[0] & VTD_IRTE_P))
		return VTD_FR_IR_ABSENT;
	return entry_reserved(v, r, raw) ? VTD_FR_IR_RSVD : 0;
}

static bool load_entry(struct vtd *v, const struct request *r, uint64_t gpa, uint64_t raw[2])
{
	bool read = mem_load_soon(v->unit.vm, gpa, raw, 2);

	if (UNLIKELY(r->explanation != NULL)) {
		show_step(r, "interrupt remapping entry", gpa, raw, read ? 2 : 0);
		if (read)
			show_cached(v, r, raw);
	}
	return read;
}

/* The table entry, present and well formed, and its message, unless that is posted. 0, or the fault. It is kept only if
 * it is of the table that there was before invalidations were counted: the latch has not moved since. */
static unsigned find_entry(struct vtd *v, struct request *r, uint64_t raw[2],
			   struct viommu_msi *msi)
{
	uint64_t table = r->irta & VTD_IRTA_IRTA;
	uint64_t entry = table + (uint64_t)r->index * 16;
	struct irte_key key = entry_key(v, r->index);
	unsigned reason;

	if (vtd_above_haw(v, table | entry))
		return VTD_FR_IR_INDEX;
	if (!load_entry(v, r, entry, raw))
		return VTD_FR_IR_FETCH;
	r->fpd = raw[0] & VTD_IRTE_FPD;
	reason = check_entry(v, r, raw);
	if (reason)
		return reason;
	if (!(raw[0] & VTD_IRTE_IM))
		decode(r, raw, msi);
	if (!r->explanation && atomic_load_explicit(&v->irta, memory_order_acquire) == r->irta)
		irte_cache_add(&v->irtes, &key, raw, msi);
	return 0;
}

/* 5.1.4: the checks, in this order. */
static int remap(struct vtd *v, struct request *r, struct viommu_msi *msi)
{
	uint64_t raw[2];
	unsigned reason = find_index(r);

	if (!reason)
		reason = find_entry(v, r, raw, msi);
	if (!reason && !sender_valid(r, raw[1]))
		reason = VTD_FR_IR_SID;
	if (reason)
		return refuse(v, r, reason, msi);
	return raw[0] & VTD_IRTE_IM ? posted(v, r, raw, msi) : VIOMMU_OK;
}

static int answer(struct vtd *v, struct request *r, struct viommu_msi *msi)
{
	if (r->source > v->unit.engine->last_id)
		return VIOMMU_EINVAL;
	if (!(r->irta & VTD_LATCH_IRE)) {
		/* Destination bits 31:8 may come in KVM's form; anything else is no interrupt, and
		 * no fault: nothing is remapped. */
		if ((r->address & BITS(39, 20)) != VTD_MSI_FEE)
			return VIOMMU_FAULT;
		return unremapped(v, r, msi);
	}
	if ((r->address & VTD_MSI_BASE) != VTD_MSI_FEE)
		return refuse(v, r, VTD_FR_IR_REQUEST_RSVD, msi);
	if (r->address & VTD_MSI_FORMAT)
		return remap(v, r, msi);
	/* 5.1.2.1: compatibility format only if allowed, and never with 32-bit APIC ids. */
	if (!(r->irta & VTD_LATCH_CFI) || (r->irta & VTD_IRTA_EIME))
		return refuse(v, r, VTD_FR_IR_COMPATIBILITY, msi);
	return unremapped(v, r, msi);
}

int vtd_remap_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		  uint32_t flags, struct viommu_msi *msi)
{
	struct vtd *v = vtd_of(u);
	struct request r = { .source = source,
			     .flags = flags,
			     .address = address,
			     .data = data,
			     .resolve = flags & VIOMMU_MSI_RESOLVE,
			     .irta = atomic_load_explicit(&v->irta, memory_order_acquire),
			     .index = UINT32_MAX };

	return answer(v, &r, msi);
}

int vtd_explain_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    struct explanation *e, struct viommu_msi *msi)
{
	struct vtd *v = vtd_of(u);
	struct request r = { .source = source,
			     .flags = VIOMMU_MSI_RESOLVE,
			     .address = address,
			     .data = data,
			     .resolve = true,
			     .irta = atomic_load_explicit(&v->irta, memory_order_acquire),
			     .index = UINT32_MAX,
			     .explanation = e };

	return answer(v, &r, msi);
}

/* What the cache alone can answer: messages that are remapped, and not posted. Whether they are recorded or not changes
 * nothing then. The cache may hold entries of another table until SIRTP is complete: it is asked with the latch that was
 * read before invalidations are counted, and that has not moved since. */
ALWAYS_INLINE bool find_message(const struct vtd *v, struct request *r, struct viommu_msi *msi)
{
	struct irte_key key;
	uint64_t high;

	if (!(r->irta & VTD_LATCH_IRE) ||
	    (r->address & (VTD_MSI_BASE | VTD_MSI_FORMAT)) != (VTD_MSI_FEE | VTD_MSI_FORMAT) ||
	    find_index(r))
		return false;
	key = entry_key(v, r->index);
	return irte_cache_message(&v->irtes, &key, msi, &high) &&
	       atomic_load_explicit(&v->irta, memory_order_acquire) == r->irta &&
	       r->source <= v->unit.engine->last_id && source_valid(r, high);
}

int vtd_remap_cached(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		     uint32_t flags, struct viommu_msi *msi)
{
	const struct vtd *v = vtd_of(u);
	struct request r = { .source = source,
			     .address = address,
			     .data = data,
			     .irta = atomic_load_explicit(&v->irta, memory_order_acquire) };

	if (UNLIKELY(!find_message(v, &r, msi)))
		return msi_from_tables(u, source, address, data, flags, msi);
	msi->index = r.index;
	return VIOMMU_OK;
}
