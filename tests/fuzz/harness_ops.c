/* SPDX-License-Identifier: BSD-3-Clause */
/* harness_ops.c - the operations that an input is made of. */
#include <string.h>

#include "harness.h"

/* ---- operands ---- */

/* A page of the machine in most cases, otherwise anything. */
static uint64_t take_address(struct input *in)
{
	uint64_t n = input_take(in, 1);

	if (n < 0xc0)
		return RAM_BASE + (n % (RAM_PAGES + 2)) * 4096;
	if (n < 0xe0)
		return ROM_BASE + (n & 3) * 4096;
	return input_take(in, 8);
}

/* Where the tables of machine_setup() map something, the ends of it, the window, or anything. */
static uint64_t take_iova(struct input *in)
{
	static const uint64_t places[] = { 0x1000,	   0x3fe000,	       0x200000,
					   0x40000000,	   0x80000000,	       0xfedff000,
					   0xfee00000,	   0xfef00000,	       0x7fffffffff,
					   0x800000000000, 0xffff800000000000, 0xfffffffffffff000 };
	uint64_t n = input_take(in, 1);

	if (n < 0xe0)
		return places[n % (sizeof(places) / sizeof(places[0]))] + (n >> 4) * 0x808;
	return input_take(in, 8);
}

static uint32_t take_pasid(struct input *in)
{
	uint64_t n = input_take(in, 1);

	if (n < 0x60)
		return VIOMMU_NO_PASID;
	return n < 0xf0 ? (uint32_t)n & 3 : (uint32_t)input_take(in, 4);
}

/* The registers of the unit, and any other offset. */
static uint64_t take_offset(const struct machine *m, struct input *in)
{
	static const uint16_t offsets[] = {
		VTD_GCMD,    VTD_GSTS,	   VTD_RTADDR,	VTD_CCMD,    VTD_FSTS,	  VTD_FECTL,
		VTD_FEDATA,  VTD_FEADDR,   VTD_FEUADDR, VTD_PMEN,    VTD_PLMBASE, VTD_PLMLIMIT,
		VTD_PHMBASE, VTD_PHMLIMIT, VTD_IQH,	VTD_IQT,     VTD_IQA,	  VTD_ICS,
		VTD_IECTL,   VTD_IEDATA,   VTD_IEADDR,	VTD_IEUADDR, VTD_IQERCD,  VTD_IRTA,
		VTD_PQH,     VTD_PQT,	   VTD_PQA,	VTD_PRS,     VTD_PECTL,	  VTD_PEDATA,
		VTD_PEADDR,  VTD_PEUADDR,  VTD_CAP,	VTD_ECAP,    VTD_VER
	};
	uint64_t n = input_take(in, 1);

	if (n < sizeof(offsets) / sizeof(offsets[0]))
		return offsets[n];
	if (n < 0x40) /* IVA, IOTLB */
		return bits_get(m->ecap, VTD_ECAP_IRO) * 16 + (n & 3) * 4;
	if (n < 0x60)
		return bits_get(m->cap, VTD_CAP_FRO) * 16 + (n & 31) * 4;
	return input_take(in, n & 1 ? 2 : 8);
}

/* ---- operations ---- */

static void op_put(struct machine *m, struct input *in)
{
	uint64_t gpa = take_address(in) + (input_take(in, 2) & 0xff8);

	machine_put(m, gpa, input_take(in, 8));
}

/* A pointer to a page of ours, with low and high bits of its own. */
static void op_link(struct machine *m, struct input *in)
{
	uint64_t gpa = take_address(in) + (input_take(in, 2) & 0xff8);
	uint64_t low = input_take(in, 2) & 0xfff;
	uint64_t high = input_take(in, 1) << 56;

	machine_put(m, gpa, take_address(in) | low | high);
}

static void op_turn_bit(struct machine *m, struct input *in)
{
	uint64_t gpa = take_address(in) + (input_take(in, 2) & 0xff8);
	const uint64_t *word = machine_word(m, gpa);

	if (word)
		machine_put(m, gpa, *word ^ UINT64_C(1) << (input_take(in, 1) & 63));
}

static void op_write(struct machine *m, struct input *in)
{
	uint64_t offset = take_offset(m, in);
	uint32_t how = (uint32_t)input_take(in, 1);
	uint32_t bytes = how < 0x70 ? 4 : how < 0xe0 ? 8 : how & 15;
	uint64_t value = how & 1 ? take_address(in) | input_take(in, 2) : input_take(in, 8);

	machine_write(m, offset, bytes, value);
	m->clean = false;
}

static void op_read(struct machine *m, struct input *in)
{
	uint64_t offset = take_offset(m, in);
	uint32_t how = (uint32_t)input_take(in, 1);

	machine_read(m, offset, how < 0x70 ? 4 : how < 0xe0 ? 8 : how & 15);
}

static void op_translate(struct machine *m, struct input *in)
{
	unsigned who = (unsigned)input_take(in, 1);
	struct viommu_request r = { .first = take_iova(in), .pasid = take_pasid(in) };
	uint64_t how = input_take(in, 2);

	r.access = how & 0x1f;
	r.type = (uint16_t)(how >> 5 & 3);
	r.last = r.first + (how >> 7 & 0xff) * 0x111;
	if (how >> 15)
		r.last = r.first + input_take(in, 8);
	if (how & 0x10)
		r.access &= 3;
	machine_translate(m, who, &r);
}

static int count_step(void *opaque, const struct viommu_step *step)
{
	unsigned *steps = opaque;

	CHECK(step->words <= 8 && step->what);
	CHECK(++*steps <= 200);
	return 0;
}

static void op_explain(struct machine *m, struct input *in)
{
	unsigned who = (unsigned)input_take(in, 1) % DEVICES;
	struct viommu_request r = { .first = take_iova(in),
				    .pasid = take_pasid(in),
				    .access = (uint16_t)(input_take(in, 1) & 31),
				    .type = (uint16_t)(input_take(in, 1) & 3) };
	unsigned steps = 0;
	int result;

	r.last = r.first;
	result = viommu_explain(m->device[who], &r, VIOMMU_EXPLAIN_CACHES, count_step, &steps);
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT || result == VIOMMU_INTERRUPT ||
	      result == VIOMMU_EINVAL);
	CHECK(result == VIOMMU_EINVAL || steps > 0);
}

struct replayed {
	struct machine *m;
	unsigned who;
	uint32_t pasid;
	uint64_t next;
	uint64_t last;
	unsigned ranges;
};

/* Accessed or dirty cannot be recorded, which a replay does not try. */
static bool is_update(unsigned reason)
{
	return reason == VTD_FR_SSS_NO_SNOOP || reason == VTD_FR_SSS_UPDATE ||
	       reason == VTD_FR_FS_NO_SNOOP || reason == VTD_FR_FS_UPDATE ||
	       reason == VTD_FR_NEST_WRITE;
}

/* In order, inside what was asked for, and as translations see it. */
static int replayed(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct replayed *r = opaque;
	struct viommu_request request = { .first = iova,
					  .last = iova,
					  .pasid = r->pasid,
					  .access = f->perm & 1 ? VIOMMU_READ : VIOMMU_WRITE };
	struct viommu_fragment answer;
	struct viommu_answer rest;
	int result;

	CHECK(f->length && iova + (f->length - 1) >= iova);
	CHECK(iova >= r->next);
	CHECK(iova + (f->length - 1) <= r->last && f->perm);
	r->next = iova + f->length;
	r->ranges++;
	if (!machine_stable(r->m))
		return 0;
	result = viommu_device_translate(r->m->device[r->who], &request, &answer, 1, &rest);
	if (result == VIOMMU_FAULT && is_update(rest.reason))
		return 0;
	CHECK(result == VIOMMU_OK);
	CHECK(answer.gpa == f->gpa);
	return r->ranges >= 32;
}

static void op_replay(struct machine *m, struct input *in)
{
	struct replayed r = { .m = m, .who = (unsigned)input_take(in, 1) % DEVICES };
	uint32_t budget = 64 + (uint32_t)input_take(in, 1) * 4;
	uint64_t first;
	uint64_t from;
	int result = VIOMMU_MORE;

	work_expect(m->steps, MACHINE_EACH, MACHINE_BASE_REPLAYED);
	r.pasid = take_pasid(in);
	first = take_iova(in);
	r.last = input_take(in, 1) & 1 ? UINT64_MAX : first + input_take(in, 4);
	for (unsigned i = 0; i < 4 && result == VIOMMU_MORE; i++) {
		from = first;
		r.next = first;
		r.ranges = 0;
		m->accesses = 0;
		result = viommu_replay(m->device[r.who], r.pasid, &first, r.last, budget, replayed,
				       &r);
		if (result == VIOMMU_EINVAL || result == VIOMMU_FAULT)
			return;
		CHECK(result == VIOMMU_OK || result == VIOMMU_MORE);
		CHECK(r.ranges <= budget + 4);
		/* it gets somewhere: an entry at each level of both stages costs less than that */
		CHECK(result != VIOMMU_MORE || first > from);
	}
}

static void op_page_request(struct machine *m, struct input *in)
{
	unsigned who = (unsigned)input_take(in, 1) % DEVICES;
	struct viommu_page_request r = { .address = take_iova(in) & ~UINT64_C(0xfff),
					 .pasid = take_pasid(in),
					 .group = (uint16_t)input_take(in, 2) & 0x3ff,
					 .access = (uint16_t)input_take(in, 1) & 0x1f };
	int result;

	r.last = r.group & 3;
	result = viommu_request_page(m->device[who], &r);
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT || result == VIOMMU_EINVAL ||
	      result == VIOMMU_ENOTSUP);
}

static void op_done(struct machine *m, struct input *in)
{
	uint64_t n = input_take(in, 1);
	uint64_t token = n & 0x80 ? input_take(in, 8) : m->owes ? m->owed[n % m->owes] : 0;
	int result = VIOMMU_ENOENT;

	for (unsigned i = 0; i < DEVICES && result == VIOMMU_ENOENT; i++)
		result = viommu_invalidation_done(m->device[i], token,
						  n & 0x40 ? VIOMMU_FAULT : VIOMMU_OK);
	CHECK(result == VIOMMU_OK || result == VIOMMU_ENOENT);
	for (unsigned i = 0; i < m->owes && result == VIOMMU_OK; i++) {
		if (m->owed[i] == token)
			m->owed[i] = m->owed[--m->owes];
	}
}

static void op_remap(struct machine *m, struct input *in)
{
	uint64_t n = input_take(in, 1);
	uint32_t source = (uint32_t)input_take(in, 2);
	uint64_t address = n & 0x80 ? input_take(in, 8)
				    : 0xfee00000 | (n & 0x40 ? input_take(in, 3) & 0xfffff
							     : 0x10 | (n & 15) << 5);

	machine_remap(m, source, address, (uint32_t)input_take(in, n & 0x20 ? 4 : 1),
		      n & 0x10 ? VIOMMU_MSI_RESOLVE : (uint32_t)(n >> 3 & 2) * (n == 0x2f));
}

static void op_misbehave(struct machine *m, struct input *in)
{
	m->scheduled = (unsigned)input_take(in, 1) % (sizeof(m->schedule) + 1);
	m->turn = 0;
	m->clean = false;
	for (unsigned i = 0; i < m->scheduled; i++)
		m->schedule[i] = (uint8_t)input_take(in, 1);
}

static void op_device(struct machine *m, struct input *in)
{
	uint64_t n = input_take(in, 1);
	struct viommu_channel *channel = m->channel[n % CHANNELS];
	int result;

	if (n & 0x80)
		result = viommu_device_set_id(m->device[n % DEVICES], n >> 2 & 31);
	else
		result = n & 0x40 ? viommu_enter(channel) : viommu_leave(channel);
	CHECK(result == VIOMMU_OK || result == VIOMMU_EBUSY || result == VIOMMU_EINVAL ||
	      result == VIOMMU_EEXIST);
	m->invalidate_answers = (unsigned)input_take(in, 1);
}

static void op_dma(struct machine *m, struct input *in)
{
	uint64_t how = input_take(in, 2);
	uint64_t iova = take_iova(in) + (input_take(in, 1) & 15);

	machine_dma(m, how, iova, take_pasid(in), input_take(in, 6));
}

static void op_setup(struct machine *m, struct input *in)
{
	uint64_t kind = input_take(in, 1);

	machine_setup(m, kind, input_take(in, 4));
}

static void op_run(struct machine *m, struct input *in)
{
	(void)in;
	machine_run(m);
}

static void op_flush(struct machine *m, struct input *in)
{
	(void)in;
	machine_flush(m);
}

static void op_reset(struct machine *m, struct input *in)
{
	(void)in;
	CHECK(viommu_reset(m->iommu) >= VIOMMU_OK); /* pending: something of before is in use */
	m->clean = false;
}

void machine_step(struct machine *m, struct input *in)
{
	static void (*const ops[])(struct machine * m, struct input * in) = {
		op_setup, op_translate, op_put,	  op_link,   op_turn_bit,  op_write,
		op_read,  op_flush,	op_run,	  op_replay, op_explain,   op_page_request,
		op_done,  op_remap,	op_reset, op_device, op_misbehave, op_translate
	};
	uint64_t op = input_take(in, 1);

	/* came later: inputs that are kept mean what they did */
	if (op >= 0xf0)
		op_dma(m, in);
	else
		ops[op % (sizeof(ops) / sizeof(ops[0]))](m, in);
}

/* ---- tables ---- */

/* Pages: 0 root, 1 context, 2 directory, 3 PASID table, 4-8 second stage, 9-13 first stage, 14 data,
 * 15 queue, 16 interrupt table, 17 posted descriptors, 18 page requests. */
static uint64_t page(unsigned n)
{
	return RAM_BASE + n * 4096;
}

/* A page of level 0: most are there and ours; of eight, one is ROM, one cannot be written, one not be
 * read (or is a supervisor's), and one is absent. */
static uint64_t leaf(unsigned i, uint64_t bits)
{
	switch (i & 7) {
	case 3:
		return page(i % 32) | (bits & ~UINT64_C(2));
	case 4:
		return 0;
	case 5:
		return ROM_BASE | bits;
	case 6:
		return page(i % 32) | (bits & 4 ? bits & ~UINT64_C(4) : bits & ~UINT64_C(1));
	default:
		return page(i % 32) | bits;
	}
}

/* A tree on 5 pages whose level 0 maps the data page and its neighbours, and with large pages above. */
static void build_tree(struct machine *m, unsigned top, uint64_t bits, uint64_t large)
{
	for (unsigned i = 0; i < 4; i++)
		machine_put(m, page(top + i), page(top + i + 1) | bits);
	for (unsigned i = 0; i < 512; i++)
		machine_put(m, page(top + 4) + i * 8, leaf(i, bits));
	machine_put(m, page(top + 3) + 8, UINT64_C(0x200000) | bits | 0x80);
	machine_put(m, page(top + 2) + 8, (large & 1 ? 0xc0000000 : 0) | bits | 0x80);
	machine_put(m, page(top + 2) + 24, UINT64_C(0xc0000000) | bits | 0x80);
	/* canonical negative addresses */
	machine_put(m, page(top + 1) + 0x800, page(top + 2) | bits);
	machine_put(m, page(top) + 0xff8, page(top + 1) | bits);
}

static void build_legacy(struct machine *m, uint64_t kind, uint64_t bits)
{
	uint64_t aw = 1 + (bits & 3) % 3;

	machine_put(m, page(0), page(1) | VTD_RE_P);
	for (unsigned i = 0; i < DEVICES; i++) {
		machine_put(m, page(1) + i * 128,
			    page(4 + 3 - (unsigned)aw) | VTD_CE_P |
				    bits_put(VTD_CE_TT, kind >> 3 & 3) | (bits >> 4 & 2));
		machine_put(m, page(1) + i * 128 + 8, aw | bits_put(VTD_CE_DID, i));
	}
}

static void build_scalable(struct machine *m, uint64_t kind, uint64_t bits)
{
	machine_put(m, page(0), page(1) | VTD_RE_P);
	for (unsigned i = 0; i < DEVICES; i++) {
		machine_put(m, page(1) + i * 256,
			    page(2) | VTD_SCE_P | VTD_SCE_DTE | VTD_SCE_PASIDE | VTD_SCE_PRE);
		machine_put(m, page(1) + i * 256 + 8, bits >> 8 & (1U << 20));
	}
	machine_put(m, page(2), page(3) | VTD_PDE_P);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t pgtt = 1 + ((kind >> 3) + i) % 4;
		uint64_t aw = 1 + (bits & 3) % 3;
		uint64_t entry = page(3) + i * 64;

		machine_put(m, entry,
			    page(4 + 3 - (unsigned)aw) | VTD_PE_P | bits_put(VTD_PE_AW, aw) |
				    bits_put(VTD_PE_PGTT, pgtt) | (bits & VTD_PE_SSADE));
		machine_put(m, entry + 8, (i + 1) | (bits & 4 ? 0 : VTD_PE_PWSNP));
		machine_put(m, entry + 16,
			    page(bits & 8 ? 9 : 10) | (bits & 8 ? 4 : 0) | (bits >> 24 & 0xf3));
	}
}

static void build_rings(struct machine *m, uint64_t kind)
{
	bool wide = kind & 4;

	machine_write(m, VTD_IQA, 8, page(15) | (wide ? VTD_IQA_DW : 0));
	machine_write(m, VTD_IRTA, 8, page(16) | 3 | (kind & 0x80 ? VTD_IRTA_EIME : 0));
	machine_write(m, VTD_PQA, 8, page(18));
	for (unsigned i = 0; i < 8; i++) {
		bool posted = i & 1;

		machine_put(m, page(16) + i * 16,
			    posted ? VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, 32 + i) |
					     bits_put(VTD_PIRTE_PDA_LO, (page(17) + i * 64) >> 6)
				   : VTD_IRTE_P | bits_put(VTD_IRTE_V, 32 + i) |
					     bits_put(VTD_IRTE_DST_XAPIC, i));
		machine_put(m, page(16) + i * 16 + 8, bits_put(VTD_IRTE_SVT, i >> 1 & 3));
		machine_put(m, page(17) + i * 64 + 32, bits_put(VTD_PID_NV, 100 + i));
	}
}

/* kind: 1:0 mode (0 legacy, 1 scalable), 2 wide queue, 4:3 type, 5 interrupts, 6 queue, 7 x2APIC */
void machine_setup(struct machine *m, uint64_t kind, uint64_t bits)
{
	bool scalable = kind & 1;

	build_tree(m, 4, 3, bits >> 5);
	build_tree(m, 9, 7, bits >> 6);
	if (scalable)
		build_scalable(m, kind, bits);
	else
		build_legacy(m, kind, bits);
	build_rings(m, kind);
	machine_write(m, VTD_RTADDR, 8, page(0) | bits_put(VTD_RTADDR_TTM, kind & 3));
	machine_write(m, VTD_GCMD, 4, VTD_G_RTP | VTD_G_IRTP);
	machine_write(m, VTD_GCMD, 4,
		      VTD_G_TE | (kind & 0x20 ? VTD_G_IRE : 0) | (kind & 0x40 ? VTD_G_QIE : 0));
	machine_flush(m);
}

void machine_exercise(struct machine *m)
{
	for (uint64_t offset = 0; offset < 0x300; offset += 4)
		machine_read(m, offset, offset % 8 ? 4 : 8);
	for (unsigned i = 0; i < 4; i++)
		machine_run(m);
	for (unsigned i = 0; i < DEVICES; i++) {
		for (uint64_t at = 0; at < 6; at++) {
			struct viommu_request r = { .first = at * 0x20000800,
						    .last = at * 0x20000800 + 7,
						    .pasid = i == 1 ? 1 : VIOMMU_NO_PASID,
						    .access = (uint16_t)(1 + (at & 1)),
						    .type = (uint16_t)(at / 4) };

			machine_translate(m, i, &r);
		}
		machine_remap(m, i * 8, 0xfee00010 + i * 64, 0, i & 1);
	}
	machine_write(m, VTD_FSTS, 4, 0x7f);
	machine_write(m, VTD_IQT, 8, 0x40);
	machine_write(m, VTD_GCMD, 4, 0);
	machine_run(m);
}
