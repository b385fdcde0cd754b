/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_irq.c - interrupt remapping (2.2.5): each requester has a table of its own. */

#include "amdvi_engine.h"
#include "explain.h"
#include "mem.h"
#include "msi.h"

/* What is asked. */
struct message {
	uint32_t source;
	uint32_t index; /* of the table entry; UINT32_MAX: none */
	uint64_t address;
	uint64_t control; /* read once */
	uint32_t data;
};

/* A message on its way. */
struct request {
	struct message m;
	bool resolve;			 /* no event, nothing stored */
	bool ignore;			 /* DTE.IG: page faults are not logged */
	uint64_t at;			 /* of a hardware error */
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

static inline void show(const struct request *r, const char *what, uint64_t gpa,
			const uint64_t *raw, unsigned words)
{
	if (UNLIKELY(r->explanation != NULL))
		show_step(r, what, gpa, raw, words);
}

/* Of an entry that is looked for, or read, from now on. @index: of a message with another type than fixed that is none of a
 * table */
static inline struct irte_key entry_key(const struct amdvi *v, uint32_t source, uint32_t index)
{
	uint32_t id = (source & 0xffff) << 11 | index;

	static_assert(IRTE_SLOTS == 1U << 10, "ten bits of the hash");
	return (struct irte_key){ .slot = id * UINT32_C(0x9e3779b1) >> 22,
				  .id = id,
				  .count = irte_cache_count(&v->irtes, source) };
}

/* What the cache has instead of the entry. */
static __attribute__((noinline, cold)) void show_cached(const struct amdvi *v,
							const struct request *r,
							const uint64_t *entry)
{
	struct viommu_step step = { .gpa = UINT64_MAX,
				    .what = "interrupt entry cache",
				    .flags = VIOMMU_STEP_CACHE };
	struct irte_key key;

	if (!r->explanation->caches)
		return;
	key = entry_key(v, r->m.source, r->m.index);
	if (irte_cache_find(&v->irtes, &key, step.raw)) {
		step.words = 2;
		if (memcmp(step.raw, entry, 16) != 0)
			step.flags |= VIOMMU_STEP_STALE;
	}
	explain_step(r->explanation, &step);
}

static int refuse(struct amdvi *v, const struct request *r, unsigned reason, struct viommu_msi *msi)
{
	bool page_fault = amdvi_reasons[reason].event == AMD_IO_PAGE_FAULT;
	bool hardware = amdvi_reasons[reason].event == AMD_DEV_TAB_HARDWARE_ERROR ||
			amdvi_reasons[reason].event == AMD_PAGE_TAB_HARDWARE_ERROR;

	msi->reason = (uint16_t)reason;
	msi->index = r->m.index;
	if (!r->resolve && !(page_fault && r->ignore))
		amdvi_fault_interrupt(v, r->m.source, reason,
				      hardware ? r->at & ~UINT64_C(15)
					       : r->m.address & ~UINT64_C(3));
	return VIOMMU_FAULT;
}

/* The address and data that KVM and 32-bit APICs understand: destination 31:8 in address 63:40. */
ALWAYS_INLINE void encode(struct viommu_msi *msi)
{
	msi->address = AMD_WINDOW_FIRST | (uint64_t)(msi->destination & 0xff) << 12 |
		       (uint64_t)(msi->destination & ~0xffU) << 32 | (uint64_t)msi->logical << 2;
	msi->data = msi->vector | (uint32_t)msi->delivery_mode << 8 | UINT32_C(1) << 14;
}

ALWAYS_INLINE uint32_t destination(const struct message *m, const uint64_t raw[2])
{
	uint64_t low = bits_get(raw[0], AMD_IRTE_DEST_LO);

	if (!(m->control & AMD_CTRL_XT_EN))
		return (uint32_t)low & 0xff;
	return (uint32_t)(low | bits_get(raw[1], AMD_IRTE_DEST_HI) << 24);
}

/* ---- entries (2.2.5.1 to 2.2.5.3) ---- */

/* A 32-bit entry as a 128-bit one. Its reserved bits become one of those of the other. */
static void widen(uint64_t entry, uint64_t raw[2])
{
	const uint64_t same = AMD_IRTE32_REMAP_EN | AMD_IRTE32_SUP_IOPF | AMD_IRTE32_TYPE |
			      AMD_IRTE32_RQ_EOI | AMD_IRTE32_DM | AMD_IRTE32_GUEST |
			      AMD_IRTE32_DEST;

	raw[0] = entry & same;
	raw[1] = bits_get(entry, AMD_IRTE32_VECTOR) |
		 (entry & AMD_IRTE32_RSVD ? AMD_IRTE_RSVD_72 : 0);
}

static bool load_entry(struct amdvi *v, struct request *r, uint64_t table, uint64_t raw[2])
{
	bool wide = r->m.control & AMD_CTRL_GA_EN;
	uint64_t entry = 0;
	bool ok;

	r->at = table + (uint64_t)r->m.index * (wide ? 16 : 4);
	if (wide) {
		ok = mem_load_soon(v->unit.vm, r->at, raw, 2);
		show(r, "interrupt table entry", r->at, raw, ok ? 2 : 0);
	} else {
		ok = mem_load32(v->unit.vm, NULL, r->at, &entry);
		show(r, "interrupt table entry", r->at, &entry, ok);
		widen(entry, raw);
	}
	return ok;
}

static bool entry_reserved(const struct request *r, const uint64_t raw[2])
{
	bool vapic = (r->m.control & AMD_CTRL_GA_EN) &&
		     bits_get(r->m.control, AMD_CTRL_GAM_EN) == AMD_GAM_VAPIC;

	if (raw[1] & (AMD_IRTE_RSVD_72 | AMD_IRTE_RSVD_116))
		return true;
	if (raw[0] & AMD_IRTE_GUEST)
		return !vapic || (raw[0] & AMD_IRTE_RSVD_3);
	return bits_get(raw[0], AMD_IRTE_TYPE) > AMD_DELIVERY_LOWEST;
}

static unsigned check_entry(struct request *r, const uint64_t raw[2])
{
	r->ignore |= (raw[0] & AMD_IRTE_SUP_IOPF) != 0;
	if (!(raw[0] & AMD_IRTE_REMAP_EN))
		return AMDVI_R_IRQ_ABSENT;
	return entry_reserved(r, raw) ? AMDVI_R_IRQ_RSVD : 0;
}

/* What an entry makes of messages, but for what is theirs. */
ALWAYS_INLINE void remapped(const struct amdvi *v, const struct message *m, const uint64_t raw[2],
			    struct viommu_msi *msi)
{
	msi->destination = destination(m, raw);
	msi->vector = (uint8_t)bits_get(raw[1], AMD_IRTE_VECTOR);
	msi->delivery_mode = (uint8_t)bits_get(raw[0], AMD_IRTE_TYPE);
	msi->logical = (raw[0] & AMD_IRTE_DM) && !(v->efr & AMD_EFR_PHY_DEST);
	encode(msi);
}

static_assert(AMD_MSI_RH == BIT(3) && AMD_MSI_LEVEL == BIT(15), "as struct viommu_msi has them");

/* Trigger mode and redirection hint are the message's own. */
ALWAYS_INLINE int take_own(const struct message *m, struct viommu_msi *msi)
{
	msi->address |= m->address & AMD_MSI_RH;
	msi->data |= m->data & (uint32_t)AMD_MSI_LEVEL;
	msi->level = (m->data & AMD_MSI_LEVEL) != 0;
	msi->redirection_hint = (m->address & AMD_MSI_RH) != 0;
	msi->index = m->index;
	return VIOMMU_OK;
}

/* The guest form: stored in the virtual APIC page. The message is the notice of it, if one is due. */
static int to_vapic(struct amdvi *v, const struct request *r, const uint64_t raw[2],
		    struct viommu_msi *msi)
{
	struct request failed = *r;
	bool notify = false;

	failed.at = raw[1] & AMD_IRTE_GA_ROOT;
	if (!r->resolve && !amdvi_vapic_deliver(v, r->m.source, raw, &notify))
		return refuse(v, &failed, AMDVI_R_IRQ_VAPIC, msi);
	*msi = (struct viommu_msi){ .destination = destination(&r->m, raw),
				    .vector = (uint8_t)bits_get(raw[1], AMD_IRTE_VECTOR),
				    .flags = VIOMMU_MSI_POSTED | (notify ? VIOMMU_MSI_NOTIFY : 0),
				    .index = r->m.index };
	encode(msi);
	return VIOMMU_OK;
}

/* ---- the device table entry ---- */

static bool dte_reserved(const uint64_t raw[2])
{
	return (raw[0] & AMD_DTE_RSVD_180) ||
	       (raw[1] & (AMD_DTE_RSVD_192 | AMD_DTE_VIMU | AMD_DTE_RSVD_240));
}

static int pass(struct amdvi *v, const struct request *r, struct viommu_msi *msi)
{
	msi_as_it_is(v->unit.vm, r->m.address, r->m.data, msi);
	return VIOMMU_OK;
}

/* Tables of more than 512 entries have their index where others have the type of the message. */
static bool has_type(const struct request *r, const uint64_t raw[2])
{
	return !bits_get(r->m.control, AMD_CTRL_NUM_INT_REMAP) ||
	       bits_get(raw[0], AMD_DTE_INT_LEN) <= 9;
}

/* Messages that are not remapped: those that have a bit of their own. 0: pass; UINT32_MAX: IntCtl decides */
static unsigned by_type(const struct request *r, const uint64_t raw[2])
{
	uint64_t pass_bit = 0;

	switch (bits_get(r->m.data, AMD_MSI_DELIVERY)) {
	case AMD_DELIVERY_FIXED:
	case AMD_DELIVERY_LOWEST:
		return UINT32_MAX;
	case AMD_DELIVERY_SMI:
		return 0;
	case AMD_DELIVERY_NMI:
		pass_bit = AMD_DTE_NMI_PASS;
		break;
	case AMD_DELIVERY_INIT:
		pass_bit = AMD_DTE_INIT_PASS;
		break;
	case AMD_DELIVERY_EXTINT:
		pass_bit = AMD_DTE_EINT_PASS;
		break;
	default:
		break;
	}
	return (raw[0] & pass_bit) && !(r->m.address & AMD_MSI_DM) ? 0 : AMDVI_R_IRQ_ABORT;
}

static int remap(struct amdvi *v, struct request *r, const uint64_t dte[2],
		 const struct irte_key *key, struct viommu_msi *msi)
{
	unsigned length = (unsigned)bits_get(dte[0], AMD_DTE_INT_LEN);
	uint32_t index = (uint32_t)bits_get(r->m.data, AMD_MSI_INDEX);
	bool guest;
	uint64_t raw[2];
	unsigned reason;

	if (length > AMD_INT_LEN_MAX)
		return refuse(v, r, AMDVI_R_IRQ_LENGTH, msi);
	r->m.index = index;
	if (index >> length)
		return refuse(v, r, AMDVI_R_IRQ_INDEX, msi);
	r->m.index = index = (uint32_t)bits_clamp_index(index, UINT64_C(1) << length);
	if (!load_entry(v, r, dte[0] & AMD_DTE_INT_ROOT, raw))
		return refuse(v, r, AMDVI_R_IRQ_FETCH, msi);
	if (UNLIKELY(r->explanation != NULL))
		show_cached(v, r, raw);
	reason = check_entry(r, raw);
	if (reason)
		return refuse(v, r, reason, msi);
	guest = raw[0] & AMD_IRTE_GUEST;
	if (!guest)
		remapped(v, &r->m, raw, msi);
	if (!r->explanation && amdvi_control(v) == r->m.control)
		irte_cache_add(&v->irtes, key, raw, msi);
	return guest ? to_vapic(v, r, raw, msi) : take_own(&r->m, msi);
}

static void saw(void *opaque, const char *what, unsigned level, uint64_t gpa, const uint64_t *raw,
		unsigned words)
{
	(void)level;
	show_step(opaque, what, gpa, raw, words);
}

/* What the requester's entry says. */
static int by_entry(struct amdvi *v, struct request *r, struct viommu_msi *msi)
{
	const struct pt_observer observer = { .saw = saw, .opaque = r };
	uint32_t index = (uint32_t)bits_get(r->m.data, AMD_MSI_INDEX);
	struct irte_key key = entry_key(v, r->m.source, index);
	uint64_t dte[2];
	unsigned reason = amdvi_dte_load_interrupts(v, r->m.source,
						    r->explanation ? &observer : NULL, dte, &r->at);

	if (reason)
		return refuse(v, r,
			      reason == AMDVI_R_DTE_BOUND ? AMDVI_R_IRQ_BOUND
							  : AMDVI_R_IRQ_DTE_FETCH,
			      msi);
	if (!(dte[0] & AMD_DTE_IV))
		return pass(v, r, msi);
	if (dte_reserved(dte))
		return refuse(v, r, AMDVI_R_IRQ_DTE_RSVD, msi);
	r->ignore = dte[0] & AMD_DTE_IG;
	reason = has_type(r, dte) ? by_type(r, dte) : UINT32_MAX;
	if (reason != UINT32_MAX)
		return reason ? refuse(v, r, reason, msi) : pass(v, r, msi);
	switch (bits_get(dte[0], AMD_DTE_INT_CTL)) {
	case AMD_CONTROL_ABORT:
		return refuse(v, r, AMDVI_R_IRQ_ABORT, msi);
	case AMD_CONTROL_FORWARD:
		return pass(v, r, msi);
	case AMD_CONTROL_TRANSLATE:
		return remap(v, r, dte, &key, msi);
	default:
		return refuse(v, r, AMDVI_R_IRQ_INT_CTL, msi);
	}
}

static int answer(struct amdvi *v, struct request *r, struct viommu_msi *msi)
{
	if (r->m.source > v->unit.engine->last_id)
		return VIOMMU_EINVAL;
	if (r->m.control & AMD_CTRL_IOMMU_EN) {
		if (!amdvi_in_window(r->m.address))
			return refuse(v, r, AMDVI_R_NONE, msi);
		return by_entry(v, r, msi);
	}
	/* Destination bits 31:8 may come in KVM's form; anything else is no interrupt. */
	if ((r->m.address & BITS(39, 20)) != AMD_WINDOW_FIRST)
		return refuse(v, r, AMDVI_R_NONE, msi);
	return pass(v, r, msi);
}

int amdvi_remap_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    uint32_t flags, struct viommu_msi *msi)
{
	struct amdvi *v = amdvi_of(u);
	struct request r = { .m = { source, UINT32_MAX, address, amdvi_control(v), data },
			     .resolve = flags & VIOMMU_MSI_RESOLVE };

	return answer(v, &r, msi);
}

int amdvi_explain_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		      struct explanation *e, struct viommu_msi *msi)
{
	struct amdvi *v = amdvi_of(u);
	struct request r = { .m = { source, UINT32_MAX, address, amdvi_control(v), data },
			     .resolve = true,
			     .explanation = e };

	return answer(v, &r, msi);
}

/* What a message that is remapped comes to, from the cache alone. The entry is kept under all of the index: of a message with
 * another type than fixed that is none of a table. Whether the message is to be recorded or not changes nothing then. */
ALWAYS_INLINE bool find_message(const struct amdvi *v, const struct message *m,
				struct viommu_msi *msi)
{
	struct irte_key key = entry_key(v, m->source, m->index);

	return (m->control & AMD_CTRL_IOMMU_EN) && amdvi_in_window(m->address) &&
	       m->source <= v->unit.engine->last_id &&
	       irte_cache_message(&v->irtes, &key, msi, NULL) && amdvi_control(v) == m->control;
}

int amdvi_remap_cached(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		       uint32_t flags, struct viommu_msi *msi)
{
	const struct amdvi *v = amdvi_of(u);
	const struct message m = { source, (uint32_t)bits_get(data, AMD_MSI_INDEX), address,
				   amdvi_control(v), data };

	if (UNLIKELY(!find_message(v, &m, msi)))
		return msi_from_tables(u, source, address, data, flags, msi);
	return take_own(&m, msi);
}
