/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_oracle.c - what a virtio-iommu answers (virtio 1.3, 5.13.6), slowly. */
#include "virtio_oracle.h"

#include <string.h>

#define SET(answer) (1U << VO_##answer)

/* 5.13.3 */
#define F_MMIO		(UINT64_C(1) << 5)
#define F_BYPASS_CONFIG (UINT64_C(1) << 6)
#define F_MAP_UNMAP	(UINT64_C(1) << 2)
#define F_PROBE		(UINT64_C(1) << 4)

enum { ATTACH = 1, DETACH, MAP, UNMAP, PROBE };

/* A request's fields. */
struct fields {
	unsigned type;
	uint32_t domain, endpoint, flags;
	uint64_t first, last, phys;
	bool head_reserved, reserved; /* not 0 */
};

/* ---- small things ---- */

static uint64_t take(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

static bool any(const uint8_t *from, unsigned bytes)
{
	return take(from, bytes) != 0;
}

static uint64_t size_of(unsigned type)
{
	static const uint8_t sizes[] = { 0, 20, 20, 36, 28, 72 };

	return type < sizeof(sizes) ? sizes[type] : 0;
}

static struct fields parse(const uint8_t *b)
{
	struct fields f = { .type = b[0], .head_reserved = any(b + 1, 3) };

	f.domain = (uint32_t)take(b + 4, 4);
	f.endpoint = (uint32_t)take(b + (f.type == PROBE ? 4 : 8), 4);
	switch (f.type) {
	case ATTACH:
		f.flags = (uint32_t)take(b + 12, 4);
		f.reserved = any(b + 16, 4);
		break;
	case MAP:
		f.phys = take(b + 24, 8);
		f.flags = (uint32_t)take(b + 32, 4);
		f.first = take(b + 8, 8);
		f.last = take(b + 16, 8);
		break;
	case UNMAP:
		f.first = take(b + 8, 8);
		f.last = take(b + 16, 8);
		f.reserved = any(b + 24, 4);
		break;
	default:
		break;
	}
	return f;
}

int vo_find_endpoint(const struct virtio_oracle *o, uint32_t id)
{
	for (unsigned i = 0; i < o->endpoints; i++) {
		if (o->endpoint[i].id == id)
			return (int)i;
	}
	return -1;
}

int vo_find_domain(const struct virtio_oracle *o, uint32_t id)
{
	for (unsigned i = 0; i < VO_DOMAINS; i++) {
		if (o->domain[i].used && o->domain[i].id == id)
			return (int)i;
	}
	return -1;
}

static unsigned count_domains(const struct virtio_oracle *o)
{
	unsigned count = 0;

	for (unsigned i = 0; i < VO_DOMAINS; i++)
		count += o->domain[i].used;
	return count;
}

static unsigned count_attached(const struct virtio_oracle *o, uint32_t domain)
{
	unsigned count = 0;

	for (unsigned i = 0; i < o->endpoints; i++)
		count += o->endpoint[i].attached && o->endpoint[i].domain == domain;
	return count;
}

static bool overlap(uint64_t a_first, uint64_t a_last, uint64_t b_first, uint64_t b_last)
{
	return a_first <= b_last && b_first <= a_last;
}

static bool domain_in_range(const struct virtio_oracle *o, uint32_t id)
{
	return id >= o->config.domain_first && id <= o->config.domain_last;
}

/* ---- resets ---- */

void vo_init(struct virtio_oracle *o, const struct vo_config *config)
{
	memset(o, 0, sizeof(*o));
	o->config = *config;
	o->accepted = config->offered;
	o->bypass = config->bypass;
}

void vo_reset(struct virtio_oracle *o)
{
	memset(o->domain, 0, sizeof(o->domain));
	memset(o->mapping, 0, sizeof(o->mapping));
	for (unsigned i = 0; i < o->endpoints; i++)
		o->endpoint[i].attached = false;
	o->accepted = o->config.offered;
}

void vo_machine_reset(struct virtio_oracle *o)
{
	vo_reset(o);
	o->bypass = o->config.bypass;
}

/* ---- 5.13.6.3, 5.13.6.4 ---- */

/* Does something of the endpoint's regions lie in a mapping of the domain? */
static bool regions_mapped(const struct virtio_oracle *o, const struct vo_endpoint *e,
			   uint32_t domain)
{
	for (unsigned i = 0; i < VO_MAPPINGS; i++) {
		const struct vo_mapping *m = &o->mapping[i];

		for (unsigned k = 0; k < e->regions && m->used && m->domain == domain; k++) {
			if (overlap(m->first, m->last, e->region[k].first, e->region[k].last))
				return true;
		}
	}
	return false;
}

static unsigned judge_attach(const struct virtio_oracle *o, const struct fields *f)
{
	const uint32_t known = o->accepted & F_BYPASS_CONFIG ? 1 : 0;
	int e = vo_find_endpoint(o, f->endpoint);
	int d = vo_find_domain(o, f->domain);
	unsigned no = 0;
	unsigned maybe = 0;

	if (f->reserved || (f->flags & ~known))
		no |= SET(INVAL);
	if (f->head_reserved)
		maybe |= SET(INVAL);
	if (e < 0)
		no |= SET(NOENT);
	if (!domain_in_range(o, f->domain))
		no |= SET(RANGE);
	if (d >= 0 && o->domain[d].bypass != (f->flags & 1))
		no |= SET(INVAL);
	if (d < 0 && count_domains(o) >= o->config.domains) {
		/* the domain that it leaves may make room */
		if (e >= 0 && o->endpoint[e].attached &&
		    count_attached(o, o->endpoint[e].domain) == 1)
			maybe |= SET(NOMEM);
		else
			no |= SET(NOMEM);
	}
	if (d >= 0 && e >= 0 && regions_mapped(o, &o->endpoint[e], f->domain))
		maybe |= SET(UNSUPP);
	return no ? no | maybe : maybe | SET(OK);
}

static void detach(struct virtio_oracle *o, struct vo_endpoint *e)
{
	int d = vo_find_domain(o, e->domain);

	e->attached = false;
	if (count_attached(o, e->domain))
		return;
	o->domain[d].used = false;
	for (unsigned i = 0; i < VO_MAPPINGS; i++) {
		if (o->mapping[i].domain == e->domain)
			o->mapping[i].used = false;
	}
}

static void apply_attach(struct virtio_oracle *o, const struct fields *f)
{
	struct vo_endpoint *e = &o->endpoint[vo_find_endpoint(o, f->endpoint)];
	unsigned i = 0;

	if (e->attached && e->domain == f->domain)
		return;
	if (e->attached)
		detach(o, e);
	if (vo_find_domain(o, f->domain) < 0) {
		while (o->domain[i].used)
			i++;
		o->domain[i] = (struct vo_domain){ true, f->flags & 1, f->domain };
	}
	e->attached = true;
	e->domain = f->domain;
}

static unsigned judge_detach(const struct virtio_oracle *o, const struct fields *f)
{
	int e = vo_find_endpoint(o, f->endpoint);
	unsigned answer = SET(OK);

	if (e < 0)
		return SET(NOENT);
	if (vo_find_domain(o, f->domain) < 0)
		answer |= SET(INVAL) | SET(NOENT);
	else if (!o->endpoint[e].attached || o->endpoint[e].domain != f->domain)
		answer |= SET(INVAL);
	return answer;
}

static void apply_detach(struct virtio_oracle *o, const struct fields *f)
{
	struct vo_endpoint *e = &o->endpoint[vo_find_endpoint(o, f->endpoint)];

	if (e->attached && e->domain == f->domain)
		detach(o, e);
}

/* ---- 5.13.6.5, 5.13.6.6 ---- */

static unsigned judge_domain(const struct virtio_oracle *o, uint32_t id)
{
	int d = vo_find_domain(o, id);

	if (d < 0)
		return SET(NOENT) | (domain_in_range(o, id) ? 0 : SET(RANGE));
	return o->domain[d].bypass ? SET(INVAL) : 0;
}

/* What the numbers of a MAP request say without looking at what there is. */
static unsigned judge_numbers(const struct virtio_oracle *o, const struct fields *f)
{
	const uint64_t mask = o->config.granule - 1;
	unsigned no = 0;

	if ((f->first & mask) || (f->phys & mask) || ((f->last + 1) & mask))
		no |= SET(RANGE);
	if (f->first > f->last)
		no |= SET(RANGE) | SET(INVAL);
	if (f->first < o->config.input_first || f->last > o->config.input_last)
		no |= SET(RANGE);
	if (f->phys > o->config.gpa_last || f->last - f->first > o->config.gpa_last - f->phys)
		no |= SET(RANGE) | SET(INVAL);
	if (f->flags & ~(o->accepted & F_MMIO ? 7U : 3U))
		no |= SET(INVAL);
	return no;
}

static bool reserved_for_one(const struct virtio_oracle *o, const struct fields *f)
{
	for (unsigned i = 0; i < o->endpoints; i++) {
		const struct vo_endpoint *e = &o->endpoint[i];

		for (unsigned k = 0; k < e->regions; k++) {
			if (e->attached && e->domain == f->domain &&
			    overlap(f->first, f->last, e->region[k].first, e->region[k].last))
				return true;
		}
	}
	return false;
}

static unsigned judge_map(const struct virtio_oracle *o, const struct fields *f)
{
	unsigned no = judge_domain(o, f->domain) | judge_numbers(o, f);
	unsigned all = 0, own = 0;

	for (unsigned i = 0; i < VO_MAPPINGS; i++) {
		const struct vo_mapping *m = &o->mapping[i];

		all += m->used;
		own += m->used && m->domain == f->domain;
		if (m->used && m->domain == f->domain &&
		    overlap(f->first, f->last, m->first, m->last))
			no |= SET(INVAL);
	}
	if (all >= o->config.mappings || own >= o->config.domain_mappings)
		no |= SET(NOMEM);
	if (reserved_for_one(o, f))
		no |= SET(INVAL);
	return no ? no : SET(OK) | (f->head_reserved ? SET(INVAL) : 0);
}

static void apply_map(struct virtio_oracle *o, const struct fields *f)
{
	unsigned i = 0;

	while (o->mapping[i].used)
		i++;
	o->mapping[i] =
		(struct vo_mapping){ true, f->domain, f->first, f->last, f->phys, f->flags };
}

static unsigned judge_unmap(const struct virtio_oracle *o, const struct fields *f)
{
	unsigned no = judge_domain(o, f->domain);
	unsigned maybe = f->reserved || f->head_reserved ? SET(INVAL) : 0;

	if (f->first < o->config.input_first || f->last > o->config.input_last)
		maybe |= SET(RANGE);
	if (f->first > f->last)
		maybe |= SET(RANGE) | SET(INVAL);
	for (unsigned i = 0; i < VO_MAPPINGS && f->first <= f->last; i++) {
		const struct vo_mapping *m = &o->mapping[i];

		if (m->used && m->domain == f->domain &&
		    overlap(f->first, f->last, m->first, m->last) &&
		    (m->first < f->first || m->last > f->last))
			no |= SET(RANGE);
	}
	return no ? no | maybe : maybe | SET(OK);
}

static void apply_unmap(struct virtio_oracle *o, const struct fields *f)
{
	for (unsigned i = 0; i < VO_MAPPINGS && f->first <= f->last; i++) {
		struct vo_mapping *m = &o->mapping[i];

		if (m->used && m->domain == f->domain && m->first >= f->first && m->last <= f->last)
			m->used = false;
	}
}

/* ---- requests ---- */

static unsigned judge_whole(const struct virtio_oracle *o, const struct fields *f)
{
	switch (f->type) {
	case ATTACH:
		return judge_attach(o, f);
	case DETACH:
		return judge_detach(o, f) | (f->head_reserved ? SET(INVAL) : 0);
	case MAP:
		return judge_map(o, f);
	case UNMAP:
		return judge_unmap(o, f);
	default:
		return (vo_find_endpoint(o, f->endpoint) < 0 ? SET(NOENT) : SET(OK)) |
		       (f->head_reserved ? SET(INVAL) : 0);
	}
}

unsigned vo_judge(const struct virtio_oracle *o, const uint8_t *bytes, uint64_t count)
{
	const uint64_t feature = !count					? 0
				 : bytes[0] == PROBE			? F_PROBE
				 : bytes[0] == MAP || bytes[0] == UNMAP ? F_MAP_UNMAP
									: 0;
	struct fields f;

	if (!count || !size_of(bytes[0]))
		return SET(NOTHING) | (count < 4 ? VO_ANY & ~SET(OK) : 0);
	if ((feature & o->accepted) != feature)
		return SET(NOTHING) | (feature & o->config.offered ? SET(UNSUPP) : 0);
	if (count < size_of(bytes[0]))
		return VO_ANY & ~SET(OK);
	f = parse(bytes);
	/* what is behind the structure may be ignored or refused */
	return judge_whole(o, &f) | (count > size_of(bytes[0]) ? SET(NOTHING) | SET(INVAL) : 0);
}

void vo_apply(struct virtio_oracle *o, const uint8_t *bytes, uint64_t count, unsigned answer)
{
	struct fields f;

	if (answer != VO_OK)
		return;
	f = parse(bytes);
	switch (f.type) {
	case ATTACH:
		apply_attach(o, &f);
		break;
	case DETACH:
		apply_detach(o, &f);
		break;
	case MAP:
		apply_map(o, &f);
		break;
	case UNMAP:
		apply_unmap(o, &f);
		break;
	default:
		break;
	}
}
