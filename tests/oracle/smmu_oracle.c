/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_oracle.c - one request, step by step (IHI 0070, 3.3, 3.4, 5.1 to 5.5, 7.3). */
#include "smmu_oracle.h"

#include <endian.h>
#include <string.h>

/* One request on its way. */
struct run {
	const struct a64_memory *m;
	const struct so_unit *u;
	const struct so_request *q;
	struct so_answer *a;
	uint64_t ste[8];
	uint64_t cd[8];
	unsigned config;
	bool el2; /* StreamWorld; with E2H it is none */
	bool privileged, fetch;
	bool instructions; /* every read is one of instructions */
	bool data;	   /* none is */
	struct a64_tables s2;
	bool split; /* EATS 2: a translation request is answered with the IPA */
};

static unsigned get(uint64_t word, unsigned high, unsigned low)
{
	return (unsigned)(word >> low & ((UINT64_C(2) << (high - low)) - 1));
}

static unsigned idr(const struct run *r, unsigned n, unsigned high, unsigned low)
{
	return get(r->u->idr[n], high, low);
}

static unsigned size_of(unsigned code)
{
	static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48, 52, 52 };

	return bits[code];
}

static unsigned oas(const struct run *r)
{
	return size_of(idr(r, 5, 2, 0));
}

/* IPS and S2PS, which OAS caps. */
static unsigned effective_size(const struct run *r, unsigned code)
{
	return size_of(code) < oas(r) ? size_of(code) : oas(r);
}

/* ---- records ---- */

static void record(struct run *r, unsigned type, bool ids)
{
	struct so_answer *a = r->a;

	a->event = (uint8_t)type;
	a->recorded = true;
	a->record[0] = type | (uint64_t)r->q->sid << 32;
	if (ids && r->q->ssv)
		a->record[0] |= UINT64_C(1) << 11 | (uint64_t)r->q->ssid << 12;
}

/* 3.9.1.2, 3.9.1.3: of what is wrong with structures ATS traffic is told, and records only if that is wanted. */
static void abort_ats(struct run *r)
{
	if (r->q->type == SO_UNTRANSLATED)
		return;
	r->a->ats = r->q->type == SO_TRANSLATE ? SO_ATS_CA : SO_ATS_SUCCESS;
	r->a->recorded = r->u->rec_cfg_ats;
}

static bool configuration_fault(struct run *r, unsigned type)
{
	record(r, type, type != SO_BAD_SUBSTREAMID);
	if (type == SO_BAD_SUBSTREAMID && r->q->ssv)
		r->a->record[0] |= (uint64_t)r->q->ssid << 12;
	abort_ats(r);
	return false;
}

static bool fetch_fault(struct run *r, unsigned type, uint64_t address)
{
	record(r, type, true);
	r->a->record[3] = address & UINT64_C(0xfffffffffffff8);
	abort_ats(r);
	return false;
}

static bool translation_fault(struct run *r, const struct a64_answer *t, bool wanted)
{
	static const uint8_t types[] = { 0,	    SO_WALK_EABT, SO_TRANSLATION, SO_ADDR_SIZE,
					 SO_ACCESS, SO_PERMISSION };
	uint64_t *w = r->a->record;

	record(r, types[t->fault], true);
	w[1] = (uint64_t)r->privileged << 33 | (uint64_t)r->fetch << 34 |
	       (uint64_t)!r->q->write << 35 | (uint64_t)(t->stage == 2) << 39 |
	       (uint64_t)t->class << 40;
	w[2] = r->q->address;
	if (t->fault == A64_EABT)
		w[3] = t->fetch & UINT64_C(0xfffffffffffff8);
	else if (t->stage == 2)
		w[3] = t->ipa & UINT64_C(0xfffffffffff000);
	if (t->fault == A64_PERMISSION && t->stage == 2 && t->class == A64_TT && !t->table_write)
		w[1] |= UINT64_C(1) << 44;
	r->a->recorded = wanted || t->fault == A64_EABT;
	if (r->q->type == SO_TRANSLATE) {
		abort_ats(r);
		if (t->fault != A64_EABT) { /* no access */
			r->a->ats = SO_ATS_SUCCESS;
			r->a->ok = true;
			r->a->recorded = false;
		}
	}
	return false;
}

/* 5.5: what the stage's controls say of it. */
static bool fault_of_stage(struct run *r, const struct a64_answer *t)
{
	bool stage1 = t->stage == 1;
	bool wanted = stage1 ? get(r->cd[0], 45, 45) : get(r->ste[2], 58, 58);
	bool stall = stage1 ? get(r->cd[0], 44, 44) : get(r->ste[2], 57, 57);

	translation_fault(r, t, wanted || stall);
	if (stage1 && t->fault != A64_EABT && !get(r->cd[0], 46, 46) && r->q->type != SO_TRANSLATE)
		r->a->zero = true;
	return false;
}

/* 13.7.1 */
static void grant(struct run *r)
{
	struct so_answer *a = r->a;

	a->x = a->x && a->r && r->q->fetch && r->q->ssv;
	if (a->clean)
		a->w = false;
	if (!a->r && !a->w && !a->x)
		a->pa = 0;
}

static bool found(struct run *r, const struct a64_answer *t)
{
	struct so_answer *a = r->a;

	a->doubtful |= t->doubtful;
	if (t->fault != A64_NONE)
		return fault_of_stage(r, t);
	a->ok = true;
	a->pa = t->pa;
	a->lg2 = t->lg2;
	a->r = r->instructions ? t->x : t->r;
	a->w = t->w;
	a->x = r->data ? t->r : t->x;
	a->clean = t->clean;
	if (r->q->type == SO_TRANSLATE)
		grant(r);
	return true;
}

/* No stage translates: everything is permitted. */
static bool as_it_is(struct run *r)
{
	struct so_answer *a = r->a;

	a->ok = a->r = a->w = a->x = true;
	a->pa = r->q->address;
	a->lg2 = 12;
	if (r->q->type == SO_TRANSLATE)
		grant(r);
	return true;
}

/* ---- stream table entry ---- */

static bool read_words(const struct run *r, uint64_t address, uint64_t *words, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t word;

		if (!r->m->read(r->m->opaque, address + 8 * i, &word))
			return false;
		words[i] = le64toh(word);
	}
	return true;
}

static bool bad_stream(struct run *r)
{
	configuration_fault(r, SO_BAD_STREAMID);
	r->a->recorded = r->q->type == SO_TRANSLATED  ? r->u->rec_cfg_ats
			 : r->q->type == SO_TRANSLATE ? r->u->rec_cfg_ats && r->u->recinvsid
						      : r->u->recinvsid;
	return false;
}

static uint64_t low_cleared(uint64_t address, unsigned bits)
{
	return address >> bits << bits;
}

/* 6.3.24, 6.3.25, 5.1 */
static bool fetch_ste(struct run *r)
{
	const struct so_unit *u = r->u;
	unsigned log2size = get(u->strtab_cfg, 5, 0), split = get(u->strtab_cfg, 10, 6);
	unsigned sidsize = idr(r, 1, 5, 0);
	unsigned used = log2size < sidsize ? log2size : sidsize;
	uint64_t base = u->strtab_base & UINT64_C(0x00ffffffffffffc0), l1std, at;
	uint64_t sid = r->q->sid;

	if (sid >> used)
		return bad_stream(r);
	if (get(u->strtab_cfg, 17, 16) != 1 || !idr(r, 0, 28, 27)) {
		at = low_cleared(base, log2size + 6) + sid * 64;
	} else {
		unsigned low;

		split = split == 8 || split == 10 ? split : 6;
		low = log2size + 2 > split ? log2size - split + 3 : 0;
		base = low_cleared(base, low < 6 ? 6 : low);
		at = base + (sid >> split) * 8;
		if (!read_words(r, at, &l1std, 1))
			return fetch_fault(r, SO_STE_FETCH, at);
		if (get(l1std, 4, 0) == 0 || get(l1std, 4, 0) > 11 ||
		    get(l1std, 4, 0) > split + 1 ||
		    (sid & ((UINT64_C(1) << split) - 1)) >> (get(l1std, 4, 0) - 1))
			return bad_stream(r);
		at = low_cleared(l1std & UINT64_C(0x00ffffffffffffc0), get(l1std, 4, 0) + 5) +
		     (sid & ((UINT64_C(1) << split) - 1)) * 64;
	}
	if (!read_words(r, at, r->ste, 8))
		return fetch_fault(r, SO_STE_FETCH, at);
	return true;
}

static bool granule(const struct run *r, unsigned kib)
{
	switch (kib) {
	case 4:
		return idr(r, 5, 4, 4);
	case 16:
		return idr(r, 5, 5, 5);
	case 64:
		return idr(r, 5, 6, 6);
	default:
		return false;
	}
}

static unsigned kib_of_tg0(unsigned tg)
{
	static const uint8_t kib[] = { 4, 64, 16, 0 };

	return kib[tg];
}

static unsigned kib_of_tg1(unsigned tg)
{
	static const uint8_t kib[] = { 0, 16, 4, 64 };

	return kib[tg];
}

/* S2HA and HA, S2HD and HD, S2HAFT and HAFT */
static bool illegal_update(const struct run *r, unsigned ha, unsigned hd, unsigned haft)
{
	unsigned httu = idr(r, 0, 7, 6);

	return ((ha || hd) && httu == 0) || (hd && httu == 1) || (haft && !ha && httu == 3);
}

static bool illegal_order(const struct run *r, unsigned big)
{
	unsigned ttendian = idr(r, 0, 22, 21);

	return (ttendian == 2 && big) || (ttendian == 3 && !big);
}

/* 5.2.2, of stage 2, and what of it the walk needs */
static bool illegal_stage2(struct run *r)
{
	const uint64_t w1 = r->ste[1], w2 = r->ste[2], w3 = r->ste[3];
	unsigned tsz = get(w2, 37, 32), model = idr(r, 0, 25, 24), least, most;
	struct a64_tables *t = &r->s2;
	unsigned limit;

	*t = (struct a64_tables){ .kib = kib_of_tg0(get(w2, 47, 46)),
				  .bits = 64 - tsz,
				  .base = w3 & UINT64_C(0x000ffffffffffff0),
				  .ps = effective_size(r, get(w2, 50, 48)),
				  .ds = get(w3, 3, 3) && idr(r, 5, 7, 7),
				  .wide = oas(r) == 52,
				  .big_endian = get(w2, 52, 52),
				  .ha = get(w2, 56, 56),
				  .hd = get(w2, 55, 55),
				  .haft = get(w2, 59, 59) && idr(r, 0, 7, 6) == 3,
				  .affd = get(w2, 53, 53),
				  .ptw = get(w2, 54, 54),
				  .xnx = idr(r, 3, 4, 4),
				  .fwb = get(w1, 25, 25) && idr(r, 3, 8, 8) };
	if ((get(w2, 57, 57) && model == 1) || (!get(w2, 57, 57) && model == 2))
		return true;
	if (!get(w2, 51, 51) || illegal_update(r, t->ha, t->hd, get(w2, 59, 59)) ||
	    !granule(r, t->kib))
		return true;
	limit = t->kib == 64 || t->ds || t->ps < 48 ? t->ps : 48;
	if (t->base >> limit)
		return true;
	most = !idr(r, 3, 9, 9) ? 39 : t->kib == 64 ? 47 : 48;
	least = t->kib == 64 || t->ds ? 12 : 16;
	if (least < 64 - oas(r))
		least = 64 - oas(r);
	if (tsz < least || tsz > most)
		return true;
	/* level 3 of 4 KiB is of small tables, level 0 of 16 KiB of large addresses (DDI 0487, S2InvalidSL) */
	if (get(w2, 39, 38) == 3 &&
	    (t->kib == 4 ? !idr(r, 3, 9, 9) && !(t->ds && get(w3, 2, 2)) : t->kib == 16 && !t->ds))
		return true;
	if (!a64_start_level(t->kib,
			     get(w2, 39, 38) | (t->ds && t->kib == 4 ? get(w3, 2, 2) << 2 : 0),
			     t->bits, &t->start))
		return true;
	return illegal_order(r, t->big_endian);
}

static bool illegal_stage1(const struct run *r)
{
	const uint64_t w0 = r->ste[0], w1 = r->ste[1];
	unsigned ssidsize = idr(r, 1, 10, 6), cdmax = get(w0, 63, 59), fmt = get(w0, 5, 4);

	if (get(w1, 27, 27) && idr(r, 0, 25, 24) != 0)
		return true;
	if (ssidsize && cdmax > ssidsize)
		return true;
	if (ssidsize && cdmax && (fmt == 1 || fmt == 2) && !idr(r, 0, 19, 19))
		return true;
	return (w0 & UINT64_C(0x00ffffffffffffc0)) >> oas(r) != 0;
}

static bool illegal_ats(const struct run *r)
{
	unsigned eats = get(r->ste[1], 29, 28), s2s = get(r->ste[2], 57, 57);

	if (!idr(r, 0, 10, 10) || r->config == 4)
		return false;
	return (eats == 2 && (r->config != 7 || s2s || idr(r, 0, 11, 11))) ||
	       (eats == 1 && s2s && r->config >= 6);
}

static bool illegal_ste(struct run *r)
{
	unsigned strw = get(r->ste[1], 31, 30);
	bool strw_used = idr(r, 0, 1, 1) && idr(r, 0, 9, 9) && r->config == 5;
	bool vmid_used = idr(r, 0, 0, 0) && r->config != 4 && !(strw_used && strw);

	if ((r->config & 1 && !idr(r, 0, 1, 1)) || (r->config & 2 && !idr(r, 0, 0, 0)))
		return true;
	if (illegal_ats(r) || (strw_used && strw & 1))
		return true;
	r->el2 = strw_used && strw == 2 && !r->u->e2h;
	if ((r->config & 1 && illegal_stage1(r)) || (r->config & 2 && illegal_stage2(r)))
		return true;
	return vmid_used && !idr(r, 0, 18, 18) && get(r->ste[2], 15, 8);
}

/* PRIVCFG, INSTCFG: 13.5 */
static void override(struct run *r)
{
	unsigned privilege = get(r->ste[1], 49, 48), instruction = get(r->ste[1], 51, 50);

	/* 13.7: without a PASID, and of a translated transaction, neither is known */
	bool known = r->q->type == SO_UNTRANSLATED || (r->q->type == SO_TRANSLATE && r->q->ssv);

	r->privileged = r->q->privileged && known;
	r->fetch = r->q->fetch && !r->q->write && known;
	if (!idr(r, 1, 26, 26))
		return;
	if (privilege & 2)
		r->privileged = privilege & 1;
	r->instructions = instruction == 3;
	r->data = instruction == 2;
	if (instruction & 2)
		r->fetch = instruction == 3 && !r->q->write;
}

/* ---- context descriptor ---- */

/* Where a structure lies that stage 2 may translate. */
static bool place(struct run *r, uint64_t address, uint64_t *pa)
{
	struct a64_request q = { .address = address, .read = true, .trace = true };
	struct a64_answer t;

	*pa = address;
	if (!(r->config & 2))
		return true;
	t = a64_stage2(r->m, &r->s2, &q, A64_CD);
	r->a->doubtful |= t.doubtful;
	*pa = t.pa;
	return t.fault == A64_NONE || fault_of_stage(r, &t);
}

static bool fetch_cd(struct run *r, uint32_t ssid)
{
	unsigned cdmax = idr(r, 1, 10, 6) ? get(r->ste[0], 63, 59) : 0, fmt = get(r->ste[0], 5, 4);
	uint64_t address = r->ste[0] & UINT64_C(0x00ffffffffffffc0), l1cd, pa;

	if (cdmax && (fmt == 1 || fmt == 2)) {
		unsigned leaf = fmt == 1 ? 6 : 10;
		uint64_t index = cdmax > leaf ? ssid >> leaf : 0;
		unsigned low = cdmax > leaf ? cdmax - leaf + 3 : 0;

		address = low_cleared(address, low < 6 ? 6 : low) + index * 8;
		if (!place(r, address, &pa))
			return false;
		if (!read_words(r, pa, &l1cd, 1))
			return fetch_fault(r, SO_CD_FETCH, pa);
		address = l1cd & UINT64_C(0x00fffffffffff000);
		if (!(l1cd & 1) || address >> oas(r))
			return configuration_fault(r, SO_BAD_SUBSTREAMID);
		ssid &= (1U << leaf) - 1;
	} else {
		address = low_cleared(address, cdmax + 6);
	}
	address += (uint64_t)ssid * 64;
	if (!place(r, address, &pa))
		return false;
	if (!read_words(r, pa, r->cd, 8))
		return fetch_fault(r, SO_CD_FETCH, pa);
	return true;
}

static bool disabled(const struct run *r, unsigned half)
{
	return r->el2 ? half == 1 : get(r->cd[0], half ? 30 : 14, half ? 30 : 14);
}

/* One half as the walk needs it. */
static struct a64_tables half_of(const struct run *r, unsigned half)
{
	uint64_t w0 = r->cd[0], w = r->cd[1 + half];

	return (struct a64_tables){
		.kib = half ? kib_of_tg1(get(w0, 23, 22)) : kib_of_tg0(get(w0, 7, 6)),
		.bits = 64 - (half ? get(w0, 21, 16) : get(w0, 5, 0)),
		.base = w & UINT64_C(0x000ffffffffffff0),
		.ps = effective_size(r, get(w0, 34, 32)),
		.ds = get(r->cd[2], 58, 58) && idr(r, 5, 7, 7),
		.wide = oas(r) == 52,
		.big_endian = get(w0, 15, 15),
		.ha = get(w0, 43, 43),
		.hd = get(w0, 42, 42),
		.haft = get(r->cd[1], 3, 3) && idr(r, 0, 7, 6) == 3,
		.affd = get(w0, 35, 35),
		.had = get(w, 1, 1) && idr(r, 3, 2, 2),
		.wxn = get(w0, 36, 36),
		.pan = get(w0, 40, 40) && !r->el2,
		.epan = get(r->cd[1], 59, 59) && idr(r, 3, 17, 17),
		.e0pd = get(w, 2, 2) && idr(r, 3, 13, 13) && !r->el2,
		.epd = disabled(r, half),
		.el2 = r->el2,
	};
}

static bool illegal_half(const struct run *r, unsigned half)
{
	struct a64_tables t = half_of(r, half);
	unsigned tsz = 64 - t.bits, most, least, limit;

	most = !idr(r, 3, 9, 9) ? 39 : t.kib == 64 ? 47 : 48;
	least = (t.kib == 64 || t.ds) && idr(r, 5, 11, 10) ? 12 : 16;
	limit = t.kib == 64 || t.ds || t.ps < 48 ? t.ps : 48;
	return !granule(r, t.kib) || tsz < least || tsz > most || t.base >> limit != 0;
}

static bool illegal_cd(const struct run *r)
{
	uint64_t w0 = r->cd[0];
	unsigned stall = get(w0, 44, 44), model = idr(r, 0, 25, 24);
	bool off0 = disabled(r, 0), off1 = disabled(r, 1);

	if (!get(w0, 31, 31) || (get(r->ste[1], 27, 27) && stall) ||
	    (idr(r, 0, 26, 26) && !get(w0, 46, 46)) || (model == 1 && stall) ||
	    (model == 2 && !stall))
		return true;
	if ((!off0 || !off1) && illegal_order(r, get(w0, 15, 15)))
		return true;
	if (!get(w0, 41, 41) ||
	    illegal_update(r, get(w0, 43, 43), get(w0, 42, 42), get(r->cd[1], 3, 3)))
		return true;
	if (!r->el2 && !idr(r, 0, 12, 12) && get(w0, 63, 56))
		return true;
	return (!off0 && illegal_half(r, 0)) || (!off1 && illegal_half(r, 1));
}

/* ---- translation ---- */

static struct a64_request access_of(const struct run *r, uint64_t address)
{
	bool read = r->q->read || r->q->fetch;

	return (struct a64_request){ .address = address,
				     .read = read && !r->fetch,
				     .write = r->q->write,
				     .fetch = r->fetch,
				     .privileged = r->privileged,
				     .trace = true,
				     .any = r->q->type == SO_TRANSLATE,
				     .dirty = r->q->write };
}

/* The address goes through stage 1 as it is. */
static bool past_stage1(struct run *r)
{
	struct a64_request q = access_of(r, r->q->address);
	struct a64_answer t = { .fault = A64_ADDR_SIZE, .stage = 1, .class = A64_IN };

	if (r->q->address >> oas(r))
		return translation_fault(r, &t, true);
	if (!(r->config & 2))
		return as_it_is(r);
	t = a64_stage2(r->m, &r->s2, &q, A64_IN);
	if (r->split)
		t.pa = r->q->address;
	return found(r, &t);
}

static bool in_range(const struct run *r, unsigned half, unsigned bits)
{
	unsigned top = get(r->cd[0], half ? 39 : 38, half ? 39 : 38) ? 56 : 64;
	uint64_t address = half ? ~r->q->address : r->q->address;

	return (address & (top == 64 ? UINT64_MAX : (UINT64_C(1) << top) - 1)) >> bits == 0;
}

static bool through_stage1(struct run *r)
{
	unsigned half = r->el2 ? 0 : get(r->q->address, 55, 55);
	struct a64_tables s1 = half_of(r, half);
	struct a64_request q = access_of(r, r->q->address);
	struct a64_answer t = { .fault = A64_TRANSLATION, .stage = 1, .class = A64_IN };

	if (s1.epd || !in_range(r, half, s1.bits))
		return fault_of_stage(r, &t);
	t = r->config & 2 ? a64_nested(r->m, &s1, &r->s2, &q) : a64_stage1(r->m, &s1, &q);
	if (r->split && t.fault == A64_NONE)
		t.pa = t.ipa;
	return found(r, &t);
}

/* 5.2 S1DSS, S1CDMax */
static bool by_substream(struct run *r)
{
	unsigned ssidsize = idr(r, 1, 10, 6), cdmax = ssidsize ? get(r->ste[0], 63, 59) : 0;
	unsigned dss = get(r->ste[1], 1, 0);
	uint32_t ssid = 0;

	if (r->q->ssv) {
		if (!(r->config & 1) || !cdmax || r->q->ssid >> cdmax)
			return configuration_fault(r, SO_BAD_SUBSTREAMID);
		if (dss == 2 && r->q->ssid == 0)
			return configuration_fault(r, SO_STREAM_DISABLED);
		ssid = r->q->ssid;
	} else if (r->config & 1 && cdmax && dss != 2) {
		return dss == 1 ? past_stage1(r) : configuration_fault(r, SO_STREAM_DISABLED);
	}
	if (!(r->config & 1))
		return past_stage1(r);
	if (!fetch_cd(r, ssid))
		return false;
	if (illegal_cd(r))
		return configuration_fault(r, SO_BAD_CD);
	return through_stage1(r);
}

/* ---- ATS (3.9.1) ---- */

static void bad_request(struct run *r)
{
	const struct so_request *q = r->q;

	record(r, SO_BAD_ATS_TREQ, true);
	r->a->record[1] = UINT64_C(1) << 31 | (uint64_t)q->write << 30;
	if (q->ssv)
		r->a->record[1] |= (uint64_t)q->fetch << 29 | (uint64_t)q->privileged << 28;
	r->a->record[2] = q->address >> 12 << 12;
	r->a->ats = SO_ATS_UR;
}

static void forbidden(struct run *r)
{
	record(r, SO_TRANSL_FORBIDDEN, false);
	r->a->record[1] = (uint64_t)!r->q->write << 35;
	r->a->record[2] = r->q->address;
}

static void pass_translated(struct run *r)
{
	if (r->q->address >> oas(r) == 0)
		as_it_is(r);
}

/* The STE, as far as it concerns all kinds of traffic. False: that was it. */
static bool find_ste(struct run *r)
{
	if (!fetch_ste(r))
		return false;
	r->config = get(r->ste[0], 3, 1);
	if (!(r->ste[0] & 1))
		return configuration_fault(r, SO_BAD_STE);
	if (r->config < 4) {
		r->a->ats = r->q->type == SO_TRANSLATE ? SO_ATS_UR : SO_ATS_SUCCESS;
		return false;
	}
	if (illegal_ste(r))
		return configuration_fault(r, SO_BAD_STE);
	override(r);
	return true;
}

static unsigned effective_eats(const struct run *r)
{
	unsigned eats = get(r->ste[1], 29, 28);

	if (r->config == 4 || eats == 3 || (eats == 2 && !r->u->atschk))
		return 0;
	return eats;
}

static void translation_request(struct run *r)
{
	if (!r->u->enabled) {
		bad_request(r);
	} else if (find_ste(r)) {
		r->split = effective_eats(r) == 2;
		if (effective_eats(r))
			by_substream(r);
		else
			bad_request(r);
	}
}

static void translated(struct run *r)
{
	if (!r->u->enabled) {
		forbidden(r);
		return;
	}
	if (!r->u->atschk) {
		pass_translated(r);
		return;
	}
	if (!find_ste(r))
		return;
	switch (effective_eats(r)) {
	case 0:
		forbidden(r);
		break;
	case 1:
		pass_translated(r);
		break;
	default:
		past_stage1(r);
	}
}

void so_translate(const struct a64_memory *m, const struct so_unit *u, const struct so_request *q,
		  struct so_answer *a)
{
	struct run r = { .m = m, .u = u, .q = q, .a = a };

	struct so_request unknown = *q;

	memset(a, 0, sizeof(*a));
	if (q->type == SO_TRANSLATED) { /* the PASID is not looked at (PASIDTT 0) */
		unknown.ssv = false;
		r.q = &unknown;
		translated(&r);
	} else if (q->type == SO_TRANSLATE) {
		translation_request(&r);
	} else if (u->enabled) {
		if (find_ste(&r))
			by_substream(&r);
	} else if (!(u->gbpa >> 20 & 1) && q->address >> oas(&r) == 0) {
		as_it_is(&r);
	}
}
