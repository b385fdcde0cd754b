/* SPDX-License-Identifier: BSD-3-Clause */
/* irq_rig.c - a unit and the oracle beside each other, for interrupt requests. */
#include "irq_rig.h"

#include <inttypes.h>
#include <string.h>

#include "check.h"

/* ---- the oracle's memory ---- */

static uint64_t *shadow_word(struct irq_rig *rig, uint64_t gpa)
{
	if (gpa >= IRQ_RAM && gpa < IRQ_END)
		return &rig->shadow[(gpa - IRQ_RAM) / 8];
	if (gpa >= IRQ_ROM && gpa < IRQ_ROM + GUEST_PAGE)
		return &rig->shadow_rom[(gpa - IRQ_ROM) / 8];
	return NULL;
}

static bool shadow_load(void *opaque, uint64_t gpa, uint64_t *value)
{
	const uint64_t *word = shadow_word(opaque, gpa);

	if (word)
		*value = *word;
	return word;
}

static bool shadow_store(void *opaque, uint64_t gpa, uint64_t value)
{
	uint64_t *word = gpa < IRQ_ROM ? shadow_word(opaque, gpa) : NULL;

	if (word)
		*word = value;
	return word;
}

void irq_put(struct irq_rig *rig, uint64_t gpa, uint64_t word)
{
	uint64_t *shadow = shadow_word(rig, gpa);

	if (!shadow)
		return;
	*shadow = word;
	if (gpa >= IRQ_ROM)
		rig->host_rom[(gpa - IRQ_ROM) / 8] = word;
	else
		guest_put64(&rig->g, gpa, word);
}

uint64_t irq_get(const struct irq_rig *rig, uint64_t gpa)
{
	return rig->shadow[(gpa - IRQ_RAM) / 8];
}

void irq_put_entry(struct irq_rig *rig, uint32_t index, uint64_t low, uint64_t high)
{
	uint64_t at = (rig->unit.irta & ~UINT64_C(0xfff)) + 16 * (uint64_t)index;

	irq_put(rig, at, low);
	irq_put(rig, at + 8, high);
}

/* ---- the unit ---- */

void irq_open(struct irq_rig *rig, const struct irq_config *config)
{
	struct viommu_vtd_config vtd = {
		.size = sizeof(vtd),
		.cap = (viommu_vtd_default_cap() & ~VTD_CAP_PI) |
		       (config->posting ? VTD_CAP_PI : 0),
		.ecap = (viommu_vtd_default_ecap() & ~VTD_ECAP_EIM) |
			(config->eim ? VTD_ECAP_EIM : 0),
		.haw = config->haw,
	};
	struct viommu_region rom = { .size = sizeof(rom),
				     .flags = VIOMMU_REGION_READONLY,
				     .gpa = IRQ_ROM,
				     .bytes = GUEST_PAGE,
				     .host = rig->host_rom };

	memset(rig->shadow, 0, sizeof(rig->shadow));
	memset(rig->shadow_rom, 0, sizeof(rig->shadow_rom));
	memset(rig->host_rom, 0, sizeof(rig->host_rom));
	guest_init(&rig->g, config->region ? GUEST_REGION : GUEST_CALLBACKS, IRQ_PAGES + 2);
	assert_int_equal(viommu_vm_add_region(rig->g.vm, &rom), VIOMMU_OK);
	assert_int_equal(guest_try_vtd_config(&rig->g, &vtd), VIOMMU_OK);
	guest_queue_on(&rig->g, false, 0);
	assert_int_equal(guest_alloc(&rig->g, IRQ_PAGES), IRQ_RAM);
	rig->eim = config->eim;
	rig->unit = (struct io_unit){ .posting = config->posting, .haw = config->haw };
	rig->memory = (struct io_memory){ rig, shadow_load, shadow_store };
}

void irq_close(struct irq_rig *rig)
{
	guest_fini(&rig->g);
}

void irq_program(struct irq_rig *rig, uint64_t irta, bool enabled, bool cfi)
{
	bool now = guest_read32(&rig->g, VTD_GSTS) & VTD_G_IRE;

	if (now && (!enabled || ((irta ^ rig->unit.irta) & VTD_IRTA_EIME)))
		guest_command(&rig->g, VTD_G_IRE, false);
	guest_write64(&rig->g, VTD_IRTA, irta);
	guest_command(&rig->g, VTD_G_IRTP, true);
	guest_command(&rig->g, VTD_G_CFI, cfi);
	if (enabled)
		guest_command(&rig->g, VTD_G_IRE, true);
	rig->unit.irta = irta;
	rig->unit.enabled = enabled;
	rig->unit.cfi = cfi;
}

void irq_invalidate(struct irq_rig *rig, uint64_t descriptor)
{
	guest_submit(&rig->g, descriptor, 0, 0, 0);
	guest_wait(&rig->g);
}

void irq_ask_plain(struct irq_rig *rig, const struct io_request *req, struct irq_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->result = viommu_remap_msi(rig->g.iommu, req->source, req->address, req->data,
					  req->resolve ? VIOMMU_MSI_RESOLVE : 0, &answer->msi);
}

void irq_ask(struct irq_rig *rig, const struct io_request *req, struct irq_answer *answer)
{
	struct guest_fault more;

	irq_ask_plain(rig, req, answer);
	if (!(guest_read32(&rig->g, VTD_FSTS) & (VTD_FSTS_PPF | VTD_FSTS_PFO)))
		return;
	if (guest_take_fault(&rig->g, &answer->fault))
		answer->faults = 1;
	while (guest_take_fault(&rig->g, &more))
		answer->faults++;
}

/* ---- comparison ---- */

static const char *record_differs(const struct io_answer *o, const struct io_request *req,
				  const struct irq_answer *e)
{
	if (e->faults != o->recorded)
		return "number of fault records";
	if (!o->recorded)
		return NULL;
	/* T, AT, PP, PV, EXE, PRIV are 0 */
	if (e->fault.high != (UINT64_C(1) << 63 | (uint64_t)o->reason << 32 | req->source))
		return "fault record, high";
	if (e->fault.info != (uint64_t)o->fi << 48)
		return "fault record, FI";
	return NULL;
}

static const char *index_differs(const struct io_answer *o, const struct viommu_msi *m)
{
	if (o->indexed)
		return m->index == o->index ? NULL : "index";
	/* An index that is too large was computed, but nothing has been used. */
	return m->index == UINT32_MAX || (o->reason == 0x21 && m->index == o->fi) ? NULL
										  : "index, none";
}

static const char *message_differs(const struct io_answer *o, const struct viommu_msi *m)
{
	unsigned flags = (o->unremapped ? VIOMMU_MSI_UNREMAPPED : 0) |
			 (o->posted ? VIOMMU_MSI_POSTED : 0) | (o->notify ? VIOMMU_MSI_NOTIFY : 0);

	if (m->flags != flags)
		return "flags";
	if (m->address != o->address || m->data != o->data)
		return "message";
	if (m->destination != o->destination || m->logical != o->logical)
		return "destination";
	if (m->vector != o->vector || m->delivery_mode != o->delivery_mode || m->level != o->level)
		return "vector, delivery mode or level";
	if (m->redirection_hint != o->redirection_hint)
		return "redirection hint";
	return m->kind || m->intid || m->cpu || m->reason ? "kind, LPI or reason" : NULL;
}

const char *irq_differs(const struct io_answer *oracle, const struct io_request *req,
			const struct irq_answer *engine)
{
	const char *what = record_differs(oracle, req, engine);

	if (engine->result != (oracle->ok ? VIOMMU_OK : VIOMMU_FAULT))
		return "result";
	if (!what)
		what = index_differs(oracle, &engine->msi);
	if (what)
		return what;
	if (!oracle->ok)
		return engine->msi.reason == oracle->reason ? NULL : "reason";
	return message_differs(oracle, &engine->msi);
}

static const uint8_t *ram_of(const struct irq_rig *rig)
{
	return rig->g.ram + (IRQ_RAM - GUEST_BASE);
}

bool irq_memory_agrees(const struct irq_rig *rig)
{
	const uint64_t at = IRQ_POSTED - IRQ_RAM;

	return !memcmp(ram_of(rig) + at, (const uint8_t *)rig->shadow + at, GUEST_PAGE) &&
	       !memcmp(rig->host_rom, rig->shadow_rom, GUEST_PAGE);
}

bool irq_tables_agree(const struct irq_rig *rig)
{
	return !memcmp(ram_of(rig), rig->shadow, sizeof(rig->shadow));
}

void irq_print(const struct irq_rig *rig, const struct io_request *req,
	       const struct io_answer *oracle, const struct irq_answer *engine)
{
	struct irq_rig *r = (struct irq_rig *)(uintptr_t)rig;
	uint64_t at = (rig->unit.irta & ~UINT64_C(0xfff)) + 16 * (uint64_t)oracle->index;
	uint64_t low = 0, high = 0;

	shadow_load(r, at, &low);
	shadow_load(r, at + 8, &high);
	print_message("IRTA %" PRIx64 " IRE %d CFI %d PI %d HAW %u, source %x address %x data %x "
		      "resolve %d\n",
		      rig->unit.irta, rig->unit.enabled, rig->unit.cfi, rig->unit.posting,
		      rig->unit.haw, req->source, req->address, req->data, req->resolve);
	print_message("entry %x: %016" PRIx64 " %016" PRIx64 "\n", oracle->index, low, high);
	print_message("oracle: ok %d reason %x index %x recorded %d posted %d notify %d, %" PRIx64
		      " %x\n",
		      oracle->ok, oracle->reason, oracle->index, oracle->recorded, oracle->posted,
		      oracle->notify, oracle->address, oracle->data);
	print_message("engine: %d reason %x index %x records %u (%" PRIx64 " %" PRIx64
		      ") flags %x, %" PRIx64 " %x\n",
		      engine->result, engine->msi.reason, engine->msi.index, engine->faults,
		      engine->fault.high, engine->fault.info, engine->msi.flags,
		      engine->msi.address, engine->msi.data);
}

void irq_compare(struct irq_rig *rig, const char *what, const struct io_request *req)
{
	struct io_answer oracle;
	struct irq_answer engine;
	const char *differs;

	io_remap(&rig->memory, &rig->unit, req, &oracle);
	irq_ask(rig, req, &engine);
	differs = irq_differs(&oracle, req, &engine);
	if (!differs && !irq_memory_agrees(rig))
		differs = "memory";
	if (!differs)
		return;
	print_message("--- %s: %s differs\n", what, differs);
	irq_print(rig, req, &oracle, &engine);
	fail();
}
