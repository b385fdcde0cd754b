/* SPDX-License-Identifier: BSD-3-Clause */
/* record_devices.c - recording: devices that come, go, or change ids, of engines whose tapes have to say which there are. */

#include "recorder.h"

void unit_record_device(struct viommu *u, const struct viommu_device *device, uint32_t id,
			bool gone)
{
	struct record_event e;

	if (!u->record || !u->record->device || id == VIOMMU_NO_ID)
		return;
	unit_record_begin(u, &e, true);
	u->record->device(device, id, gone, &e.effects);
	record_end(&e, RECORD_AS_BEFORE);
}

static uint32_t id_of(const struct viommu_device *device)
{
	return atomic_load_explicit(&device->id, memory_order_relaxed);
}

/* Those that lose their id go, those that get one come, and the others change over at once. */
void unit_record_ids(struct viommu *u, struct viommu_device *const *devices, uint32_t count)
{
	struct record_event e;

	if (!u->record || !u->record->device)
		return;
	unit_record_begin(u, &e, true);
	for (uint32_t i = 0; i < count; i++) {
		if (id_of(devices[i]) != VIOMMU_NO_ID && devices[i]->next_id == VIOMMU_NO_ID)
			u->record->device(devices[i], id_of(devices[i]), true, &e.effects);
	}
	record_word(&e.effects, "PN");
	for (uint32_t i = 0; i < count; i++) {
		if (id_of(devices[i]) == VIOMMU_NO_ID || devices[i]->next_id == VIOMMU_NO_ID)
			continue;
		record_hex(&e.effects, id_of(devices[i]));
		record_hex(&e.effects, devices[i]->next_id);
	}
	record_newline(&e.effects);
	for (uint32_t i = 0; i < count; i++) {
		if (id_of(devices[i]) == VIOMMU_NO_ID && devices[i]->next_id != VIOMMU_NO_ID)
			u->record->device(devices[i], devices[i]->next_id, false, &e.effects);
	}
	record_end(&e, RECORD_AS_BEFORE);
}
