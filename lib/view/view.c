/* SPDX-License-Identifier: BSD-3-Clause */
/* view.c - a view, in a device process: its life, and its section. */

#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "view_own.h"

/* ---- life ---- */

/* A table of the window: @count of @each bytes from @offset on lie in it; a count that is a mask and one, if it is to be
 * one. */
static bool lies_within(const struct window *w, uint64_t offset, uint64_t count, uint64_t each,
			bool power_of_two)
{
	return offset >= sizeof(*w) && offset % _Alignof(uint64_t) == 0 && offset <= w->bytes &&
	       count && count <= (w->bytes - offset) / each &&
	       !(power_of_two && (count & (count - 1)));
}

static bool valid_window(const struct window *w, uint64_t bytes, uint64_t place)
{
	return w->magic == WINDOW_MAGIC && w->bytes == bytes &&
	       lies_within(w, w->sets, w->set_count, sizeof(struct tlb_set), true) &&
	       lies_within(w, w->contexts, w->context_count, sizeof(struct context_slot), true) &&
	       lies_within(w, w->domains, w->domain_count, sizeof(struct domain), true) &&
	       lies_within(w, w->devices, w->device_count, sizeof(uint64_t), false) &&
	       lies_within(w, w->regions, w->region_count, sizeof(struct window_region), false) &&
	       place < w->device_count;
}

static int take_config(struct viommu_view_config *config, const struct viommu_view_config *given)
{
	int result = abi_take(config, sizeof(*config), sizeof(*config), given);

	if (result)
		return result;
	if (config->flags || config->reserved || !config->window ||
	    (uintptr_t)config->window % WINDOW_ALIGN || !config->section ||
	    (uintptr_t)config->section % VIOMMU_VIEW_SECTION_BYTES ||
	    config->window_bytes < sizeof(struct window) ||
	    (config->pasid != VIOMMU_NO_PASID && config->pasid >= BIT(20)) ||
	    config->entries > UINT32_C(1) << 16 || config->requests > VIOMMU_VIEW_REQUESTS_MAX)
		return VIOMMU_EINVAL;
	if (!config->entries)
		config->entries = 1024;
	if (!config->requests)
		config->requests = VIOMMU_VIEW_REQUESTS_DEFAULT;
	return VIOMMU_OK;
}

/* From the window to this process's own words: what is constant there is checked, and read no more. */
static void attach(struct viommu_view *view, const struct viommu_view_config *config)
{
	const struct window *w = config->window;
	uint32_t serial = (uint32_t)(config->device >> 32);

	view->window = w;
	view->now = &w->now;
	view->region_count = w->region_count;
	view->window_regions = window_at(w, w->regions);
	view->device = window_device(w, (uint32_t)config->device);
	view->requester = requester_of(serial, config->pasid, VIOMMU_AT_UNTRANSLATED);
	view->entered = config->section;
	tlb_attach(&view->tlb, w);
	context_cache_attach(&view->contexts, w);
}

static uint64_t view_bytes(uint64_t entries)
{
	return sizeof(struct viommu_view) + entries * sizeof(struct micro_entry);
}

int viommu_view_new(const struct viommu_view_config *given, struct viommu_view **out)
{
	struct viommu_view_config config;
	struct viommu_view *view;
	uint64_t entries;
	int result;

	if (!out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	if (!valid_window(config.window, config.window_bytes, (uint32_t)config.device))
		return VIOMMU_ESTATE;
	entries = bits_power_of_two(config.entries);
	view = vm_default_alloc(NULL, view_bytes(entries), _Alignof(struct viommu_view));
	if (!view)
		return VIOMMU_ENOMEM;
	view->mask = entries - 1;
	view->places = view->mask * sizeof(struct micro_entry);
	view->places_lg2 = view->mask ? 64 - (unsigned)__builtin_clzll(view->mask) : 0;
	view->serial = 1;
	view->pasid = config.pasid;
	view->who = config.pasid;
	view->requests = config.requests;
	attach(view, &config);
	*out = view;
	return VIOMMU_OK;
}

int viommu_view_free(struct viommu_view *view)
{
	if (!view)
		return VIOMMU_OK;
	if (view->open)
		return VIOMMU_EBUSY;
	vm_default_dealloc(NULL, view, view_bytes(view->mask + 1));
	return VIOMMU_OK;
}

/* ---- sections ---- */

int viommu_view_enter(struct viommu_view *view)
{
	if (!view)
		return VIOMMU_EINVAL;
	if (view->open)
		return VIOMMU_EBUSY;
	view_open(view);
	return VIOMMU_OK;
}

int viommu_view_leave(struct viommu_view *view)
{
	if (!view || !view->open)
		return VIOMMU_EINVAL;
	return view_close(view);
}
