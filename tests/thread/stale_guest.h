/* SPDX-License-Identifier: BSD-3-Clause */
/* stale_guest.h - what test_stale.c checks: subjects whose translations change, and their tables. */
#ifndef TESTS_STALE_GUEST_H
#define TESTS_STALE_GUEST_H

#include "thread_world.h"

enum { SUBJECTS = 12, PAGES = 4, READERS = 3 };

/* Targets are BASE + (version << lg2): nested on the second stage, 512 GiB are mapped there. */
#define BASE	     (UINT64_C(1) << 39)
#define VERSIONS_MAX 500U

struct stale_page {
	uint64_t iova;
	unsigned lg2;
};

extern const struct stale_page pages[PAGES];

enum mode { LEGACY, SECOND, FIRST, NESTED_FIRST, NESTED_SECOND };

/* What is invalidated. The last ones follow a change of the root pointer in the context or PASID
 * entry. */
enum how {
	BY_PAGE,
	BY_RANGE,
	BY_PASID,
	BY_DOMAIN,
	GLOBALLY,
	CONTEXT_DEVICE,
	CONTEXT_DOMAIN,
	CONTEXT_ALL,
	PASID_ONE,
	PASID_ALL
};

struct row {
	const char *name;
	enum mode mode;
	enum how how;
	bool registers;
	bool tiny;
	bool renumber; /* a thread gives devices other ids, with the same tables */
	bool slow;     /* tables are behind callbacks that dawdle: fills race with invalidations */
	bool upper; /* the table of the 4 KiB pages is replaced by another one, as a whole; if slow, these
			  tables alone are in a region */
	bool membarrier;
	unsigned partitions; /* devices are told apart, one after the other */
};

/* Someone whose translations change: a device, or a PASID of one. */
struct subject {
	struct viommu_device *device;
	uint16_t rid;
	uint32_t pasid;
	uint16_t did;
	uint64_t
		pointer[2]; /* gpa of the words that name the root; [1]: of the device's other id */
	uint64_t pointer_bits;
	uint64_t tree[2]; /* one is in use */
	uint64_t leaf[2][PAGES];
	uint64_t above; /* gpa of the entry that leads to the table of pages 0 and 1 */
	uint64_t table[2];
	unsigned table_used;
	unsigned used;
	_Atomic uint64_t published[PAGES];
	_Atomic uint64_t completed[PAGES];
};

struct checker;

struct reader {
	struct checker *c;
	unsigned kind; /* 0: channel, 1: channel with sections, 2: device */
	uint64_t random;
	struct viommu_channel *channel[SUBJECTS];
	_Atomic uint64_t done;
	pthread_t thread;
};

struct checker {
	struct world w;
	const struct row *row;
	struct subject subject[SUBJECTS];
	struct reader reader[READERS];
	struct reader self[2]; /* of the writer: a channel, the device */
	pthread_t renumberer;
	_Atomic unsigned focus; /* subject * PAGES + page that changes at the moment */
	_Atomic bool stop;
};

/* The target of a page that says which version this is. */
uint64_t stale_target(unsigned page, uint64_t version);
bool stale_is_first(enum mode mode);
/* Device and tables of a subject, with version 0. */
void stale_build(struct checker *c, unsigned subject);

#endif
