/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_driver.c - requests, translations and events of virtio_rig.h. */
#include <stdlib.h>
#include <string.h>

#include "guest_internal.h"
#include "trace.h"
#include "virtio_rig.h"

/* ---- messages (5.13.6) ---- */

void vr_put(struct vr_message *m, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		m->bytes[m->count++] = (uint8_t)(value >> 8 * i);
}

struct vr_message vr_make_head(unsigned type)
{
	struct vr_message m = { .count = 0 };

	vr_put(&m, type, 4);
	return m;
}

struct vr_message vr_make_attach(uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	struct vr_message m = vr_make_head(VR_ATTACH);

	vr_put(&m, domain, 4);
	vr_put(&m, endpoint, 4);
	vr_put(&m, flags, 4);
	vr_put(&m, 0, 4);
	return m;
}

struct vr_message vr_make_detach(uint32_t domain, uint32_t endpoint)
{
	struct vr_message m = vr_make_head(VR_DETACH);

	vr_put(&m, domain, 4);
	vr_put(&m, endpoint, 4);
	vr_put(&m, 0, 8);
	return m;
}

struct vr_message vr_make_map(uint32_t domain, uint64_t first, uint64_t last, uint64_t phys,
			      uint32_t flags)
{
	struct vr_message m = vr_make_head(VR_MAP);

	vr_put(&m, domain, 4);
	vr_put(&m, first, 8);
	vr_put(&m, last, 8);
	vr_put(&m, phys, 8);
	vr_put(&m, flags, 4);
	return m;
}

struct vr_message vr_make_unmap(uint32_t domain, uint64_t first, uint64_t last)
{
	struct vr_message m = vr_make_head(VR_UNMAP);

	vr_put(&m, domain, 4);
	vr_put(&m, first, 8);
	vr_put(&m, last, 8);
	vr_put(&m, 0, 4);
	return m;
}

struct vr_message vr_make_probe(uint32_t endpoint)
{
	struct vr_message m = vr_make_head(VR_PROBE);

	vr_put(&m, endpoint, 4);
	memset(m.bytes + m.count, 0, 64);
	m.count += 64;
	return m;
}

/* ---- sending ---- */

static unsigned status_of(struct virtio_rig *r, const uint8_t *buffer, uint32_t bytes)
{
	if (!r->used) {
		for (uint32_t i = 0; i < bytes; i++)
			row_equal(buffer[i], VR_UNTOUCHED);
		return ST_NOTHING;
	}
	row_equal(r->used, bytes);
	for (uint32_t i = bytes - 3; i < bytes; i++)
		row_equal(buffer[i], 0);
	row_equal(buffer[bytes - 4] <= ST_NOMEM, true);
	return buffer[bytes - 4];
}

static unsigned send_for(struct virtio_rig *r, const struct vr_message *m, uint8_t *buffer,
			 uint32_t bytes)
{
	uint8_t copy[sizeof(m->bytes)];
	struct viommu_part readable = { copy, m->count };
	struct viommu_part writable = { buffer, bytes };

	memcpy(copy, m->bytes, m->count);
	memset(buffer, VR_UNTOUCHED, bytes);
	r->used = 0xdead;
	r->result =
		viommu_virtio_request(r->g.iommu, &readable, 1, &writable, 1, ++r->token, &r->used);
	row_equal(r->result == VIOMMU_OK || r->result == VIOMMU_PENDING, true);
	row_equal(memcmp(copy, m->bytes, m->count), 0);
	return status_of(r, buffer, bytes);
}

unsigned vr_send(struct virtio_rig *r, const struct vr_message *m)
{
	uint8_t buffer[4096];

	if (m->bytes[0] != VR_PROBE)
		return send_for(r, m, buffer, VR_TAIL);
	row_equal(r->config.probe_size + VR_TAIL <= sizeof(buffer), true);
	return send_for(r, m, buffer, r->config.probe_size + VR_TAIL);
}

unsigned vr_attach(struct virtio_rig *r, uint32_t domain, uint32_t endpoint, uint32_t flags)
{
	struct vr_message m = vr_make_attach(domain, endpoint, flags);

	return vr_send(r, &m);
}

unsigned vr_detach(struct virtio_rig *r, uint32_t domain, uint32_t endpoint)
{
	struct vr_message m = vr_make_detach(domain, endpoint);

	return vr_send(r, &m);
}

unsigned vr_map(struct virtio_rig *r, uint32_t domain, uint64_t first, uint64_t last, uint64_t phys,
		uint32_t flags)
{
	struct vr_message m = vr_make_map(domain, first, last, phys, flags);

	return vr_send(r, &m);
}

unsigned vr_unmap(struct virtio_rig *r, uint32_t domain, uint64_t first, uint64_t last)
{
	struct vr_message m = vr_make_unmap(domain, first, last);

	return vr_send(r, &m);
}

unsigned vr_probe(struct virtio_rig *r, uint32_t endpoint, uint8_t *properties)
{
	struct vr_message m = vr_make_probe(endpoint);
	uint8_t buffer[4096];
	unsigned status;

	row_equal(r->config.probe_size + VR_TAIL <= sizeof(buffer), true);
	status = send_for(r, &m, buffer, r->config.probe_size + VR_TAIL);
	memcpy(properties, buffer, r->config.probe_size);
	return status;
}

/* ---- events (5.13.6.12) ---- */

static uint64_t load(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

bool vr_event(struct virtio_rig *r, struct vr_event *event)
{
	uint8_t buffer[VIOMMU_VIRTIO_EVENT_BYTES + 8];
	int result;

	memset(buffer, VR_UNTOUCHED, sizeof(buffer));
	result = viommu_virtio_event(r->g.iommu, buffer, VIOMMU_VIRTIO_EVENT_BYTES);
	if (result == VIOMMU_ENOENT)
		return false;
	row_equal(result, VIOMMU_OK);
	*event = (struct vr_event){ .reason = buffer[0],
				    .flags = (uint32_t)load(buffer + 4, 4),
				    .endpoint = (uint32_t)load(buffer + 8, 4),
				    .address = load(buffer + 16, 8) };
	row_equal(load(buffer + 1, 3), 0);
	row_equal(load(buffer + 12, 4), 0);
	row_equal(buffer[VIOMMU_VIRTIO_EVENT_BYTES], VR_UNTOUCHED);
	return true;
}

unsigned vr_drain(struct virtio_rig *r)
{
	struct vr_event event;
	unsigned count = 0;

	while (vr_event(r, &event))
		count++;
	return count;
}

/* ---- translations ---- */

static struct viommu_request one_byte(uint64_t iova, unsigned access)
{
	return (struct viommu_request){
		.first = iova, .last = iova, .pasid = VIOMMU_NO_PASID, .access = (uint16_t)access
	};
}

static uint64_t meaning(int result, const struct viommu_fragment *f, const struct viommu_answer *a,
			uint64_t iova)
{
	if (result == VIOMMU_OK) {
		row_equal(a->count, 1);
		row_equal(a->next, iova + 1);
		row_equal(f->length, 1);
		return f->gpa;
	}
	row_equal(a->count, 0);
	row_equal(a->next, iova);
	if (result == VIOMMU_INTERRUPT)
		return VR_INTERRUPT;
	row_equal(result, VIOMMU_FAULT);
	return VR_FAULT(a->reason);
}

/* device, or channel if that is not NULL */
static uint64_t ask(struct viommu_device *device, struct viommu_channel *channel, uint64_t iova,
		    unsigned access)
{
	const struct viommu_request request = one_byte(iova, access);
	struct viommu_fragment f;
	struct viommu_answer answer;
	int result = channel ? viommu_translate(channel, &request, &f, 1, &answer)
			     : viommu_device_translate(device, &request, &f, 1, &answer);

	return meaning(result, &f, &answer, iova);
}

uint64_t vr_peek(struct virtio_rig *r, unsigned id, uint64_t iova, unsigned access)
{
	return ask(r->device[id], NULL, iova, access);
}

/* READ and WRITE name what was asked, ADDRESS says that there is one. Of a request for both, what
 * is denied must be named, and what is not may be. */
static void check_event(const struct vr_event *e, unsigned id, uint64_t iova, unsigned access,
			uint64_t answer)
{
	uint32_t asked =
		(access & VIOMMU_READ ? VR_READ : 0) | (access & VIOMMU_WRITE ? VR_WRITE : 0);

	row_equal(VR_FAULT(e->reason), answer);
	row_equal(e->endpoint, id);
	row_equal(e->address, iova);
	row_equal(e->flags & ~(VR_READ | VR_WRITE), VR_ADDRESS);
	row_equal((e->flags & VR_RW) != 0, true);
	row_equal(e->flags & VR_RW & ~asked, 0);
}

uint64_t vr_where(struct virtio_rig *r, unsigned id, uint64_t iova, unsigned access)
{
	struct viommu_channel *fresh;
	uint64_t answer[5];
	struct vr_event event;
	uint32_t flags = 0;

	row_equal(vr_drain(r), 0);
	row_equal(viommu_channel_new(r->device[id], VIOMMU_NO_PASID, &fresh), VIOMMU_OK);
	answer[0] = ask(NULL, r->channel[id], iova, access);
	answer[1] = ask(r->device[id], NULL, iova, access);
	answer[2] = ask(r->device[id], NULL, iova, access);
	answer[3] = ask(NULL, r->channel[id], iova, access);
	answer[4] = ask(NULL, fresh, iova, access);
	row_equal(viommu_channel_free(fresh), VIOMMU_OK);
	for (unsigned i = 0; i < 5; i++) {
		row_equal(answer[i], answer[0]);
		if (answer[0] >> 32 != VR_FAULT(0) >> 32)
			continue;
		row_equal(vr_event(r, &event), true);
		check_event(&event, id, iova, access, answer[0]);
		row_equal(event.flags, i ? flags : event.flags);
		flags = event.flags;
	}
	row_equal(vr_event(r, &event), false);
	return answer[0];
}

unsigned vr_perm(struct virtio_rig *r, unsigned id, uint64_t iova)
{
	static const unsigned accesses[] = { VIOMMU_READ, VIOMMU_WRITE };
	unsigned perm = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct viommu_request request = one_byte(iova, accesses[i]);
		struct viommu_fragment f = { .perm = 0 };
		struct viommu_answer answer;

		if (viommu_device_translate(r->device[id], &request, &f, 1, &answer))
			continue;
		perm |= accesses[i];
		row_equal(f.perm & accesses[i], accesses[i]);
	}
	vr_drain(r);
	return perm;
}

/* ---- replays ---- */

struct collecting {
	struct vr_range *ranges;
	unsigned count, max;
};

static int collect(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct collecting *c = opaque;
	struct vr_range *before = c->count ? &c->ranges[c->count - 1] : NULL;
	const unsigned perm = f->perm & VR_RW;
	const uint64_t last = iova + (f->length - 1);

	row_equal(last >= iova, true);
	if (!perm)
		return 0;
	row_equal(!before || iova > before->last, true);
	if (before && before->last + 1 == iova && before->perm == perm &&
	    before->gpa + (before->last - before->iova) + 1 == f->gpa) {
		before->last = last;
		return 0;
	}
	assert_true(c->count < c->max);
	c->ranges[c->count++] = (struct vr_range){ iova, f->gpa, last, perm };
	return 0;
}

unsigned vr_ranges(struct virtio_rig *r, unsigned id, uint64_t first, uint64_t last,
		   struct vr_range *ranges, unsigned max, int *result)
{
	struct collecting c = { .ranges = ranges, .max = max };

	for (unsigned calls = 0;; calls++) {
		const uint64_t before = first;

		*result =
			viommu_replay(r->device[id], VIOMMU_NO_PASID, &first, last, 0, collect, &c);
		if (*result != VIOMMU_MORE)
			return c.count;
		row_equal(first >= before, true);
		assert_true(calls < 10000);
	}
}
