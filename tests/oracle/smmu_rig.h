/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_rig.h - an SMMU of the library on a copy of an image's memory, driven as a guest and a VMM drive it. */
#ifndef SMMU_RIG_H
#define SMMU_RIG_H

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/vm.h>

#include "smmu_image.h"

enum { SR_DEVICES = 16, SR_CHANNELS = 16 };

/* Queues lie where no flipped bit of an address of the image's leads. */
#define SR_QUEUES UINT64_C(0x5a55a500000)

struct sr_channel {
	struct viommu_device *device;
	uint32_t pasid;
	struct viommu_channel *channel;
};

struct smmu_rig {
	struct si_memory mem;
	uint64_t *queues;
	const struct si_image *image;
	bool callbacks;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct {
		uint32_t sid;
		struct viommu_device *device;
	} device[SR_DEVICES];
	unsigned devices, next_device;
	struct sr_channel channel[SR_CHANNELS];
	unsigned channels, next_channel;
	uint64_t last[2]; /* the last command before a CMD_SYNC, for reports */
	uint32_t command; /* PROD */
	uint32_t event;	  /* CONS */
	const char *refused;
};

enum sr_way { SR_DEVICE, SR_CHANNEL, SR_WAYS };
enum sr_flush { SR_COMMANDS, SR_RESET, SR_CALL, SR_FLUSHES };

struct sr_answer {
	int result;
	struct viommu_answer answer;
	struct viommu_fragment fragment;
	bool recorded;
	uint64_t record[4];
};

bool smmu_rig_init(struct smmu_rig *rig);
void smmu_rig_fini(struct smmu_rig *rig);
bool smmu_rig_open(struct smmu_rig *rig, const struct si_image *image, bool callbacks);
void smmu_rig_close(struct smmu_rig *rig);
/* Empty caches. */
void smmu_rig_flush(struct smmu_rig *rig, enum sr_flush how);
/* A command; and a CMD_SYNC, after which all are complete. */
void smmu_rig_put_command(struct smmu_rig *rig, uint64_t w0, uint64_t w1);
void smmu_rig_sync(struct smmu_rig *rig);
/* One byte. The record is read back. */
void smmu_rig_request(struct smmu_rig *rig, const struct so_request *q, enum sr_way way,
		      struct sr_answer *a);
int smmu_rig_explain(struct smmu_rig *rig, const struct so_request *q);

/* What differs; NULL: nothing. @warm: a page may be clean to the caches that another path made dirty. */
const char *smmu_rig_differs(const struct so_request *q, const struct so_answer *oracle,
			     const struct sr_answer *engine, bool warm);

#endif
