/* SPDX-License-Identifier: BSD-3-Clause */
/* look.h - what an IOMMU has at a line of a tape: its devices, and what each has mapped. */
#ifndef LOOK_H
#define LOOK_H

#include "image.h"
#include "session.h"
#include "steps.h"

/* Pages that are contiguous in both address spaces and permit the same. */
struct range {
	uint64_t first;
	uint64_t last;
	uint64_t gpa;
	uint32_t perm;
};

struct ranges {
	struct range *list;
	size_t count;
	size_t capacity;
	bool exhausted; /* out of memory */
};

/* All that is mapped, in order. A result of the library: VIOMMU_OK; VIOMMU_FAULT, nothing is let through. */
int ranges_read(struct ranges *ranges, struct session *s, struct viommu_device *device,
		uint32_t pasid);
void ranges_fini(struct ranges *ranges);

/* One device: the structures that say how its requests are treated. */
struct context {
	uint32_t name;
	struct viommu_device *device;
	struct steps steps; /* those structures, and how address 0 ends */
};

/* Calls each() with every device that the guest's tables have something of, or that the tape has named, up to this id. */
int state_devices(struct session *s, uint32_t last,
		  int (*each)(void *opaque, struct session *s, const struct context *context),
		  void *opaque);

/* Requesters of an engine of 16 bits, and as many of those that have more. */
#define DEVICES_LAST 0xffffU

/* What commands that look at a state have in common. */
struct look {
	struct images images;
	const char *registers; /* NULL: a tape */
	bool one;	       /* device `device` only */
	uint32_t device;
	uint32_t pasid;
	uint32_t last;
	bool json;
};

#define LOOK_OPTIONS                                                                               \
	{ "device", required_argument, NULL, 'd' }, { "pasid", required_argument, NULL, 'p' },     \
		{ "last", required_argument, NULL, 'l' },                                          \
		{ "memory", required_argument, NULL, 'M' },                                        \
		{ "registers", required_argument, NULL, 'r' },                                     \
	{                                                                                          \
		"json", no_argument, NULL, 'j'                                                     \
	}
#define LOOK_LETTERS "d:p:l:j"
#define LOOK_USAGE                                                                                 \
	"  -d, --device ID         this one only\n"                                                \
	"  -p, --pasid PASID       its mappings with this PASID\n"                                 \
	"  -l, --last ID           look for devices up to this id (ffff)\n"                        \
	"      --registers FILE    no tape: registers as the guest reads them, in R lines\n"       \
	"      --memory FILE@GPA   guest memory from this address on; can be repeated\n"           \
	"  -j, --json              for programs\n"

#define LOOK_NONE                                                                                  \
	{                                                                                          \
		.pasid = VIOMMU_NO_PASID, .last = DEVICES_LAST                                     \
	}

/* One of these options. False: it is not, or has a value that is not possible. */
bool look_option(struct look *look, int option, char *value);
/* Opens what the command line names, and plays it as far as it says. */
int look_open(struct session *s, const struct look *look, char *path);
/* The devices that are looked at. */
int look_devices(struct session *s, const struct look *look,
		 int (*each)(void *opaque, struct session *s, const struct context *context),
		 void *opaque);

#endif
