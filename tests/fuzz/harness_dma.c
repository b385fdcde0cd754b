/* SPDX-License-Identifier: BSD-3-Clause */
/* harness_dma.c - DMA through the library: it reaches the bytes that translations name, and no others. */
#include <string.h>

#include "harness.h"

/* What a DMA is about: words and short buffers, as one device. */
struct dma {
	struct viommu_device *device;
	struct viommu_channel *channel; /* NULL: through the device */
	uint64_t iova;
	uint32_t pasid;
	uint32_t bytes;
	uint32_t access; /* VIOMMU_PRIV, VIOMMU_EXEC */
};

/* What translations said: the bytes' places in memory, or why there are none. */
struct expected {
	bool known;
	int result;
	uint32_t pieces;
	uint8_t *at[2];
	uint32_t bytes[2];
};

enum verb { READ, WRITE, LOAD, STORE, SWAP, MAP, ENTER, LEAVE, VERBS };

/* ---- what must come of it ---- */

static uint16_t access_of(const struct dma *d, enum verb verb)
{
	uint16_t needs[VERBS] = { [READ] = VIOMMU_READ,
				  [WRITE] = VIOMMU_WRITE,
				  [LOAD] = VIOMMU_READ,
				  [STORE] = VIOMMU_WRITE,
				  [SWAP] = VIOMMU_READ | VIOMMU_WRITE };

	return (uint16_t)(needs[verb] | d->access);
}

/* Without regions there is none: the callbacks take all that there is. */
static bool is_rom(const struct machine *m, uint64_t gpa)
{
	return m->region && gpa >= ROM_BASE && gpa < ROM_BASE + ROM_PAGES * 4096;
}

/* Asks, until asking leaves no trace in memory. */
static void expect(struct machine *m, const struct dma *d, enum verb verb, struct expected *e)
{
	struct viommu_request r = { .first = d->iova,
				    .last = d->iova + d->bytes - 1,
				    .pasid = d->pasid,
				    .access = access_of(d, verb) };
	struct viommu_fragment f[2];
	struct viommu_answer answer;

	*e = (struct expected){ .known = false };
	if (r.last < r.first)
		return;
	for (unsigned i = 0; i < 4; i++) {
		e->result = viommu_device_translate(d->device, &r, f, 2, &answer);
		if (machine_stable(m) || !m->clean)
			break;
		machine_flush(m);
	}
	e->known = machine_stable(m) && e->result != VIOMMU_MORE && e->result >= VIOMMU_OK;
	for (uint32_t i = 0; e->known && i < answer.count; i++) {
		e->at[i] = machine_at(m, f[i].gpa, f[i].length);
		e->bytes[i] = (uint32_t)f[i].length;
		if (!e->at[i] || ((r.access & VIOMMU_WRITE) && is_rom(m, f[i].gpa))) {
			e->result = VIOMMU_UNREACHABLE;
			return;
		}
		e->pieces++;
	}
}

static uint32_t gather(const struct expected *e, uint8_t *to)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < e->pieces; i++) {
		memcpy(to + sum, e->at[i], e->bytes[i]);
		sum += e->bytes[i];
	}
	return sum;
}

static void check_result(const struct expected *e, int result)
{
	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT || result == VIOMMU_INTERRUPT ||
	      result == VIOMMU_UNREACHABLE || result == VIOMMU_EINVAL);
	if (e->known && result != VIOMMU_EINVAL)
		CHECK(result == e->result);
}

/* ---- bytes ---- */

static void do_read(struct machine *m, const struct dma *d)
{
	uint8_t buffer[64];
	uint8_t want[64];
	struct expected e;
	uint64_t done = 0;
	int result;

	expect(m, d, READ, &e);
	result = d->channel
			 ? viommu_dma_read(d->channel, d->iova, buffer, d->bytes, d->access, &done)
			 : viommu_device_dma_read(d->device, d->pasid, d->iova, buffer, d->bytes,
						  d->access, &done);
	check_result(&e, result);
	CHECK(result < 0 || (done <= d->bytes && (result == VIOMMU_OK) == (done == d->bytes)));
	if (e.known && result >= 0) {
		CHECK(done >= gather(&e, want));
		CHECK(memcmp(buffer, want, gather(&e, want)) == 0);
	}
}

static void do_write(struct machine *m, const struct dma *d, uint64_t value)
{
	uint8_t buffer[64];
	uint8_t is[64];
	struct expected e;
	uint64_t done = 0;
	int result;

	for (unsigned i = 0; i < sizeof(buffer); i++)
		buffer[i] = (uint8_t)(value >> i % 8 * 8);
	expect(m, d, WRITE, &e);
	result = d->channel
			 ? viommu_dma_write(d->channel, d->iova, buffer, d->bytes, d->access, &done)
			 : viommu_device_dma_write(d->device, d->pasid, d->iova, buffer, d->bytes,
						   d->access, &done);
	/* the first piece may be in the tables of the second */
	if (e.pieces > 1)
		e.known = false;
	check_result(&e, result);
	CHECK(result < 0 || (done <= d->bytes && (result == VIOMMU_OK) == (done == d->bytes)));
	if (e.known && result == VIOMMU_OK)
		CHECK(memcmp(buffer, is, gather(&e, is)) == 0);
}

/* ---- words ---- */

static void do_load(struct machine *m, const struct dma *d)
{
	struct expected e;
	uint64_t value = 0;
	uint64_t want = 0;
	int result;

	expect(m, d, LOAD, &e);
	result = d->channel ? viommu_dma_load(d->channel, d->iova, d->bytes, d->access, &value)
			    : viommu_device_dma_load(d->device, d->pasid, d->iova, d->bytes,
						     d->access, &value);
	check_result(&e, result);
	if (e.known && result == VIOMMU_OK) {
		gather(&e, (uint8_t *)&want);
		CHECK(value == want);
	}
}

static void do_store(struct machine *m, const struct dma *d, uint64_t value)
{
	struct expected e;
	uint64_t is = 0;
	int result;

	expect(m, d, STORE, &e);
	result = d->channel ? viommu_dma_store(d->channel, d->iova, d->bytes, d->access, value)
			    : viommu_device_dma_store(d->device, d->pasid, d->iova, d->bytes,
						      d->access, value);
	if (e.pieces > 1)
		e.known = false;
	check_result(&e, result);
	if (e.known && result == VIOMMU_OK) {
		gather(&e, (uint8_t *)&is);
		CHECK(memcmp(&is, &value, d->bytes) == 0);
	}
}

static void do_swap(struct machine *m, const struct dma *d, uint64_t desired)
{
	struct expected e;
	uint64_t was = 0;
	uint64_t is = 0;
	uint64_t expected;
	bool equal = desired & 1;
	int result;

	expect(m, d, SWAP, &e);
	gather(&e, (uint8_t *)&was);
	expected = equal ? was : ~was & (d->bytes < 8 ? 0xffffffff : UINT64_MAX);
	result = d->channel ? viommu_dma_cmpxchg(d->channel, d->iova, d->bytes, d->access,
						 &expected, desired)
			    : viommu_device_dma_cmpxchg(d->device, d->pasid, d->iova, d->bytes,
							d->access, &expected, desired);
	check_result(&e, result);
	if (e.known && result == VIOMMU_OK) {
		gather(&e, (uint8_t *)&is);
		CHECK(expected == was);
		CHECK(memcmp(&is, equal ? &desired : &was, d->bytes) == 0);
	}
}

/* ---- maps and sections, which stay open ---- */

static void check_map(struct machine *m, const struct viommu_mapping *map, uint64_t bytes,
		      bool write)
{
	uint64_t sum = 0;

	CHECK(map->count <= map->max && map->bytes <= bytes);
	for (uint32_t i = 0; i < map->count; i++) {
		CHECK(m->region && map->parts[i].bytes);
		CHECK(map->parts[i].base == machine_at(m, map->gpas[i], map->parts[i].bytes));
		CHECK(!write || !is_rom(m, map->gpas[i]));
		sum += map->parts[i].bytes;
	}
	CHECK(sum == map->bytes);
}

static void do_map(struct machine *m, const struct dma *d, uint64_t value)
{
	struct machine_map *slot = &m->map[value % MAPS];
	uint32_t access = 1 + (uint32_t)(value >> 8) % 3;
	uint64_t bytes = value >> 16 & 0x7fff;
	int result;

	if (slot->map.section.device) {
		m->dma = true;
		CHECK(viommu_dma_unmap(&slot->map, slot->map.bytes + 1) == VIOMMU_EINVAL);
		CHECK(viommu_dma_unmap(&slot->map, slot->writes ? slot->map.bytes : 0) ==
		      VIOMMU_OK);
		CHECK(!slot->map.section.device && !slot->map.bytes && !slot->map.count);
		return;
	}
	slot->writes = access & VIOMMU_WRITE;
	slot->map.parts = slot->parts;
	slot->map.gpas = slot->gpas;
	slot->map.max = 1 + (uint32_t)(value >> 32) % MAP_PARTS;
	result = d->channel ? viommu_dma_map(d->channel, d->iova, bytes, access, &slot->map)
			    : viommu_device_dma_map(d->device, d->pasid, d->iova, bytes, access,
						    &slot->map);
	CHECK(result >= VIOMMU_EINVAL && result <= VIOMMU_UNREACHABLE && result != VIOMMU_PENDING);
	CHECK(!slot->map.bytes == !slot->map.section.device);
	CHECK(result >= 0 || !slot->map.bytes);
	CHECK(result != VIOMMU_OK || slot->map.bytes == bytes);
	check_map(m, &slot->map, bytes, slot->writes);
}

static void do_section(struct machine *m, const struct dma *d, enum verb verb, uint64_t value)
{
	struct viommu_section *section = &m->section[value % MAPS];
	bool open = section->device;

	if (verb == ENTER)
		CHECK(viommu_device_enter(d->device, section) == (open ? VIOMMU_EBUSY : VIOMMU_OK));
	else
		CHECK(viommu_device_leave(section) == (open ? VIOMMU_OK : VIOMMU_EINVAL));
}

void machine_release(struct machine *m)
{
	for (unsigned i = 0; i < MAPS; i++) {
		CHECK(viommu_dma_unmap(&m->map[i].map, 0) == VIOMMU_OK);
		if (m->section[i].device)
			CHECK(viommu_device_leave(&m->section[i]) == VIOMMU_OK);
	}
}

void machine_dma(struct machine *m, uint64_t how, uint64_t iova, uint32_t pasid, uint64_t value)
{
	unsigned who = (unsigned)how % DEVICES;
	enum verb verb = (enum verb)(how >> 3 & 7);
	struct dma d = { .device = m->device[who],
			 .channel = how & 0x40 ? m->channel[who] : NULL,
			 .iova = iova,
			 .pasid = how & 0x40 ? who == 1 ? 1 : VIOMMU_NO_PASID : pasid,
			 .bytes = 1U << (how >> 8 & 3),
			 .access = how & 0x400 ? VIOMMU_PRIV : 0 };

	m->accesses = 0;
	m->dma = true;
	if (verb == READ && (how & 0x800))
		d.access |= VIOMMU_EXEC;
	if (verb <= WRITE && (how & 0x1000))
		d.bytes = 1 + (uint32_t)(how >> 8 & 63);
	if (verb == READ)
		do_read(m, &d);
	else if (verb == WRITE)
		do_write(m, &d, value);
	else if (verb == LOAD)
		do_load(m, &d);
	else if (verb == STORE)
		do_store(m, &d, value);
	else if (verb == SWAP)
		do_swap(m, &d, value);
	else if (verb == MAP)
		do_map(m, &d, value);
	else
		do_section(m, &d, verb, value);
	m->dma = false;
}
