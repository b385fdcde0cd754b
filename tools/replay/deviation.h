/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * deviation.h - where a recording may differ from what the manual says, each case under its name.
 *
 * A difference that a deviation accounts for is counted under that name and is not a mismatch. Each is verified: only
 * the bits, and only the situation, that the deviation is about.
 */
#ifndef REPLAY_DEVIATION_H
#define REPLAY_DEVIATION_H

enum deviation {
	/* VT-d */
	DEVIATION_FRCD_PASID_FFFF,
	DEVIATION_FRCD_RID_PASID,
	DEVIATION_SM_LEGACY_CODES,
	DEVIATION_IQA_READ,
	DEVIATION_READ_NO_WRITE,
	DEVIATION_HIT_NO_DIRTY,
	DEVIATION_CFIS_NEVER,
	DEVIATION_IRTE_DST_RSVD,
	DEVIATION_CACHED_BY_US,
	DEVIATION_CACHED_BY_RECORDER,
	/* virtio-iommu */
	DEVIATION_BYTE_BEFORE_MAPPING,
	DEVIATION_UNKNOWN_ENDPOINT,
	DEVIATION_FLAGS_LEFT_OUT,
	DEVIATION_FAULT_WITHOUT_BUFFER,
	/* RISC-V */
	DEVIATION_PV_ALWAYS,
	DEVIATION_TTYP_OF_READS,
	/* SMMUv3 */
	DEVIATION_SMMU_WIDE_SILENT,
	DEVIATION_SMMU_IPA_LOW,
	DEVIATION_SMMU_CACHED_BY_US,
	DEVIATION_SMMU_BYPASS_ASKED,
	/* Tapes of the library */
	DEVIATION_OVERLAPPED,
	DEVIATION_TORN,
	DEVIATIONS,
};

struct deviation_text {
	const char *name;
	const char *kinds;    /* of lines */
	const char *recorded; /* what the recording has */
	const char *manual;   /* what the manual says, and where */
};

extern const struct deviation_text deviation_texts[DEVIATIONS];

#endif
