/* SPDX-License-Identifier: BSD-3-Clause */
/* trace.c - one log, in order, of what a unit tells its host and its listeners. */

#include "trace.h"

const char *row_name = "-";

static struct trace_event *add(struct trace *t, unsigned kind)
{
	struct trace_event *e;

	/* what does not fit is only counted */
	if (t->events < TRACE_EVENTS)
		t->events++;
	e = &t->event[t->events - 1];
	*e = (struct trace_event){ .kind = kind,
				   .nth = t->of_kind[kind]++,
				   .watched = t->watch ? *t->watch : 0 };
	return e;
}

static void hook(void *opaque, enum guest_event event)
{
	struct trace *t = opaque;

	add(t, event);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct trace_event *e = add(opaque, TRACE_UNMAP);

	e->device = device;
	e->pasid = pasid;
	e->first = first;
	e->last = last;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct trace_event *e = add(opaque, TRACE_MODE);

	e->device = device;
	e->mode = mode;
}

static void on_interrupts(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	struct trace_event *e = add(opaque, TRACE_INTERRUPTS);

	assert_int_equal(source, VIOMMU_ANY_SOURCE);
	e->first = first;
	e->last = last;
}

void trace_start(struct trace *t, struct guest *g)
{
	t->g = g;
	trace_clear(t);
	t->watch = NULL;
	t->listeners = 0;
	g->hook = hook;
	g->hook_opaque = t;
}

void trace_stop(struct trace *t)
{
	for (unsigned i = 0; i < t->listeners; i++)
		assert_int_equal(viommu_listener_free(t->listener[i]), VIOMMU_OK);
	t->listeners = 0;
	t->g->hook = NULL;
}

struct viommu_listener *trace_listener(struct trace *t, struct viommu_device *device)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .opaque = t,
						       .unmap = on_unmap,
						       .mode = on_mode,
						       .interrupts =
							       device ? NULL : on_interrupts };
	struct viommu_listener **at = &t->listener[t->listeners];

	assert_true(t->listeners < TRACE_LISTENERS);
	assert_int_equal(viommu_listener_new(t->g->iommu, device, &config, at), VIOMMU_OK);
	t->listeners++;
	return *at;
}

/* The guest's own logs start again too: they are short. */
void trace_clear(struct trace *t)
{
	t->events = 0;
	for (unsigned i = 0; i < TRACE_KINDS; i++)
		t->of_kind[i] = 0;
	for (unsigned i = 0; i < GUEST_EVENTS; i++)
		t->g->count[i] = 0;
}

unsigned trace_count(const struct trace *t, unsigned kind)
{
	return t->of_kind[kind];
}

const struct trace_event *trace_nth(const struct trace *t, unsigned kind, unsigned n)
{
	for (unsigned i = 0; i < t->events; i++) {
		if (t->event[i].kind == kind && n-- == 0)
			return &t->event[i];
	}
	return NULL;
}

static unsigned entry(const struct trace *t, unsigned kind, unsigned n)
{
	const struct trace_event *e = trace_nth(t, kind, n);

	assert_non_null(e);
	assert_true(e->nth < GUEST_LOG);
	return e->nth;
}

struct guest_msi trace_msi(const struct trace *t, unsigned n)
{
	return t->g->msi[entry(t, GUEST_ON_MSI, n)];
}

const struct viommu_device_invalidation *trace_invalidation(const struct trace *t, unsigned n)
{
	return &t->g->invalidation[entry(t, GUEST_ON_INVALIDATE, n)].what;
}

const struct viommu_page_response *trace_response(const struct trace *t, unsigned n)
{
	return &t->g->response[entry(t, GUEST_ON_RESPONSE, n)].what;
}
