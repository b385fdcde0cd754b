/* SPDX-License-Identifier: BSD-3-Clause */
/* guest_memory.h - the guest's memory as a recording gives it, and a log of what the library writes. */
#ifndef REPLAY_GUEST_MEMORY_H
#define REPLAY_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_WRITE_MAX 64U

/* One write by the library, and what was there before. */
struct guest_write {
	uint64_t gpa;
	uint32_t bytes;
	uint8_t before[GUEST_WRITE_MAX];
};

struct guest_page;

/* Memory that cannot be accessed. */
struct guest_hole {
	uint64_t gpa;
	uint64_t bytes;
	bool write; /* it can only be read; otherwise neither */
};

/* Sparse: pages that nobody wrote read as zero. Zero it before the first use. */
struct guest_memory {
	struct guest_page *pages; /* by number */
	struct guest_write *log;  /* since guest_log_clear() */
	size_t logged;
	size_t log_capacity;
	bool exhausted; /* an allocation failed */
	struct guest_hole *holes;
	size_t hole_count;
	uint64_t taken; /* by the library, in bytes */
};

void guest_memory_fini(struct guest_memory *memory);

/* Accesses there fail, until the recording says what is there. */
bool guest_hole(struct guest_memory *memory, uint64_t gpa, uint64_t bytes, bool write);
/* What the recording says: not logged. */
bool guest_store(struct guest_memory *memory, uint64_t gpa, const void *from, size_t bytes);
void guest_load(const struct guest_memory *memory, uint64_t gpa, void *to, size_t bytes);
/* A little-endian word. */
uint64_t guest_load64(const struct guest_memory *memory, uint64_t gpa);
void guest_log_clear(struct guest_memory *memory);

/* Callbacks for struct viommu_vm_config; opaque is the memory. */
int guest_read_callback(void *opaque, uint64_t gpa, void *to, uint32_t bytes);
int guest_write_callback(void *opaque, uint64_t gpa, const void *from, uint32_t bytes);
int guest_cmpxchg_callback(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired);
/* A recording says how large caches and tables are: all together they have a limit. */
void *guest_alloc_callback(void *opaque, uint64_t bytes, uint64_t align);
void guest_dealloc_callback(void *opaque, void *block, uint64_t bytes);

#endif
