/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_old_states.c - states that earlier versions saved restore for ever, and yield what they meant then.
 *
 * tests/unit/data/NAME-VERSION.state was written by that version: `old_states --write VERSION`, built there. It is never
 * written again. Only the public interface is used, so that the file can be built with any version; tables are in guest memory,
 * which world_open() makes the same each time.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include <libvirtiommu/ioapic.h>
#include <libvirtiommu/irq.h>
#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include "bits.h"
#include "vtd_spec.h"

#define NONE VIOMMU_NO_PASID
#define RAM  UINT64_C(0x100000)
#define IOVA UINT64_C(0x5000)
#define PAGE UINT64_C(0x50000) /* what IOVA is mapped to */

/* Where the guest has its structures. */
enum place {
	ROOT = 0x1000,
	CONTEXTS = 0x2000,
	SECOND_STAGE = 0x3000, /* four tables */
	OTHER_ROOT = 0x8000,   /* programmed, not latched */
	PASIDS = 0x9000,       /* directory, and a table */
	INTERRUPTS = 0xb000,
	OTHER_INTERRUPTS = 0xc000,
	QUEUE = 0x10000,
	STATUS = 0x11000,
	PAGE_QUEUE = 0x12000,
};

static _Alignas(4096) uint8_t ram[RAM];

static struct world {
	struct viommu_vm *vm;
	struct viommu *u;
	struct viommu_device *device[3];
	struct viommu_channel *channel;
	struct viommu_ioapic *ioapic;
	uint64_t token; /* of the last device-TLB invalidation */
	uint64_t tail;
	unsigned messages;
	unsigned delivered;
	unsigned acknowledged;
} w;

static void put64(uint64_t gpa, uint64_t word)
{
	memcpy(ram + gpa, &word, 8);
}

static uint64_t get(uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	assert_int_equal(viommu_reg_read(w.u, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static void set(uint64_t offset, uint32_t bytes, uint64_t value)
{
	assert_true(viommu_reg_write(w.u, offset, bytes, value) >= 0);
}

static void on_message(void *opaque, uint64_t address, uint32_t data)
{
	(void)opaque;
	(void)address;
	(void)data;
	w.messages++;
}

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *invalidation)
{
	(void)opaque;
	w.token = invalidation->token;
	return VIOMMU_PENDING;
}

static void on_deliver(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	(void)opaque;
	(void)pin;
	(void)msi;
	w.delivered++;
}

static void on_acknowledged(void *opaque, uint32_t pin)
{
	(void)opaque;
	(void)pin;
	w.acknowledged++;
}

static const struct viommu_host host = { .size = sizeof(host), .msi = on_message };

/* ---- the machine ---- */

static void machine_open(void)
{
	struct viommu_vm_config config = { .size = sizeof(config) };
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM, .host = ram };

	memset(&w, 0, sizeof(w));
	memset(ram, 0, sizeof(ram));
	assert_int_equal(viommu_vm_new(&config, &w.vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_add_region(w.vm, &region), VIOMMU_OK);
}

static void machine_close(void)
{
	viommu_ioapic_free(w.ioapic);
	assert_int_equal(viommu_channel_free(w.channel), VIOMMU_OK);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(viommu_device_free(w.device[i]), VIOMMU_OK);
	assert_int_equal(viommu_free(w.u), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(w.vm), VIOMMU_OK);
}

static void devices(uint32_t first, uint32_t step, bool ats)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct viommu_device_config config = { .size = sizeof(config),
						       .id = first + i * step,
						       .invalidate = ats ? on_invalidate : NULL };

		assert_int_equal(viommu_device_new(w.u, &config, &w.device[i]), VIOMMU_OK);
	}
	assert_int_equal(viommu_channel_new(w.device[0], NONE, &w.channel), VIOMMU_OK);
}

static uint64_t where(struct viommu_device *device, uint64_t iova, unsigned access)
{
	struct viommu_request r = {
		.first = iova, .last = iova, .pasid = NONE, .access = (uint16_t)access
	};
	struct viommu_fragment f;
	struct viommu_answer a;
	int result = viommu_device_translate(device, &r, &f, 1, &a);

	assert_true(result == VIOMMU_OK || result == VIOMMU_FAULT);
	return result == VIOMMU_OK ? f.gpa : UINT64_MAX - a.reason;
}

#define FAULT(reason) (UINT64_MAX - (reason))

static int settle(void)
{
	int result = VIOMMU_PENDING;

	for (unsigned i = 0; i < 100 && result == VIOMMU_PENDING; i++)
		result = viommu_run(w.u);
	return result;
}

/* ---- VT-d ---- */

static void vtd_open(uint64_t cap, uint64_t ecap)
{
	struct viommu_vtd_config config = {
		.size = sizeof(config), .cap = cap, .ecap = ecap, .host = &host
	};

	machine_open();
	put64(SECOND_STAGE, (SECOND_STAGE + 0x1000) | 3);
	put64(SECOND_STAGE + 0x1000, (SECOND_STAGE + 0x2000) | 3);
	put64(SECOND_STAGE + 0x2000, (SECOND_STAGE + 0x3000) | 3);
	put64(SECOND_STAGE + 0x3000 + (IOVA >> 12) * 8, PAGE | 3);
	put64(ROOT, CONTEXTS | 1);
	put64(INTERRUPTS, UINT64_C(0x12) << 40 | 0x41 << 16 | 1);
	assert_int_equal(viommu_vtd_new(w.vm, &config, &w.u), VIOMMU_OK);
	devices(8, 8, true);
}

static void vtd_submit(uint64_t q0, uint64_t q1)
{
	put64(QUEUE + w.tail, q0);
	put64(QUEUE + w.tail + 8, q1);
	w.tail += 16;
}

static void vtd_submit_wait(void)
{
	vtd_submit(VTD_QI_WAIT | VTD_QI_WAIT_SW | bits_put(VTD_QI_WAIT_DATA, 0x1234), STATUS);
}

static bool vtd_waited(void)
{
	return ram[STATUS] == 0x34 && ram[STATUS + 1] == 0x12;
}

/* Legacy mode, all on; what is programmed afterwards is not latched. */
static void vtd_legacy_on(void)
{
	put64(CONTEXTS + 8 * 16, SECOND_STAGE | 1);
	put64(CONTEXTS + 8 * 16 + 8, bits_put(VTD_CE_DID, 3) | bits_put(VTD_CE_AW, 2));
	set(VTD_FEDATA, 4, 0x41);
	set(VTD_FEADDR, 4, 0xfee01000);
	set(VTD_IQA, 8, QUEUE);
	set(VTD_GCMD, 4, VTD_G_QIE);
	set(VTD_RTADDR, 8, ROOT);
	set(VTD_GCMD, 4, VTD_G_QIE | VTD_G_RTP);
	set(VTD_IRTA, 8, INTERRUPTS | 1);
	set(VTD_GCMD, 4, VTD_G_QIE | VTD_G_IRTP);
	set(VTD_GCMD, 4, VTD_G_QIE | VTD_G_IRE);
	set(VTD_GCMD, 4, VTD_G_QIE | VTD_G_IRE | VTD_G_TE);
	set(VTD_RTADDR, 8, OTHER_ROOT);
	set(VTD_IRTA, 8, OTHER_INTERRUPTS);
	assert_int_equal(where(w.device[0], 0x9000, VIOMMU_READ), FAULT(VTD_FR_READ));
}

static void open_legacy(void)
{
	vtd_open(viommu_vtd_default_cap(), viommu_vtd_default_ecap() | VTD_ECAP_DT);
	/* the context is that of vtd_legacy_on() */
	put64(CONTEXTS + 8 * 16, SECOND_STAGE | 1);
	put64(CONTEXTS + 8 * 16 + 8, bits_put(VTD_CE_DID, 3) | bits_put(VTD_CE_AW, 2));
	put64(QUEUE, VTD_QI_IOTLB | bits_put(VTD_QI_G, 1));
	w.tail = 16;
	vtd_submit_wait();
	w.tail = 0;
}

static void make_pending(void)
{
	vtd_legacy_on();
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	vtd_submit(VTD_QI_IOTLB | bits_put(VTD_QI_G, 1), 0);
	vtd_submit_wait();
	set(VTD_IQT, 8, w.tail);
	set(VTD_GCMD, 4, VTD_G_QIE | VTD_G_IRE);
	set(VTD_CCMD, 8, VTD_CCMD_ICC | bits_put(VTD_CCMD_CIRG, 1));
	set(0xf8, 8, VTD_IOTLB_IVT | bits_put(VTD_IOTLB_IIRG, 1));
}

static void leave(void)
{
	assert_int_equal(viommu_leave(w.channel), VIOMMU_OK);
}

static void yields_pending(void)
{
	assert_int_equal(get(VTD_RTADDR, 8), OTHER_ROOT);
	assert_int_equal(get(VTD_IRTA, 8), OTHER_INTERRUPTS);
	assert_int_equal(get(VTD_GSTS, 4),
			 VTD_G_TE | VTD_G_RTP | VTD_G_QIE | VTD_G_IRTP | VTD_G_IRE);
	assert_int_equal(where(w.device[0], IOVA, VIOMMU_READ), IOVA); /* TE is off already */
	assert_int_equal(get(VTD_IQT, 8), 0x20);
	assert_false(vtd_waited());
	assert_int_equal(settle(), VIOMMU_OK);
	assert_true(vtd_waited());
	assert_int_equal(get(VTD_IQH, 8), 0x20);
	assert_int_equal(get(VTD_GSTS, 4), VTD_G_RTP | VTD_G_QIE | VTD_G_IRTP | VTD_G_IRE);
	assert_int_equal(get(VTD_CCMD, 8) & VTD_CCMD_ICC, 0);
	assert_int_equal(get(0xf8, 8) & VTD_IOTLB_IVT, 0);
	assert_int_equal(get(VTD_FSTS, 4), VTD_FSTS_PPF);
	assert_int_equal(get(VTD_FECTL, 4), VTD_EVENT_IM | VTD_EVENT_IP);
	assert_int_equal(get(0x228, 8) & (VTD_FRCD_F | VTD_FRCD_SID), VTD_FRCD_F | 8);
	set(VTD_FECTL, 4, 0);
	assert_int_equal(w.messages, 1);
}

static void make_errors(void)
{
	vtd_legacy_on();
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	vtd_submit(VTD_QI_DEVTLB | bits_put(VTD_QI_DEVTLB_SID, 0x10), 0);
	vtd_submit_wait();
	set(VTD_IQT, 8, w.tail);
	assert_int_equal(viommu_invalidation_done(w.device[1], w.token, VIOMMU_FAULT), VIOMMU_OK);
	assert_int_equal(viommu_invalidation_done(w.device[2], w.token, VIOMMU_OK), VIOMMU_ENOENT);
}

static void yields_errors(void)
{
	struct viommu_msi msi;

	assert_int_equal(get(VTD_FSTS, 4), VTD_FSTS_PPF);
	assert_int_equal(where(w.device[0], IOVA, VIOMMU_READ), PAGE); /* what SRTP latched */
	assert_int_equal(viommu_remap_msi(w.u, 8, 0xfee00010, 0, 0, &msi), VIOMMU_OK);
	assert_int_equal(msi.vector, 0x41);
	assert_true(settle() >= 0);
	assert_int_equal(get(VTD_FSTS, 4), VTD_FSTS_PPF | VTD_FSTS_ITE | VTD_FSTS_ICE);
	assert_int_equal(get(VTD_IQERCD, 8),
			 bits_put(VTD_IQERCD_ITESID, 0x10) | bits_put(VTD_IQERCD_ICESID, 0x18));
	assert_false(vtd_waited());
}

#define CAP_PROTECTION (VTD_CAP_PLMR | VTD_CAP_PHMR)
#define ECAP_SCALABLE                                                                              \
	(VTD_ECAP_DT | VTD_ECAP_PRS | VTD_ECAP_PASID | VTD_ECAP_SMTS | VTD_ECAP_SSTS |             \
	 VTD_ECAP_FSTS | VTD_ECAP_SRS | bits_put(VTD_ECAP_PSS, 19))

/* Scalable mode, page requests, an error in the queue, protection on its way. */
static void open_scalable(void)
{
	vtd_open(viommu_vtd_default_cap() | CAP_PROTECTION,
		 viommu_vtd_default_ecap() | ECAP_SCALABLE);
	put64(CONTEXTS + 8 * 32, PASIDS | VTD_SCE_P | VTD_SCE_DTE | VTD_SCE_PRE | VTD_SCE_PASIDE);
	put64(PASIDS, (PASIDS + 0x1000) | 1);
	put64(PASIDS + 0x1000, SECOND_STAGE | 2 << 6 | 2 << 2 | 1);
	put64(PASIDS + 0x1008, 3);
	put64(QUEUE, 0xf);
}

static void make_scalable(void)
{
	const struct viommu_page_request r = {
		.address = IOVA, .pasid = NONE, .access = VIOMMU_READ, .last = 1
	};

	set(VTD_IQA, 8, QUEUE | VTD_IQA_DW);
	set(VTD_RTADDR, 8, ROOT | bits_put(VTD_RTADDR_TTM, VTD_TTM_SCALABLE));
	set(VTD_GCMD, 4, VTD_G_RTP);
	set(VTD_GCMD, 4, VTD_G_QIE);
	set(VTD_PQA, 8, PAGE_QUEUE);
	set(VTD_GCMD, 4, VTD_G_QIE | VTD_G_TE);
	assert_int_equal(viommu_request_page(w.device[0], &r), VIOMMU_OK);
	set(VTD_IQT, 8, 0x20);
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	set(VTD_PMEN, 4, VTD_PMEN_EPM);
}

static void yields_scalable(void)
{
	assert_int_equal(get(VTD_PMEN, 4), VTD_PMEN_EPM);
	assert_int_equal(where(w.device[0], IOVA + 0x123, VIOMMU_WRITE), PAGE + 0x123);
	assert_int_equal(settle(), VIOMMU_OK);
	assert_int_equal(get(VTD_PMEN, 4), VTD_PMEN_EPM | VTD_PMEN_PRS);
	assert_int_equal(get(VTD_FSTS, 4), VTD_FSTS_IQE);
	assert_int_equal(get(VTD_IQERCD, 8), VTD_IQEI_TYPE);
	assert_int_equal(get(VTD_IQH, 8), 0);
	assert_int_equal(get(VTD_PQT, 8), 0x20);
	assert_int_equal(get(VTD_PRS, 4), VTD_PRS_PPR);
	assert_int_equal(get(VTD_PECTL, 4), VTD_EVENT_IM | VTD_EVENT_IP);
	/* repaired, it goes on */
	put64(QUEUE, VTD_QI_WAIT | VTD_QI_WAIT_SW | bits_put(VTD_QI_WAIT_DATA, 0x1234));
	put64(QUEUE + 8, STATUS);
	set(VTD_FSTS, 4, VTD_FSTS_IQE);
	assert_int_equal(settle(), VIOMMU_OK);
	assert_true(vtd_waited());
	assert_int_equal(get(VTD_IQH, 8), 0x20);
}

/* ---- virtio-iommu ---- */

static void open_virtio(void)
{
	struct viommu_virtio_config config = { .size = sizeof(config), .host = &host };

	machine_open();
	assert_int_equal(viommu_virtio_new(w.vm, &config, &w.u), VIOMMU_OK);
	devices(1, 1, false);
}

static void le(uint8_t *to, uint64_t word, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(word >> 8 * i);
}

static void request(uint8_t *bytes, uint32_t count)
{
	uint8_t status[4] = { 0xff };
	struct viommu_part in = { bytes, count };
	struct viommu_part out = { status, sizeof(status) };
	uint32_t written = 0;

	assert_int_equal(viommu_virtio_request(w.u, &in, 1, &out, 1, 1, &written), VIOMMU_OK);
	assert_int_equal(written, 4);
	assert_int_equal(status[0], 0);
}

static void attach(uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	uint8_t bytes[20] = { 1 };

	le(bytes + 4, domain, 4);
	le(bytes + 8, endpoint, 4);
	le(bytes + 12, flags, 4);
	request(bytes, sizeof(bytes));
}

static void map(uint32_t domain, uint64_t first, uint64_t last, uint64_t gpa, uint32_t flags)
{
	uint8_t bytes[36] = { 3 };

	le(bytes + 4, domain, 4);
	le(bytes + 8, first, 8);
	le(bytes + 16, last, 8);
	le(bytes + 24, gpa, 8);
	le(bytes + 32, flags, 4);
	request(bytes, sizeof(bytes));
}

static void make_virtio(void)
{
	attach(5, 1, 0);
	map(5, 0x1000, 0x1fff, PAGE, 1);
	map(5, 0x2000, 0x5fff, PAGE + 0x1000, 3);
	map(5, UINT64_C(0xfffffffffffff000), UINT64_MAX, PAGE, 2);
	attach(6, 2, 1); /* bypass */
	assert_int_equal(where(w.device[2], 0x7000, VIOMMU_WRITE), FAULT(1));
	assert_int_equal(where(w.device[0], 0x9000, VIOMMU_READ), FAULT(2));
}

static void yields_event(uint8_t reason, uint32_t endpoint, uint64_t address)
{
	uint8_t expected[24] = { reason };
	uint8_t event[24];

	le(expected + 4, reason == 1 ? 0x102 : 0x101, 4);
	le(expected + 8, endpoint, 4);
	le(expected + 16, address, 8);
	assert_true(viommu_virtio_event(w.u, event, sizeof(event)) >= 0);
	assert_memory_equal(event, expected, sizeof(event));
}

static void yields_virtio(void)
{
	assert_true(settle() == VIOMMU_OK);
	yields_event(1, 3, 0x7000);
	yields_event(2, 1, 0x9000);
	assert_int_equal(where(w.device[0], 0x1fff, VIOMMU_READ), PAGE + 0xfff);
	assert_int_equal(where(w.device[0], 0x1fff, VIOMMU_WRITE), FAULT(2));
	assert_int_equal(where(w.device[0], 0x5000, VIOMMU_WRITE), PAGE + 0x4000);
	assert_int_equal(where(w.device[0], UINT64_MAX, VIOMMU_WRITE), PAGE + 0xfff);
	assert_int_equal(where(w.device[0], 0x6000, VIOMMU_READ), FAULT(2));
	assert_int_equal(where(w.device[1], 0x6000, VIOMMU_READ), 0x6000);
	assert_int_equal(where(w.device[2], 0x6000, VIOMMU_READ), FAULT(1));
	/* there is nothing to say that it was not mapped here */
	map(5, 0x8000, 0x8fff, PAGE, 3);
	assert_int_equal(where(w.device[0], 0x8000, VIOMMU_WRITE), PAGE);
}

/* ---- I/O APIC ---- */

static void open_ioapic(void)
{
	struct viommu_ioapic_config config = { .size = sizeof(config),
					       .flags = VIOMMU_IOAPIC_LOGICAL_LINES,
					       .deliver = on_deliver,
					       .acknowledged = on_acknowledged };

	machine_open();
	assert_int_equal(viommu_ioapic_new(w.vm, NULL, &config, &w.ioapic), VIOMMU_OK);
}

static void pin(uint32_t n, uint64_t entry)
{
	for (uint32_t half = 0; half < 2; half++) {
		assert_int_equal(viommu_ioapic_write(w.ioapic, 0, 4, 0x11 + 2 * n - half),
				 VIOMMU_OK);
		assert_int_equal(viommu_ioapic_write(w.ioapic, 0x10, 4,
						     half ? entry & UINT32_MAX : entry >> 32),
				 VIOMMU_OK);
	}
}

static void make_ioapic(void)
{
	pin(4, UINT64_C(0x12) << 56 | 0x31);
	pin(9, UINT64_C(0x34) << 56 | BIT(15) | 0x39);
	pin(10, BIT(16) | BIT(15) | 0x3a);
	assert_int_equal(viommu_ioapic_set_line(w.ioapic, 9, 1), VIOMMU_OK);
	assert_int_equal(w.delivered, 1);
	assert_int_equal(viommu_ioapic_set_line(w.ioapic, 10, 1), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(w.ioapic, 0, 4, 0x22), VIOMMU_OK);
}

static void yields_ioapic(void)
{
	struct viommu_ioapic_message m;
	uint64_t low;

	assert_int_equal(viommu_ioapic_read(w.ioapic, 0, 4, &low), VIOMMU_OK);
	assert_int_equal(low, 0x22);
	assert_int_equal(viommu_ioapic_read(w.ioapic, 0x10, 4, &low), VIOMMU_OK);
	assert_int_equal(low, BIT(15) | BIT(14) | 0x39);
	assert_int_equal(viommu_ioapic_get_message(w.ioapic, 4, &m), VIOMMU_OK);
	assert_int_equal(m.vector, 0x31);
	assert_int_equal(m.address >> 12 & 0xff, 0x12);
	assert_false(m.masked || m.level);
	assert_int_equal(viommu_ioapic_get_message(w.ioapic, 10, &m), VIOMMU_OK);
	assert_true(m.masked && m.level);
	/* the line is still asserted */
	assert_int_equal(viommu_ioapic_eoi(w.ioapic, 0x39), VIOMMU_OK);
	assert_int_equal(w.acknowledged, 1);
	assert_int_equal(w.delivered, 1);
	assert_int_equal(viommu_ioapic_set_line(w.ioapic, 9, 0), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_eoi(w.ioapic, 0x39), VIOMMU_OK);
	assert_int_equal(w.delivered, 1);
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	void (*open)(void);
	void (*make)(void);
	void (*made)(void); /* or NULL */
	void (*yields)(void);
} states[] = {
	{ "vtd-pending", open_legacy, make_pending, leave, yields_pending },
	{ "vtd-errors", open_legacy, make_errors, leave, yields_errors },
	{ "vtd-scalable", open_scalable, make_scalable, leave, yields_scalable },
	{ "virtio", open_virtio, make_virtio, NULL, yields_virtio },
	{ "ioapic", open_ioapic, make_ioapic, NULL, yields_ioapic },
};

static const char *const versions[] = { "0.1" };

#define MAX 16384U

static uint8_t saved[MAX];

static FILE *open_state(const char *name, const char *version, const char *mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "tests/unit/data/%s-%s.state", name, version);
	file = fopen(path, mode);
	if (!file)
		fail_msg("%s: cannot be opened", path);
	return file;
}

static int save(uint64_t *bytes)
{
	return w.u ? viommu_save(w.u, saved, bytes) : viommu_ioapic_save(w.ioapic, saved, bytes);
}

static int restore(uint64_t bytes)
{
	return w.u ? viommu_restore(w.u, saved, bytes)
		   : viommu_ioapic_restore(w.ioapic, saved, bytes);
}

static void restores(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(states); i++) {
		for (unsigned k = 0; k < ARRAY_COUNT(versions); k++) {
			FILE *file = open_state(states[i].name, versions[k], "rb");
			uint64_t bytes = fread(saved, 1, MAX, file);

			fclose(file);
			print_message("%s of %s\n", states[i].name, versions[k]);
			states[i].open();
			assert_true(restore(bytes) >= 0);
			states[i].yields();
			machine_close();
		}
	}
}

/* What this version saves, it restores, and it means the same. */
static void round_trip(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(states); i++) {
		uint64_t bytes = MAX;

		print_message("%s\n", states[i].name);
		states[i].open();
		states[i].make();
		assert_int_equal(save(&bytes), VIOMMU_OK);
		if (states[i].made)
			states[i].made();
		machine_close();
		states[i].open();
		assert_true(restore(bytes) >= 0);
		states[i].yields();
		machine_close();
	}
}

static void write_states(const char *version)
{
	for (unsigned i = 0; i < ARRAY_COUNT(states); i++) {
		uint64_t bytes = MAX;
		FILE *file;

		states[i].open();
		states[i].make();
		assert_int_equal(save(&bytes), VIOMMU_OK);
		file = open_state(states[i].name, version, "wbx");
		assert_int_equal(fwrite(saved, 1, (size_t)bytes, file), bytes);
		assert_int_equal(fclose(file), 0);
		if (states[i].made)
			states[i].made();
		machine_close();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restores),
		cmocka_unit_test(round_trip),
	};

	if (argc == 3 && strcmp(argv[1], "--write") == 0) {
		write_states(argv[2]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
