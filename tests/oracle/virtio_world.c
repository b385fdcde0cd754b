/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_world.c - random configurations and requests: few ids and few addresses, so that they
 * collide; in random parts; sometimes with a bit wrong, or a byte too few.
 */
#include "virtio_world.h"

#include <string.h>

#include "check.h"
#include "trace.h"

struct virtio_totals virtio_total;

uint64_t world_random(struct virtio_world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}

unsigned world_pick(struct virtio_world *w, unsigned n)
{
	return (unsigned)(world_random(w) % n);
}

bool world_chance(struct virtio_world *w, unsigned one_in)
{
	return world_pick(w, one_in) == 0;
}

/* ---- worlds ---- */

static void choose_config(struct virtio_world *w, struct vo_config *c)
{
	static const uint64_t granules[] = { 0x1000, 0x1000, 1, 0x10000 };
	static const uint64_t features[] = { 0x77, 0x77, 0x57, 0x3f, 0x37 };
	static const uint64_t gpa_lasts[] = { 0xfffffffffffff, 0xfffff, UINT64_MAX, 0xffffffff };
	uint64_t granule = granules[world_pick(w, 4)];

	*c = (struct vo_config){ .granule = granule,
				 .input_last = UINT64_MAX,
				 .gpa_last = gpa_lasts[world_pick(w, 4)],
				 .domain_last = UINT32_MAX,
				 .domains = 2 + world_pick(w, 6),
				 .mappings = 4 + world_pick(w, 100),
				 .domain_mappings = 3 + world_pick(w, 60),
				 .offered = features[world_pick(w, 5)] };
	c->bypass = (c->offered & VIOMMU_VIRTIO_F_BYPASS_CONFIG) && world_chance(w, 2);
	if (world_chance(w, 3)) {
		c->input_first = 4 * granule;
		c->input_last = (UINT64_C(1) << 33) + 16 * granule - 1;
	}
	if (world_chance(w, 3)) {
		c->domain_first = 1;
		c->domain_last = 4;
	}
	if (c->domain_mappings > c->mappings)
		c->domain_mappings = c->mappings;
}

/* Up to three regions where mappings want to be, at any byte. */
static void choose_regions(struct virtio_world *w, struct vo_endpoint *e)
{
	struct viommu_virtio_region regions[VO_REGIONS];
	uint64_t at = w->base[world_pick(w, 4)];
	bool msi = false;

	e->regions = world_chance(w, 2) ? 0 : world_pick(w, 4);
	for (unsigned i = 0; i < e->regions; i++) {
		struct vo_region *r = &e->region[i];

		r->first = at + world_pick(w, 8) * w->o.config.granule +
			   (world_chance(w, 3) ? world_pick(w, 9) : 0);
		r->last = r->first + (world_chance(w, 3)
					      ? world_pick(w, 9)
					      : (1 + world_pick(w, 3)) * w->o.config.granule - 1);
		r->msi = !msi && world_chance(w, 2);
		if (r->last < r->first || r->first < at) { /* wrapped */
			e->regions = i;
			break;
		}
		msi = msi || r->msi;
		at = r->last + 1;
		regions[i] = (struct viommu_virtio_region){ r->first, r->last, r->msi, 0 };
	}
	vr_regions(w->r, e->id, regions, e->regions);
}

void world_accept(struct virtio_world *w)
{
	const uint64_t must = 0x17;

	w->o.accepted = w->o.config.offered & (must | world_random(w));
	row_equal(world_settle(w, viommu_virtio_set_features(w->r->g.iommu,
							     w->o.accepted | (world_random(w) & 7)
										     << 32)),
		  VIOMMU_OK);
}

/* ---- listeners, and what is under way ---- */

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	((struct virtio_world *)opaque)->told++;
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	((struct virtio_world *)opaque)->told++;
	return VIOMMU_OK;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	((struct virtio_world *)opaque)->told++;
}

static void listen_to_all(struct virtio_world *w)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .opaque = w,
						       .unmap = on_unmap,
						       .map = on_map,
						       .mode = on_mode };

	row_equal(viommu_listener_new(w->r->g.iommu, NULL, &config, &w->listener), VIOMMU_OK);
	w->told = 0;
}

int world_settle(struct virtio_world *w, int result)
{
	if (w->steps)
		row_equal(w->told <= w->steps + 4, true);
	/* what is held back by the section stays so */
	for (unsigned i = 0; w->steps && result == VIOMMU_PENDING && i < 300; i++) {
		w->told = 0;
		result = viommu_run(w->r->g.iommu);
		row_equal(w->told <= w->steps + 4, true);
	}
	w->told = 0;
	return result;
}

void world_close(struct virtio_world *w)
{
	row_equal(viommu_listener_free(w->listener), VIOMMU_OK);
	w->listener = NULL;
	vr_close(w->r);
}

void world_open(struct virtio_world *w, uint64_t seed)
{
	struct viommu_virtio_config config = { .probe_size = 128 };
	struct viommu_limits limits = {
		.size = sizeof(limits), .tlb_entries = 320, .contexts = 64, .domains = 64
	};
	struct vo_config c;

	memset(w, 0, sizeof(*w));
	w->random = seed | 1;
	for (unsigned i = 0; i < 4; i++)
		world_random(w);
	choose_config(w, &c);
	config.features = c.offered;
	config.page_size_mask = -c.granule;
	config.input_first = c.input_first;
	config.input_last = c.input_last;
	config.gpa_last = c.gpa_last;
	config.domain_first = c.domain_first;
	config.domain_last = c.domain_last;
	config.domains = c.domains;
	config.mappings = c.mappings;
	config.domain_mappings = c.domain_mappings;
	config.bypass = c.bypass;
	limits.steps = world_chance(w, 2) ? 1 + world_pick(w, 20) : 0;
	config.limits = &limits;
	w->r = vr_open(&config);
	w->steps = limits.steps;
	if (world_chance(w, 2))
		listen_to_all(w);
	vo_init(&w->o, &c);
	w->base[0] = c.input_first;
	w->base[1] = (UINT64_C(1) << 32) - 4 * c.granule;
	w->base[2] = c.input_last - 16 * c.granule + 1;
	w->base[3] = c.input_first + 20 * c.granule;
	w->o.endpoints = VR_ENDPOINTS;
	for (unsigned i = 0; i < VR_ENDPOINTS; i++) {
		w->o.endpoint[i].id = i + 1;
		choose_regions(w, &w->o.endpoint[i]);
	}
	w->told = 0;
	if (world_chance(w, 2))
		world_accept(w);
}

/* ---- requests ---- */

uint64_t world_address(struct virtio_world *w)
{
	static const uint64_t edges[] = { 0, UINT64_MAX, 0xfff, 0x1000, UINT64_C(1) << 52 };
	uint64_t at = w->base[world_pick(w, 4)] + world_pick(w, 17) * w->o.config.granule;

	if (world_chance(w, 60))
		return edges[world_pick(w, 5)];
	return world_chance(w, 60) ? world_random(w) : at;
}

static uint64_t some_last(struct virtio_world *w, uint64_t first)
{
	uint64_t last =
		first + (1 + world_pick(w, world_chance(w, 3) ? 9 : 3)) * w->o.config.granule - 1;

	if (world_chance(w, 40))
		return last + world_pick(w, 3) - 1;
	return world_chance(w, 60) ? world_address(w) : last;
}

const struct vo_mapping *world_mapping(struct virtio_world *w)
{
	unsigned start = world_pick(w, VO_MAPPINGS);

	for (unsigned i = 0; i < VO_MAPPINGS; i++) {
		const struct vo_mapping *m = &w->o.mapping[(start + i) % VO_MAPPINGS];

		if (m->used)
			return m;
	}
	return NULL;
}

/* One that exists, mostly. */
static uint32_t some_domain(struct virtio_world *w)
{
	static const uint32_t odd[] = { 0, 0x10001, 0x80000002, UINT32_MAX };
	unsigned start = world_pick(w, VO_DOMAINS);

	for (unsigned i = 0; i < VO_DOMAINS && !world_chance(w, 400); i++) {
		const struct vo_domain *d = &w->o.domain[(start + i) % VO_DOMAINS];

		if (d->used)
			return d->id;
	}
	return world_chance(w, 12) ? odd[world_pick(w, 4)] : 1 + world_pick(w, 4);
}

static uint32_t some_endpoint(struct virtio_world *w)
{
	static const uint32_t odd[] = { 0, 5, 0x10001, 0x80000002 };

	return world_chance(w, 30) ? odd[world_pick(w, 4)] : 1 + world_pick(w, VR_ENDPOINTS);
}

static uint64_t some_target(struct virtio_world *w, uint64_t first, uint64_t last)
{
	uint64_t granule = w->o.config.granule;

	if (world_chance(w, 12)) /* close to the end */
		return w->o.config.gpa_last - (last - first) + (world_pick(w, 3) - 1) * granule;
	if (world_chance(w, 60))
		return world_random(w);
	if (world_chance(w, 3)) /* continues what may be beside it */
		return first & 0xfffff & -granule;
	return world_pick(w, 12) * granule;
}

/* Of the sizes of large pages, with targets that are aligned so, or less. */
static struct vr_message large_map(struct virtio_world *w)
{
	const uint64_t size = UINT64_C(1) << (world_chance(w, 2) ? 21 : 30);
	uint64_t first = (UINT64_C(1) << 30) * (1 + world_pick(w, 5)) +
			 (UINT64_C(1) << 21) * world_pick(w, 3);
	uint64_t phys = (UINT64_C(1) << 30) * world_pick(w, 3) +
			(world_chance(w, 3) ? w->o.config.granule * world_pick(w, 600) : 0);

	if (world_chance(w, 3))
		first += w->o.config.granule * world_pick(w, 600);
	return vr_make_map(some_domain(w), first, first + size * (1 + world_pick(w, 2)) - 1, phys,
			   VR_RW);
}

static struct vr_message some_map(struct virtio_world *w)
{
	uint64_t first = world_address(w);
	uint64_t last = some_last(w, first);
	uint32_t flags = (world_chance(w, 3) ? world_pick(w, 4) : VR_RW) |
			 (world_chance(w, 8) ? VR_MMIO : 0);

	if (world_chance(w, 50))
		flags |= 1U << world_pick(w, 32);
	return vr_make_map(some_domain(w), first, last, some_target(w, first, last), flags);
}

static struct vr_message some_unmap(struct virtio_world *w)
{
	const struct vo_mapping *m = world_mapping(w);
	uint64_t first = world_address(w);

	if (world_chance(w, 200))
		return vr_make_unmap(some_domain(w), 0, UINT64_MAX);
	if (m && world_chance(w, 4))
		return vr_make_unmap(m->domain, m->first, m->last);
	return vr_make_unmap(some_domain(w), first, some_last(w, first));
}

static struct vr_message some_attach(struct virtio_world *w)
{
	uint32_t domain = world_chance(w, 2) ? some_domain(w) : 1 + world_pick(w, 4);
	uint32_t flags = world_chance(w, 8) ? VR_BYPASS : 0;

	if (world_chance(w, 30))
		flags |= 1U << world_pick(w, 32);
	return vr_make_attach(domain, some_endpoint(w), flags);
}

static struct vr_message some_request(struct virtio_world *w)
{
	unsigned dice = world_pick(w, 100);
	struct vr_message m = dice < 3	  ? large_map(w)
			      : dice < 60 ? some_map(w)
			      : dice < 82 ? some_unmap(w)
			      : dice < 92 ? some_attach(w)
			      : dice < 97 ? vr_make_detach(some_domain(w), some_endpoint(w))
					  : vr_make_probe(some_endpoint(w));

	if (world_chance(w, 80))
		m.bytes[world_pick(w, m.count)] ^= (uint8_t)(1U << world_pick(w, 8));
	if (world_chance(w, 100))
		m.count = world_pick(w, m.count + 8);
	return m;
}

/* ---- sending, in random parts ---- */

static unsigned cut(struct virtio_world *w, uint8_t *bytes, uint32_t count,
		    struct viommu_part *parts)
{
	unsigned n = 0;

	while (count) {
		uint32_t take = n < 6 && world_chance(w, 3) ? world_pick(w, count + 1) : count;

		parts[n++] = (struct viommu_part){ bytes, take };
		bytes += take;
		count -= take;
	}
	return n;
}

static unsigned answer_of(struct virtio_world *w, const uint8_t *buffer, uint32_t room,
			  uint32_t used)
{
	for (uint32_t i = used; i < room; i++)
		row_equal(buffer[i], VR_UNTOUCHED);
	if (!used)
		return VO_NOTHING;
	row_equal(used >= VR_TAIL && used <= room, true);
	row_equal(buffer[used - 3] | buffer[used - 2] | buffer[used - 1], 0);
	if (buffer[used - 4] == VO_OK)
		row_equal(used, room);
	row_equal(buffer[used - 4] <= VO_NOMEM, true);
	return buffer[used - 4];
}

static void print_request(const struct vr_message *m, unsigned answer, unsigned permitted)
{
	print_error("answer %u, not in the set %#x, to a request of %u bytes:", answer, permitted,
		    m->count);
	for (uint32_t i = 0; i < m->count; i++)
		print_error(" %02x", m->bytes[i]);
	print_error("\n");
}

void world_request(struct virtio_world *w)
{
	struct vr_message m = some_request(w);
	unsigned permitted, answer;
	struct viommu_part in[8], out[8];
	uint32_t room = m.bytes[0] == VR_PROBE ? 128 + VR_TAIL : VR_TAIL;
	uint8_t buffer[128 + VR_TAIL];
	uint32_t used = 0xdead;
	int result;
	unsigned in_count = cut(w, m.bytes, m.count, in);
	unsigned out_count = cut(w, buffer, room, out);

	permitted = vo_judge(&w->o, m.bytes, m.count);
	memset(buffer, VR_UNTOUCHED, sizeof(buffer));
	result = viommu_virtio_request(w->r->g.iommu, in, in_count, out, out_count, 0, &used);
	w->pending += result == VIOMMU_PENDING;
	result = world_settle(w, result);
	row_equal(result == VIOMMU_OK || (result == VIOMMU_PENDING && w->open), true);
	answer = answer_of(w, buffer, room, used);
	if (!(permitted >> answer & 1))
		print_request(&m, answer, permitted);
	assert_true(permitted >> answer & 1);
	vo_apply(&w->o, m.bytes, m.count, answer);
	virtio_total.requests++;
	virtio_total.answers[answer]++;
}
