/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_machine.c - a RISC-V IOMMU that a fuzzer's input programs. */

#include "riscv_machine.h"

#include <stdlib.h>
#include <string.h>

#include "riscv_spec.h"

#define PAGE	 UINT64_C(4096)
#define RAM_SIZE (RAM_PAGES * PAGE)

/* Pages that setup gives a purpose. */
enum {
	PAGE_DDT,
	PAGE_CQ,
	PAGE_FQ,
	PAGE_PQ,
	PAGE_PDT,
	PAGE_MSI,
	PAGE_MRIF,
	PAGE_STATUS,
	PAGE_FIRST,
	PAGE_SECOND = 12,
	PAGE_FREE = 20
};

static uint64_t page_at(uint64_t n)
{
	return RAM_BASE + n % RAM_PAGES * PAGE;
}

static uint64_t ppn(uint64_t gpa)
{
	return gpa >> 2;
}

/* ---- memory ---- */

static bool inside(uint64_t gpa, uint64_t bytes)
{
	return gpa >= RAM_BASE && gpa - RAM_BASE < RAM_SIZE && bytes <= RAM_SIZE - (gpa - RAM_BASE);
}

static uint8_t next_turn(struct riscv_machine *m)
{
	m->accesses++;
	return m->scheduled ? m->schedule[m->turn++ % m->scheduled] : 0;
}

static int read_ram(void *opaque, uint64_t gpa, void *to, uint32_t bytes)
{
	struct riscv_machine *m = opaque;
	uint8_t turn = next_turn(m);

	if ((turn & 0xc0) == 0xc0 || !inside(gpa, bytes))
		return -1;
	memcpy(to, m->ram + (gpa - RAM_BASE), bytes);
	if ((turn & 0xc0) == 0x80) /* somebody writes at the same time */
		((uint8_t *)to)[turn % bytes] ^= (uint8_t)(1U << (turn >> 3 & 7));
	return 0;
}

static int write_ram(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	struct riscv_machine *m = opaque;

	if ((next_turn(m) & 0xc0) == 0xc0 || !inside(gpa, bytes))
		return -1;
	memcpy(m->ram + (gpa - RAM_BASE), from, bytes);
	return 0;
}

static int swap_ram(void *opaque, uint64_t gpa, void *expected, const void *desired, uint32_t bytes)
{
	struct riscv_machine *m = opaque;
	uint8_t turn = next_turn(m);
	uint8_t *at = m->ram + (gpa - RAM_BASE);
	bool same;

	if ((turn & 0xc0) == 0xc0 || !inside(gpa, bytes))
		return -1;
	if ((turn & 0xc0) == 0x80)
		at[turn % bytes] ^= 0x10;
	same = memcmp(at, expected, bytes) == 0;
	memcpy(same ? at : expected, same ? desired : at, bytes);
	return 0;
}

static void put(struct riscv_machine *m, uint64_t gpa, uint64_t word)
{
	if (inside(gpa & ~UINT64_C(7), 8))
		memcpy(m->ram + ((gpa & ~UINT64_C(7)) - RAM_BASE), &word, 8);
}

/* ---- calls ---- */

/* 4096 steps, each a few structures through a second stage; and what a call may do for nothing. */
static void called(struct riscv_machine *m, int result, bool positive)
{
	CHECK(m->accesses <= 4096U * 64 + 4096);
	m->accesses = 0;
	CHECK(result == VIOMMU_OK || (positive && result > 0 && result <= VIOMMU_INTERRUPT));
}

static void write_register(struct riscv_machine *m, uint64_t offset, uint32_t bytes, uint64_t value)
{
	called(m, viommu_reg_write(m->iommu, offset, bytes, value), true);
}

static uint64_t read_register(struct riscv_machine *m, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	called(m, viommu_reg_read(m->iommu, offset, bytes, &value), false);
	if (bytes < 8)
		CHECK(value >> 8 * bytes == 0);
	return value;
}

static void check_answer(const struct riscv_machine *m, const struct viommu_request *r, int result,
			 const struct viommu_fragment *f, const struct viommu_answer *a)
{
	uint64_t covered = 0;

	if (result == VIOMMU_FAULT) {
		CHECK(a->reason >= 1 && a->reason <= RISCV_FAULT_PT_POISON);
		CHECK(viommu_reason_text(m->iommu, a->reason));
	}
	for (uint32_t i = 0; i < a->count; i++) {
		CHECK(f[i].length);
		covered += f[i].length;
	}
	if (result == VIOMMU_OK)
		CHECK(covered == r->last - r->first + 1 && a->next == r->last + 1);
}

static void translate(struct riscv_machine *m, struct input *in)
{
	unsigned who = (unsigned)input_take(in, 1);
	uint64_t how = input_take(in, 2);
	struct viommu_fragment f[4];
	struct viommu_answer a;
	struct viommu_request r = { .first = input_take(in, (unsigned)(how >> 13)),
				    .access = (uint16_t)(how & 0x1f),
				    .type = how >> 5 & 3 };
	bool channel = who & 0x80;
	int result;

	r.last = r.first | (how >> 7 & 1 ? 0xfff : 3);
	r.pasid = who & 0x40 && !channel		? (uint32_t)input_take(in, 2)
		  : channel && who % RISCV_DEVICES == 1 ? 1
							: VIOMMU_NO_PASID;
	if (!(r.access & 0x17) || r.type > 2)
		return;
	result = channel ? viommu_translate(m->channel[who % RISCV_DEVICES], &r, f, 4, &a)
			 : viommu_device_translate(m->device[who % RISCV_DEVICES], &r, f, 4, &a);
	called(m, result, true);
	check_answer(m, &r, result, f, &a);
}

static int no_step(void *opaque, const struct viommu_step *step)
{
	(void)opaque;
	CHECK(step->words <= 8 && step->what);
	return 0;
}

static int mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)opaque;
	CHECK(f->length && iova + (f->length - 1) >= iova);
	return 0;
}

static void look(struct riscv_machine *m, struct input *in)
{
	unsigned who = (unsigned)input_take(in, 1);
	uint64_t first = input_take(in, who >> 4 & 7);
	const struct viommu_request r = { .first = first,
					  .last = first,
					  .pasid = VIOMMU_NO_PASID,
					  .access = (uint16_t)(1 + (who >> 7)) };

	if (who & 8)
		called(m,
		       viommu_replay(m->device[who % RISCV_DEVICES], VIOMMU_NO_PASID, &first,
				     UINT64_MAX, 1000, mapped, NULL),
		       true);
	else
		called(m,
		       viommu_explain(m->device[who % RISCV_DEVICES], &r, VIOMMU_EXPLAIN_CACHES,
				      no_step, NULL),
		       true);
}

static void message(struct riscv_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 1);
	struct viommu_msi msi;
	int result = viommu_remap_msi(m->iommu, (uint32_t)(how % RISCV_DEVICES),
				      input_take(in, (unsigned)(how >> 5)) & ~UINT64_C(3),
				      (uint32_t)input_take(in, 2), how >> 4 & 1, &msi);

	called(m, result, true);
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
}

static void ask_for_page(struct riscv_machine *m, struct input *in)
{
	uint64_t how = input_take(in, 2);
	struct viommu_page_request r = { .address = input_take(in, 3) << 12,
					 .pasid = how & 1 ? (uint32_t)(how >> 8) : VIOMMU_NO_PASID,
					 .group = how >> 4 & 0x1ff,
					 .access = how >> 1 & 15,
					 .last = how >> 7 & 1 };
	int result = viommu_request_page(m->device[how % RISCV_DEVICES], &r);

	CHECK(result >= VIOMMU_OK || result == VIOMMU_ENOTSUP || result == VIOMMU_EINVAL ||
	      result == VIOMMU_EBUSY);
	m->accesses = 0;
}

static void answer_owed(struct riscv_machine *m, uint64_t how)
{
	uint64_t token;
	unsigned at;

	if (!m->owes)
		return;
	at = (unsigned)how % m->owes--;
	token = m->owed[at];
	m->owed[at] = m->owed[m->owes];
	for (unsigned d = 0; d < RISCV_DEVICES; d++)
		viommu_invalidation_done(m->device[d], token,
					 how & 0x80 ? VIOMMU_FAULT : VIOMMU_OK);
}

static void save_and_restore(struct riscv_machine *m, uint64_t damage)
{
	uint64_t bytes = 0;
	uint8_t *state;
	int result;

	viommu_save(m->iommu, NULL, &bytes);
	state = malloc(bytes);
	CHECK(state && viommu_save(m->iommu, state, &bytes) == VIOMMU_OK);
	if (damage)
		state[damage % bytes] ^= (uint8_t)(damage >> 8 | 1);
	result = viommu_restore(m->iommu, state, bytes);
	CHECK(damage ? result == VIOMMU_ESTATE : result == VIOMMU_OK || result == VIOMMU_PENDING);
	m->accesses = 0;
	free(state);
}

static void section(struct riscv_machine *m, uint64_t how)
{
	struct viommu_channel *channel = m->channel[how % RISCV_DEVICES];

	if (how & 0x80)
		viommu_leave(channel);
	else
		viommu_enter(channel);
}

/* ---- operations ---- */

static const uint16_t registers[] = { RISCV_FCTL,	 RISCV_DDTP,	     RISCV_CQB,
				      RISCV_CQT,	 RISCV_FQB,	     RISCV_FQH,
				      RISCV_PQB,	 RISCV_PQH,	     RISCV_CQCSR,
				      RISCV_FQCSR,	 RISCV_PQCSR,	     RISCV_IPSR,
				      RISCV_IOCOUNTINH,	 RISCV_IOHPMCYCLES,  RISCV_IOHPMCTR(0),
				      RISCV_IOHPMEVT(0), RISCV_IOHPMEVT(30), RISCV_TR_REQ_IOVA,
				      RISCV_TR_REQ_CTL,	 RISCV_ICVEC,	     RISCV_MSI_ADDR(0),
				      RISCV_MSI_CTL(0),	 RISCV_QOSID };

static void command(struct riscv_machine *m, struct input *in)
{
	uint64_t tail = read_register(m, RISCV_CQT, 4);
	uint64_t at = (read_register(m, RISCV_CQB, 8) & RISCV_QB_PPN) << 2;

	for (unsigned i = 0; i < 2; i++)
		put(m, at + tail * 16 + 8 * i, input_take(in, 8));
	write_register(m, RISCV_CQT, 4, tail + 1);
}

void riscv_machine_step(struct riscv_machine *m, struct input *in)
{
	uint64_t op = input_take(in, 1);
	uint64_t a = input_take(in, 2);

	switch (op % 16) {
	case 0:
	case 1: /* a word, at a place */
		put(m, RAM_BASE + a * 8 % RAM_SIZE, input_take(in, 8));
		break;
	case 2: /* an entry that leads somewhere */
		put(m, RAM_BASE + a * 8 % RAM_SIZE,
		    ppn(page_at(input_take(in, 1))) | input_take(in, 1) | input_take(in, 1) << 56);
		break;
	case 3:
		command(m, in);
		break;
	case 4:
		write_register(m, registers[a % (sizeof(registers) / 2)], a & 0x100 ? 8 : 4,
			       input_take(in, 8));
		break;
	case 5:
		write_register(m, a & 0xfff, 1 + (uint32_t)(a >> 12), input_take(in, 8));
		break;
	case 6:
		read_register(m, a & 0xfff, 1 + (uint32_t)(a >> 12) % 8);
		break;
	case 7:
	case 8:
	case 9:
		translate(m, in);
		break;
	case 10:
		message(m, in);
		break;
	case 11:
		ask_for_page(m, in);
		break;
	case 12:
		look(m, in);
		break;
	case 13:
		answer_owed(m, a);
		called(m, viommu_run(m->iommu), true);
		break;
	case 14:
		section(m, a);
		break;
	default:
		if (a & 1)
			save_and_restore(m, a & 2 ? a >> 2 | 1 : 0);
		else
			riscv_machine_setup(m, a >> 1);
	}
}

/* ---- setting up ---- */

static void put_context(struct riscv_machine *m, unsigned d, uint64_t kind)
{
	bool extended = m->capabilities & RISCV_CAP_MSI_FLAT;
	uint64_t at = page_at(PAGE_DDT) + d * (extended ? 64 : 32);
	bool process = d == 1;
	uint64_t second =
		kind & 1 ? UINT64_C(8) << 60 | (uint64_t)(d + 1) << 44 | page_at(PAGE_SECOND) >> 12
			 : 0;

	put(m, at,
	    RISCV_TC_V | (kind & 2 ? RISCV_TC_EN_ATS | RISCV_TC_EN_PRI : 0) |
		    (kind & 4 ? RISCV_TC_SADE | RISCV_TC_GADE : 0) |
		    (process ? RISCV_TC_PDTV | RISCV_TC_DPE : 0));
	put(m, at + 8, second);
	put(m, at + 16, (uint64_t)(d + 1) << 12);
	put(m, at + 24,
	    process ? UINT64_C(1) << 60 | page_at(PAGE_PDT) >> 12
		    : UINT64_C(8) << 60 | page_at(PAGE_FIRST) >> 12);
	if (extended) {
		put(m, at + 32,
		    second && kind & 8 ? UINT64_C(1) << 60 | page_at(PAGE_MSI) >> 12 : 0);
		put(m, at + 40, 3);
		put(m, at + 48, 0x10);
		put(m, at + 56, 0);
	}
}

/* A first stage that maps the first 2 MiB to RAM page by page, and a second one that leaves RAM where it is. */
static void put_tables(struct riscv_machine *m)
{
	put(m, page_at(PAGE_FIRST), ppn(page_at(PAGE_FIRST + 1)) | 1);
	put(m, page_at(PAGE_FIRST + 1), ppn(page_at(PAGE_FIRST + 2)) | 1);
	put(m, page_at(PAGE_SECOND), ppn(page_at(PAGE_SECOND + 4)) | 1);
	put(m, page_at(PAGE_SECOND + 4), ppn(page_at(PAGE_SECOND + 5)) | 1);
	for (uint64_t i = 0; i < 512; i++) {
		put(m, page_at(PAGE_FIRST + 2) + i * 8, ppn(page_at(i)) | 0xdf);
		put(m, page_at(PAGE_SECOND + 5) + i * 8, ppn(i << 12) | 0xdf);
	}
	put(m, page_at(PAGE_PDT) + 16, RISCV_PC_V | RISCV_PC_ENS);
	put(m, page_at(PAGE_PDT) + 24, UINT64_C(8) << 60 | page_at(PAGE_FIRST) >> 12);
	put(m, page_at(PAGE_MSI), RISCV_MSIPTE_V | 3 << 1 | ppn(page_at(PAGE_FREE)));
	put(m, page_at(PAGE_MSI) + 16, RISCV_MSIPTE_V | 1 << 1 | page_at(PAGE_MRIF) >> 2);
	put(m, page_at(PAGE_MSI) + 24, ppn(page_at(PAGE_FREE)));
}

void riscv_machine_setup(struct riscv_machine *m, uint64_t kind)
{
	static const uint16_t off[] = { RISCV_DDTP, RISCV_CQCSR, RISCV_FQCSR, RISCV_PQCSR };

	for (unsigned i = 0; i < 4; i++)
		write_register(m, off[i], i ? 4 : 8, 0);
	write_register(m, RISCV_FCTL, 4, 0);
	put_tables(m);
	for (unsigned d = 0; d < RISCV_DEVICES; d++)
		put_context(m, d, kind >> 4 * (d & 1));
	write_register(m, RISCV_CQB, 8, ppn(page_at(PAGE_CQ)) | 3);
	write_register(m, RISCV_FQB, 8, ppn(page_at(PAGE_FQ)) | 3);
	write_register(m, RISCV_PQB, 8, ppn(page_at(PAGE_PQ)) | 3);
	write_register(m, RISCV_CQCSR, 4, 3);
	write_register(m, RISCV_FQCSR, 4, 3);
	write_register(m, RISCV_PQCSR, 4, 3);
	write_register(m, RISCV_DDTP, 8, ppn(page_at(PAGE_DDT)) | RISCV_MODE_1LVL);
}

/* ---- life ---- */

static int invalidate(void *opaque, const struct viommu_device_invalidation *i)
{
	struct riscv_machine *m = opaque;

	if (m->owes == RISCV_OWED || (i->first & 0x1000))
		return VIOMMU_OK;
	m->owed[m->owes++] = i->token;
	return VIOMMU_PENDING;
}

static void page_response(void *opaque, const struct viommu_page_response *response)
{
	(void)opaque;
	CHECK(response->group < 512 && response->code < 16);
}

static void unmapped(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	(void)opaque;
	(void)pasid;
	CHECK(device && first <= last);
}

static void line(void *opaque, uint32_t number, uint32_t level)
{
	(void)opaque;
	CHECK(number < 16 && level <= 1);
}

static uint64_t host_now(void *opaque)
{
	const struct riscv_machine *m = opaque;

	return 1 + m->turn;
}

static void make_vm(struct riscv_machine *m)
{
	const struct viommu_vm_config config = { .size = sizeof(config),
						 .opaque = m,
						 .read = read_ram,
						 .write = write_ram,
						 .swap = swap_ram };
	const struct viommu_region ram = {
		.size = sizeof(ram), .gpa = RAM_BASE, .bytes = RAM_SIZE, .host = m->ram
	};

	CHECK(viommu_vm_new(&config, &m->vm) == VIOMMU_OK);
	if (m->region)
		CHECK(viommu_vm_add_region(m->vm, &ram) == VIOMMU_OK);
}

static void make_devices(struct riscv_machine *m)
{
	const struct viommu_listener_config listener = { .size = sizeof(listener),
							 .opaque = m,
							 .unmap = unmapped };

	for (uint32_t d = 0; d < RISCV_DEVICES; d++) {
		const struct viommu_device_config config = { .size = sizeof(config),
							     .id = d,
							     .opaque = m,
							     .invalidate = invalidate,
							     .page_response = page_response };

		CHECK(viommu_device_new(m->iommu, &config, &m->device[d]) == VIOMMU_OK);
		CHECK(viommu_channel_new(m->device[d], d == 1 ? 1 : VIOMMU_NO_PASID,
					 &m->channel[d]) == VIOMMU_OK);
	}
	CHECK(viommu_listener_new(m->iommu, NULL, &listener, &m->listener) == VIOMMU_OK);
}

bool riscv_machine_open(struct riscv_machine *m, struct input *in)
{
	uint64_t kind = input_take(in, 1);
	struct viommu_host host = {
		.size = sizeof(host), .opaque = m, .line = line, .now = host_now
	};
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 64,
					      .contexts = 8,
					      .domains = 8,
					      .tables = 8,
					      .outstanding = 4 };
	struct viommu_riscv_config config = { .size = sizeof(config),
					      .host = &host,
					      .limits = &limits };

	memset(m, 0, sizeof(*m));
	m->region = kind & 1;
	if (kind & 2)
		config.capabilities = input_take(in, 8);
	else if (kind & 4) /* everything */
		config.capabilities =
			~(RISCV_CAP_RSVD | RISCV_CAP_VERSION | RISCV_CAP_IGS | RISCV_CAP_PAS) |
			0x10 |
			bits_put(RISCV_CAP_IGS, kind >> 3 & 1 ? RISCV_IGS_BOTH : RISCV_IGS_WSI) |
			bits_put(RISCV_CAP_PAS, 40);
	m->scheduled = kind & 0x10 ? (unsigned)sizeof(m->schedule) : 0;
	for (unsigned i = 0; i < m->scheduled; i++)
		m->schedule[i] = (uint8_t)input_take(in, 1);
	m->ram = calloc(RAM_PAGES, PAGE);
	CHECK(m->ram);
	make_vm(m);
	if (viommu_riscv_new(m->vm, &config, &m->iommu) != VIOMMU_OK) {
		CHECK(viommu_vm_free(m->vm) == VIOMMU_OK);
		free(m->ram);
		return false;
	}
	m->capabilities = read_register(m, RISCV_CAPABILITIES, 8);
	make_devices(m);
	return true;
}

void riscv_machine_close(struct riscv_machine *m)
{
	for (unsigned d = 0; d < RISCV_DEVICES; d++) {
		viommu_leave(m->channel[d]);
		CHECK(viommu_channel_free(m->channel[d]) == VIOMMU_OK);
	}
	CHECK(viommu_listener_free(m->listener) == VIOMMU_OK);
	for (unsigned d = 0; d < RISCV_DEVICES; d++)
		CHECK(viommu_device_free(m->device[d]) == VIOMMU_OK);
	CHECK(viommu_free(m->iommu) == VIOMMU_OK);
	CHECK(viommu_vm_free(m->vm) == VIOMMU_OK);
	free(m->ram);
}
