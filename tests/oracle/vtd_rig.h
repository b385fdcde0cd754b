/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_rig.h - an engine under test on a copy of an image's memory, driven as a guest and a VMM
 * drive it, and what it answers in the oracle's terms.
 */
#ifndef VTD_RIG_H
#define VTD_RIG_H

#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include "vtd_tables.h"

enum { RIG_DEVICES = 8, RIG_CHANNELS = 24 };

struct rig_device {
	uint16_t rid;
	struct viommu_device *device;
};

struct rig_channel {
	struct viommu_device *device;
	uint32_t pasid;
	struct viommu_channel *channel;
};

struct rig {
	struct vt_memory mem;
	bool callbacks; /* memory is behind callbacks, not in regions */
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct vo_unit unit;
	struct rig_device device[RIG_DEVICES];
	unsigned ndevices, next_device;
	struct rig_channel channel[RIG_CHANNELS];
	unsigned nchannels, next_channel;
	const char *refused; /* why the engine could not be made */
};

/* How a request is made. */
enum rig_way { RIG_DEVICE, RIG_CHANNEL, RIG_WAYS };

/* How caches are emptied; RIG_REGISTERS is for legacy mode only. */
enum rig_flush { RIG_SRTP, RIG_RESET, RIG_REGISTERS, RIG_FLUSHES };

/* A fault record, decoded. */
struct rig_record {
	bool present;
	uint64_t page;
	uint16_t sid;
	uint8_t reason, type, at;
	bool has_pasid, exec, priv;
	uint32_t pasid;
};

struct rig_answer {
	int result;
	struct viommu_answer answer;
	struct viommu_fragment fragment;
	struct rig_record record;
};

bool rig_init(struct rig *rig, size_t nwords);
void rig_fini(struct rig *rig);

/* rig_open() - a new engine for the image, with its memory loaded and its registers programmed.
 * False: refused by the configuration check, and why is in rig->refused. */
bool rig_open(struct rig *rig, const struct vt_image *image, bool callbacks);
void rig_close(struct rig *rig, const struct vt_image *image);

/* The same memory again, and empty caches. */
void rig_flush(struct rig *rig, enum rig_flush how);

/* One request of one byte. The fault record is read back and cleared. */
void rig_request(struct rig *rig, const struct vo_request *req, enum rig_way way,
		 struct rig_answer *answer);

/* A range: one call; fragments are the caller's. */
int rig_range(struct rig *rig, const struct vo_request *req, uint64_t last, enum rig_way way,
	      struct viommu_fragment *fragment, uint32_t max, struct viommu_answer *answer);
void rig_read_record(struct rig *rig, struct rig_record *record);

/* What viommu_explain() answers: leaves no trace. */
int rig_explain(struct rig *rig, const struct vo_request *req);

struct viommu_device *rig_device(struct rig *rig, uint16_t rid);

/* Whether a fragment has a pointer to ROM: it may be read there, and that is all (obligation 43). */
bool rig_is_rom(const struct rig *rig, const struct vo_answer *oracle,
		const struct viommu_fragment *f);

/* rig_differs() - compares with the oracle's answer. NULL: they agree; else what differs. @warm: a
 * fragment may be flagged clean although another path made it dirty. */
const char *rig_differs(const struct rig *rig, const struct vo_request *req,
			const struct vo_answer *oracle, const struct rig_answer *engine, bool warm);

/* For reports. */
void rig_print(const struct rig *rig, const struct vo_request *req, const struct vo_answer *oracle,
	       const struct rig_answer *engine);

#endif
