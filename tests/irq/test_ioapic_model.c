/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_ioapic_model.c - random calls, compared with an I/O APIC written as the data sheet reads: a
 * field is a field, and a call is played through from its beginning to its end.
 */
#include <string.h>

#include "bits.h"
#include "ioapic_rig.h"
#include "run.h"

enum { MODEL_PINS = 240, MODEL_IRTES = 64, MODEL_EVENTS = 1024 };

struct model_pin {
	uint8_t vector, mode;
	bool logical, low, level, masked, irr;
	uint16_t high; /* bits 63:48 */
	bool driven, line;
};

struct model_event {
	char kind; /* d, c, a */
	uint32_t pin;
	uint64_t address;
	uint32_t data;
};

struct model {
	uint32_t pins, version, index, id;
	struct model_pin pin[MODEL_PINS];
	bool remapping;
	struct {
		bool present;
		uint8_t vector;
		uint8_t destination;
	} irte[MODEL_IRTES];
	struct model_event event[MODEL_EVENTS];
	unsigned events;
	unsigned faults;
};

/* ---- the model ---- */

static void emit(struct model *m, char kind, uint32_t n, uint64_t address, uint32_t data)
{
	m->event[m->events++] =
		(struct model_event){ .kind = kind, .pin = n, .address = address, .data = data };
}

/* Whether it was accepted. Compatibility format is enabled; tables have MODEL_IRTES entries. */
static bool model_send(struct model *m, uint32_t n)
{
	const struct model_pin *p = &m->pin[n];
	bool remappable = p->high & 1;

	if (m->remapping && remappable) {
		uint32_t index = p->high >> 1 | (p->logical ? 0x8000 : 0);

		if (index >= MODEL_IRTES || !m->irte[index].present) {
			m->faults++;
			return false;
		}
		emit(m, 'd', n, 0xfee00000 + m->irte[index].destination * 4096U,
		     0x4000U + m->irte[index].vector);
	} else {
		emit(m, 'd', n, 0xfee00000 + p->high * 16U + p->logical * 4U,
		     p->vector + p->mode * 256U + p->level * 32768U);
	}
	return true;
}

static bool is_level(const struct model_pin *p)
{
	return p->level && p->mode != 4 && p->mode != 5;
}

static void model_level(struct model *m, uint32_t n)
{
	struct model_pin *p = &m->pin[n];
	bool asserted = p->driven && (p->low ? !p->line : p->line);

	if (!is_level(p) || p->masked || p->irr || !asserted)
		return;
	if (!m->remapping || !(p->high & 1)) {
		p->irr = true;
		model_send(m, n);
	} else {
		p->irr = model_send(m, n);
	}
}

static void model_line(struct model *m, uint32_t n, bool line)
{
	struct model_pin *p = &m->pin[n];
	bool to_asserted = (!p->driven || p->line != line) && line != p->low;

	p->driven = true;
	p->line = line;
	if (is_level(p))
		model_level(m, n);
	else if (to_asserted && !p->masked)
		model_send(m, n);
}

static void model_eoi(struct model *m, uint32_t vector)
{
	for (uint32_t n = 0; n < m->pins; n++) {
		if (is_level(&m->pin[n]) && m->pin[n].vector == vector)
			m->pin[n].irr = false;
	}
	for (uint32_t n = 0; n < m->pins; n++) {
		if (is_level(&m->pin[n]) && m->pin[n].vector == vector) {
			emit(m, 'a', n, 0, 0);
			model_level(m, n);
		}
	}
}

static uint32_t model_read(const struct model *m)
{
	const struct model_pin *p;

	if (m->index == 0 || (m->index == 2 && m->version == 0x11))
		return m->id << 24;
	if (m->index == 1)
		return m->version + ((m->pins - 1) << 16);
	if (m->index < 0x10 || m->index >= 0x10 + 2 * m->pins)
		return 0;
	p = &m->pin[(m->index - 0x10) / 2];
	if (m->index % 2)
		return (uint32_t)p->high << 16;
	return p->vector + p->mode * 0x100U + p->logical * 0x800U + p->low * 0x2000U +
	       p->irr * 0x4000U + p->level * 0x8000U + p->masked * 0x10000U;
}

static void model_write(struct model *m, uint32_t value)
{
	struct model_pin *p;
	struct model_pin old;
	uint32_t n = (m->index - 0x10) / 2;

	if (m->index == 0)
		m->id = value >> 24 & 15;
	if (m->index < 0x10 || n >= m->pins)
		return;
	p = &m->pin[n];
	old = *p;
	if (m->index % 2) {
		p->high = (uint16_t)(value >> 16);
	} else {
		p->vector = (uint8_t)value;
		p->mode = value >> 8 & 7;
		p->logical = value >> 11 & 1;
		p->low = value >> 13 & 1;
		p->level = value >> 15 & 1;
		p->masked = value >> 16 & 1;
		if (!is_level(p))
			p->irr = false;
	}
	if (p->vector != old.vector || p->mode != old.mode || p->logical != old.logical ||
	    p->level != old.level || p->masked != old.masked || p->high != old.high)
		emit(m, 'c', n, 0, 0);
	model_level(m, n);
}

/* Table entries were invalidated: what is due is tried again, and nothing is recorded. */
static void model_invalidate(struct model *m)
{
	unsigned faults = m->faults;

	for (uint32_t n = 0; n < m->pins; n++)
		model_level(m, n);
	m->faults = faults;
}

/* ---- both ---- */

struct pair {
	struct rig r;
	struct model m;
	uint64_t table;
	uint64_t random;
	unsigned delivered, refused;
};

static uint32_t below(struct pair *p, uint32_t n)
{
	return (uint32_t)(rig_random(&p->random) >> 16) % n;
}

static void set_irte(struct pair *p)
{
	uint32_t index = below(p, MODEL_IRTES);
	uint8_t vector = (uint8_t)(0x20 + below(p, 200));
	uint8_t destination = (uint8_t)below(p, 256);
	bool present = below(p, 4) != 0;

	p->m.irte[index].present = present;
	p->m.irte[index].vector = vector;
	p->m.irte[index].destination = destination;
	guest_put64(&p->r.g, p->table + index * 16,
		    (uint64_t)destination << 40 | (uint64_t)vector << 16 | present);
	guest_submit(&p->r.g, GUEST_IEC(index, 0), 0, 0, 0);
	guest_wait(&p->r.g);
	model_invalidate(&p->m);
}

static void pair_open(struct pair *p, uint32_t pins, uint32_t version, bool remapping)
{
	memset(&p->m, 0, sizeof(p->m));
	p->m.pins = pins;
	p->m.version = version;
	p->m.id = 2;
	for (uint32_t n = 0; n < pins; n++)
		p->m.pin[n].masked = true;
	rig_open(&p->r, remapping ? RIG_VTD : RIG_NONE, pins, version);
	if (remapping) {
		p->m.remapping = true;
		p->table = guest_interrupts_on(&p->r.g, 5, false);
		guest_command(&p->r.g, VTD_G_CFI, true);
		guest_queue_on(&p->r.g, false, 0);
		for (unsigned i = 0; i < 2 * MODEL_IRTES; i++)
			set_irte(p);
	}
}

/* What was called, in its order, and with what. */
static void compare(struct pair *p, const char *what)
{
	const struct rig *r = &p->r;
	unsigned seen[RIG_EVENTS] = { 0 };

	check_eq(what, strlen(r->order), p->m.events);
	for (unsigned i = 0; i < p->m.events; i++) {
		const struct model_event *e = &p->m.event[i];
		enum rig_event kind = e->kind == 'd'   ? RIG_DELIVER
				      : e->kind == 'c' ? RIG_CHANGED
						       : RIG_ACKNOWLEDGED;
		unsigned at = seen[kind]++;

		check_eq(what, r->order[i], e->kind);
		check_eq(what, r->pin[kind][at], e->pin);
		if (kind != RIG_DELIVER)
			continue;
		check_eq(what, r->msi[at].address, e->address);
		check_eq(what, r->msi[at].data, e->data);
		p->delivered++;
	}
	p->m.events = 0;
	p->refused += p->m.faults;
	p->m.faults = 0;
	rig_forget(&p->r);
}

static void compare_registers(struct pair *p)
{
	uint32_t index = p->m.index;

	for (p->m.index = 0; p->m.index < 0x10 + 2 * p->m.pins; p->m.index++)
		check_eq("registers", rig_read(&p->r, p->m.index), model_read(&p->m));
	p->m.index = index;
	rig_read(&p->r, index);
}

/* Few values, so that pins, vectors and states meet. */
static uint32_t some_value(struct pair *p)
{
	uint32_t value = 0x30 + below(p, 4);

	if (p->m.index % 2)
		return below(p, 2) ? below(p, MODEL_IRTES + 8) << 17 | 1U << 16
				   : (uint32_t)rig_random(&p->random);
	if (below(p, 8) == 0)
		return (uint32_t)rig_random(&p->random);
	value |= below(p, 2) << 15 | below(p, 4) / 3 << 13 | below(p, 3) / 2 << 16;
	if (below(p, 4) == 0)
		value |= below(p, 8) << 8;
	if (below(p, 16) == 0)
		value |= 0x800;
	return value;
}

static void write_window(struct pair *p)
{
	static const uint32_t offsets[] = { 0x00, 0x10, 0x10, 0x10, 0x40, 0x20, 0x14, 0x110 };
	uint32_t offset = offsets[below(p, ARRAY_COUNT(offsets))];
	uint32_t bytes = below(p, 4) ? 4 : 1 + below(p, 8);
	uint32_t indices = p->m.pins > 120 ? 0x200 : 0x100;
	uint32_t value = offset == 0x00	  ? 0x10 + below(p, 2 * p->m.pins + 2)
			 : offset == 0x40 ? 0x30 + below(p, 4)
					  : some_value(p);

	assert_int_equal(viommu_ioapic_write(p->r.a, offset, bytes, value), VIOMMU_OK);
	if (offset == 0x00)
		p->m.index = (bytes == 1 ? value & 0xff : value) % indices;
	else if (offset == 0x10 && bytes == 4)
		model_write(&p->m, value);
	else if (offset == 0x40 && bytes == 4 && p->m.version == 0x20)
		model_eoi(&p->m, value & 0xff);
}

/* A new one goes on from the saved state. */
static void move(struct pair *p)
{
	uint8_t saved[8192];
	uint64_t bytes = rig_save(p->r.a, saved);

	viommu_ioapic_free(p->r.a);
	assert_int_equal(rig_try_new(&p->r, p->m.pins, p->m.version, &p->r.a), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_restore(p->r.a, saved, bytes), VIOMMU_OK);
	for (uint32_t n = 0; n < p->m.pins; n++)
		emit(&p->m, 'c', n, 0, 0);
}

static void step(struct pair *p)
{
	uint32_t n = below(p, p->m.pins);
	uint32_t value = below(p, 2);

	switch (below(p, 16)) {
	case 0:
		move(p);
		compare(p, "restore");
		break;
	case 1:
		value = 0x30 + below(p, 4);
		rig_eoi(&p->r, value);
		model_eoi(&p->m, value);
		compare(p, "eoi");
		break;
	case 2:
		if (p->m.remapping)
			set_irte(p);
		compare(p, "a table entry");
		break;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		rig_line(&p->r, n, value);
		model_line(&p->m, n, value);
		compare(p, "set_line");
		break;
	default:
		write_window(p);
		compare(p, "write");
	}
}

static const struct {
	const char *name;
	uint32_t pins, version;
	bool remapping;
	unsigned steps;
} kinds[] = {
	{ "24 pins, version 0x11", 24, 0x11, false, 200000 },
	{ "24 pins, version 0x20", 24, 0x20, false, 200000 },
	{ "24 pins, remapping", 24, 0x20, true, 200000 },
	{ "120 pins, remapping", 120, 0x20, true, 100000 },
	{ "240 pins", 240, 0x20, false, 100000 },
};

static void test_random(void **state)
{
	static struct pair p;

	(void)state;
	p.random = run_seed(RUN_ANY_SEED);
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		unsigned steps = (unsigned)run_scaled(kinds[i].steps);

		p.delivered = p.refused = 0;
		pair_open(&p, kinds[i].pins, kinds[i].version, kinds[i].remapping);
		for (unsigned n = 0; n < steps; n++) {
			step(&p);
			if (n % 32 == 0)
				compare_registers(&p);
		}
		print_message("%s: %u steps, %u delivered, %u refused\n", kinds[i].name, steps,
			      p.delivered, p.refused);
		/* the values chosen do make pins deliver and be refused */
		check_that(kinds[i].name, steps < 1000 || p.delivered > steps / 100);
		check_that(kinds[i].name,
			   steps < 1000 || (p.refused > steps / 1000) == kinds[i].remapping);
		rig_close(&p.r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("ioapic_model", tests, NULL, NULL);
}
