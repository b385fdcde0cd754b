/* SPDX-License-Identifier: BSD-3-Clause */
/* explain_msi.c - explanations of interrupt messages. */

#include "explain.h"
#include "msi.h"

static void tell_answer(struct explanation *e, const struct viommu_msi *msi, int result)
{
	struct viommu_step step = { .gpa = UINT64_MAX, .flags = VIOMMU_STEP_ANSWER };

	if (result == VIOMMU_OK) {
		step.what = "delivered";
		step.words = 4;
		step.raw[0] = msi->address;
		step.raw[1] = msi->data;
		step.raw[2] = msi->intid;
		step.raw[3] = msi->cpu;
	} else {
		step.what = "refused";
		step.reason = msi->reason;
	}
	explain_step(e, &step);
}

static int through_engine(struct explanation *e, struct viommu *u, uint32_t source,
			  uint64_t address, uint32_t data)
{
	struct epoch_section *section = epoch_visit(&u->epoch);
	struct viommu_msi msi = { .index = UINT32_MAX };
	int result = u->engine->explain_msi(u, source, address, data, e, &msi);

	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	if (result >= 0)
		tell_answer(e, &msi, result);
	return result;
}

/* Without interrupt remapping: the write that it is (msi_translate()). */
static int as_a_write(struct explanation *e, struct viommu *u, uint32_t source, uint64_t address)
{
	struct viommu_request request = {
		.first = address, .last = address, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_WRITE
	};
	struct viommu_device *device = address % 4 ? NULL : device_get(u, source);
	struct viommu_msi none = { .index = UINT32_MAX };
	int result;

	if (!device) {
		tell_answer(e, &none, VIOMMU_FAULT);
		return VIOMMU_FAULT;
	}
	result = explain_request(e, device, &request);
	device_put(device);
	return result == VIOMMU_INTERRUPT ? VIOMMU_OK : result;
}

int viommu_explain_msi(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		       uint32_t flags, int (*step)(void *opaque, const struct viommu_step *step),
		       void *opaque)
{
	struct explanation e = { .caches = flags & VIOMMU_EXPLAIN_CACHES,
				 .entry = { UINT64_MAX, UINT64_MAX },
				 .step = step,
				 .opaque = opaque };
	int result;

	if (!u || !step || (flags & ~VIOMMU_EXPLAIN_CACHES) || source > u->engine->last_id)
		return VIOMMU_EINVAL;
	if (u->engine->explain_msi)
		result = through_engine(&e, u, source, address, data);
	else if (u->engine->translate)
		result = as_a_write(&e, u, source, address);
	else
		return VIOMMU_ENOTSUP;
	return result >= 0 && e.stopped ? VIOMMU_MORE : result;
}
