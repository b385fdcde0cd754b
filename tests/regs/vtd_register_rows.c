/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_register_rows.c - the registers of VT-d 11.4 and the configurations they are tested in. */

#include "vtd_register_rows.h"

#define LOW32 RM(31, 0)
#define IM    (RB(31))
#define EIM   (RB(4))
#define QI    (RB(1))
#define IR    (RB(3))
#define PRS   (RB(29))

/* docs/vtd-notes.md section 6 has QEMU's; the others are made of the fields of section 5. */
#define MAXIMAL_CAP                                                                                \
	(RV(0, 6) | RB(4) | RB(5) | RB(6) | RB(7) | RV(8, 0xe) | RV(16, 56) | RB(22) |             \
	 RV(24, 0x40) | RV(34, 3) | RB(39) | RV(40, 255) | RV(48, 27) | RB(54) | RB(55) | RB(56) | \
	 RB(59) | RB(60) | RB(62) | RB(63))
#define MAXIMAL_ECAP                                                                               \
	(RM(4, 0) | RB(6) | RB(7) | RV(8, 0x20) | RV(20, 15) | RB(26) | RB(29) | RB(31) | RB(33) | \
	 RB(34) | RV(35, 19) | RB(40) | RB(42) | RB(43) | RM(49, 45) | RB(52) | RB(53) | RB(58))

const struct register_config register_configs[] = {
	{ "QEMU legacy, 48 bits", UINT64_C(0x80d2008c222f0606), UINT64_C(0xf00f4a), 0 },
	{ "QEMU legacy, 39 bits, eim", UINT64_C(0x80d2008c22260206), UINT64_C(0xf00f5a), 0 },
	{ "QEMU before 10.2, intremap=off", UINT64_C(0x00d2008c222f0606), UINT64_C(0xf42), 0 },
	{ "QEMU scalable, second stage", UINT64_C(0x80d2008c222f0606), UINT64_C(0x0000480080f00f4a),
	  0 },
	{ "QEMU scalable, first stage, pasid, svm", UINT64_C(0x81d2008c222f0606),
	  UINT64_C(0x0000880000f00f4a) | RB(2) | RB(29) | RB(33) | RB(40) | RV(35, 7) | RB(42), 0 },
	{ "default", 0, 0, 0 },
	{ "maximal", MAXIMAL_CAP, MAXIMAL_ECAP, 0x40 },
	{ "minimal: no queue, no interrupt remapping",
	  RV(0, 2) | RV(8, 2) | RV(16, 38) | RV(24, 0x20), RV(8, 0x21), 0 },
	{ "low protected memory only", RV(0, 6) | RB(5) | RV(8, 4) | RV(16, 47) | RV(24, 0x22),
	  RV(8, 0xf) | QI, 0 },
	{ "high protected memory only, 8 records far away",
	  RV(0, 6) | RB(6) | RV(8, 4) | RV(16, 47) | RV(24, 0x3f0) | RV(40, 7), RV(8, 0x3ff) | QI,
	  0x60 },
	{ "abort mode without scalable mode", UINT64_C(0x80d2008c222f0606),
	  UINT64_C(0xf00f4a) | RB(52), 0 },
};
const size_t register_config_count = sizeof(register_configs) / sizeof(register_configs[0]);

static void add(struct register_row **at, struct register_row row)
{
	*(*at)++ = row;
}

#define ADD(...) add(&at, (struct register_row){ __VA_ARGS__ })

/* Control, data, address, upper address of an event; the upper half comes with EIM. */
static struct register_row *add_event(struct register_row *at, uint32_t control, uint64_t ecap)
{
	ADD("11.4.7.2 event control", control, 4, IM, IM, 0, 0);
	ADD("11.4.7.3 event data: 16 bits", control + 4, 4, 0, RM(15, 0), 0, 0);
	ADD("11.4.7.4 event address", control + 8, 4, 0, RM(31, 2), 0, 0);
	ADD("11.4.7.5 event upper address", control + 12, 4, 0, ecap & EIM ? LOW32 : 0, 0, 0);
	return at;
}

static struct register_row *add_protection(struct register_row *at, uint64_t cap)
{
	if (cap & (RB(5) | RB(6)))
		ADD("11.4.8 PMEN: PRS follows EPM", 0x64, 4, 0, RB(31), 0, 1);
	if (cap & RB(5)) {
		ADD("11.4.8 PLMBASE", 0x68, 4, 0, RM(31, 21), 0, 0);
		ADD("11.4.8 PLMLIMIT", 0x6c, 4, 0, RM(31, 21), 0, 0);
	}
	if (cap & RB(6)) {
		ADD("11.4.8 PHMBASE", 0x70, 8, 0, RM(63, 21), 0, 0);
		ADD("11.4.8 PHMLIMIT", 0x78, 8, 0, RM(63, 21), 0, 0);
	}
	return at;
}

static struct register_row *add_queues(struct register_row *at, uint64_t ecap)
{
	const uint64_t wide = ecap & (RB(43) | RB(52)) ? 0 : RB(11);

	if (ecap & QI) {
		ADD("11.4.9.1 IQH", 0x80, 8, 0, 0, 0, 0);
		ADD("11.4.9.2 IQT", 0x88, 8, 0, RM(18, 4), 0, 0);
		/* DW without 256-bit descriptors is looked at when the queue is */
		ADD("11.4.9.3 IQA", 0x90, 8, 0, RM(63, 11) | 7, 0, wide);
		ADD("11.4.9.4 ICS: IWC is W1C", 0x9c, 4, 0, 0, 0, 0);
		at = add_event(at, 0xa0, ecap);
		ADD("11.4.9.9 IQERCD", 0xb0, 8, 0, 0, 0, 0);
	}
	if (ecap & IR)
		ADD("11.4.10 IRTA", 0xb8, 8, 0, RM(63, 11) | 15, 0, ecap & EIM ? 0 : RB(11));
	if (ecap & PRS) {
		ADD("11.4.11.1 PQH", 0xc0, 8, 0, RM(18, 5), 0, 0);
		ADD("11.4.11.2 PQT", 0xc8, 8, 0, RM(18, 5), 0, 0);
		ADD("11.4.11.3 PQA", 0xd0, 8, 0, RM(63, 12) | 7, 0, 0);
		ADD("11.4.11.4 PRS: W1C", 0xdc, 4, 0, 0, 0, 0);
		at = add_event(at, 0xe0, ecap);
	}
	return at;
}

size_t register_rows(uint64_t cap, uint64_t ecap, uint32_t version, struct register_row *rows)
{
	const uint32_t frcd = (uint32_t)(cap >> 24 & 0x3ff) * 16;
	const uint32_t iva = (uint32_t)(ecap >> 8 & 0x3ff) * 16;
	struct register_row *at = rows;

	ADD("11.4.1 VER", 0x00, 4, version, 0, 0, 0);
	ADD("11.4.2 CAP", 0x08, 8, cap, 0, 0, 0);
	ADD("11.4.3 ECAP", 0x10, 8, ecap, 0, 0, 0);
	ADD("11.4.4 GCMD: write-only", 0x18, 4, 0, 0, LOW32, 0);
	ADD("11.4.4 GSTS", 0x1c, 4, 0, 0, 0, 0);
	ADD("11.4.5 RTADDR", 0x20, 8, 0, RM(63, 10), 0, 0);
	ADD("11.4.6.1 CCMD", 0x28, 8, 0, RM(15, 0) | RM(62, 61), RB(63), RM(33, 16));
	ADD("11.4.7.1 FSTS", 0x34, 4, 0, 0, 0, 0);
	at = add_event(at, 0x38, ecap);
	at = add_protection(at, cap);
	at = add_queues(at, ecap);
	ADD("11.4.6.3 IVA: write-only", iva, 8, 0, 0, 0, UINT64_MAX);
	ADD("11.4.6.2 IOTLB", iva + 8, 8, 0, RM(49, 32) | RM(61, 60), RB(63), 0);
	for (uint32_t i = 0; i <= (cap >> 40 & 0xff); i++) {
		ADD("11.4.7.10 FRCD low", frcd + 16 * i, 8, 0, 0, 0, 0);
		ADD("11.4.7.10 FRCD high: F is W1C", frcd + 16 * i + 8, 8, 0, 0, 0, 0);
	}
	return (size_t)(at - rows);
}
