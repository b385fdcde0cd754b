/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * record_wrap.c - records each IOMMU that a fuzzer makes, from its beginning, if VIOMMU_TAPES names a folder: its functions
 * are linked in the place of those that make an IOMMU. tests/tape/corpora.sh replays what comes of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include <libvirtiommu/amdvi.h>
#include <libvirtiommu/its.h>
#include <libvirtiommu/record.h>
#include <libvirtiommu/riscv.h>
#include <libvirtiommu/smmuv3.h>
#include <libvirtiommu/tce.h>
#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vtd.h>

enum { TAPES = 8 };

static struct {
	struct viommu *iommu;
	FILE *file;
} tape[TAPES];
static unsigned made;

/* Those of IOMMUs that are gone are closed when their place is needed. */
static FILE *file_of(struct viommu *iommu)
{
	static unsigned next;
	unsigned i = 0;
	char path[4096];

	while (i < TAPES && tape[i].iommu != iommu)
		i++;
	if (i < TAPES)
		return tape[i].file;
	i = next++ % TAPES;
	if (tape[i].file)
		fclose(tape[i].file);
	snprintf(path, sizeof(path), "%s/%05u.tape", getenv("VIOMMU_TAPES"), made++);
	tape[i].iommu = iommu;
	tape[i].file = fopen(path, "w");
	if (!tape[i].file)
		abort();
	return tape[i].file;
}

static void on_write(void *opaque, struct viommu *iommu, const char *text, uint64_t bytes)
{
	FILE *file = file_of(iommu);

	(void)opaque;
	if (fwrite(text, 1, bytes, file) != bytes || fflush(file))
		abort();
}

/* Beside what is there: all of the VM begins anew. */
static void record(struct viommu_vm *vm)
{
	if (!getenv("VIOMMU_TAPES"))
		return;
	viommu_record(vm, NULL, NULL);
	for (unsigned i = 0; i < TAPES; i++)
		tape[i].iommu = NULL;
	viommu_record(vm, on_write, NULL);
}

#define WRAP(name)                                                                                 \
	int __real_viommu_##name##_new(struct viommu_vm *vm,                                       \
				       const struct viommu_##name##_config *config,                \
				       struct viommu **iommu);                                     \
	int __wrap_viommu_##name##_new(struct viommu_vm *vm,                                       \
				       const struct viommu_##name##_config *config,                \
				       struct viommu **iommu);                                     \
	int __wrap_viommu_##name##_new(struct viommu_vm *vm,                                       \
				       const struct viommu_##name##_config *config,                \
				       struct viommu **iommu)                                      \
	{                                                                                          \
		int result = __real_viommu_##name##_new(vm, config, iommu);                        \
                                                                                                   \
		if (!result)                                                                       \
			record(vm);                                                                \
		return result;                                                                     \
	}

WRAP(vtd)
WRAP(amdvi)
WRAP(smmuv3)
WRAP(riscv)
WRAP(virtio)
WRAP(tce)
WRAP(its)
