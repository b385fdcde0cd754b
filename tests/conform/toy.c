/* SPDX-License-Identifier: BSD-3-Clause */
/* toy.c - the smallest engine; docs/new-engine.md walks through it. */

#include "toy.h"

#include "completion.h"
#include "pt_memory.h"
#include "ring.h"
#include "state.h"

#define LOCKED 1 /* of struct regs_row */

struct toy {
	struct viommu unit; /* first */
	struct regs regs;
	/* The call that has the unit. */
	struct ring_commands commands;
	struct completion sync;	    /* of the SYNC at the head */
	struct deferred deferred;   /* CTRL.ON */
	pthread_mutex_t fault_lock; /* guards FLT_*, STATUS and: */
	struct ring_records faults;
};

static struct toy *toy_of(struct viommu *u)
{
	return (struct toy *)u;
}

static struct ring ring_at(uint64_t base, enum ring_index index)
{
	return (struct ring){ .base = base & TOY_BASE_ADDR,
			      .limit = UINT64_MAX,
			      .entries = UINT32_C(1) << bits_get(base, TOY_BASE_LG2),
			      .words = 2,
			      .index = index };
}

/* ---- faults ---- */

static int fault(struct toy *t, struct query *q, unsigned reason)
{
	const struct ring_registers at = { &t->regs, &t->fault_lock, TOY_FLT_HEAD, TOY_FLT_TAIL };
	const struct ring ring = ring_at(regs_get(&t->regs, TOY_FLT_BASE), RING_ENTRIES);
	const uint64_t word[2] = { bits_put(TOY_FLT_ID, q->id) | bits_put(TOY_FLT_REASON, reason),
				   q->iova };

	q->reason = (uint16_t)reason;
	q->cacheable = false;
	q->ats = VIOMMU_ATS_UNSUPPORTED;
	if (!q->quiet && !ring_record(&t->unit, &t->faults, &ring, &at, word))
		regs_set_bits(&t->regs, TOY_STATUS, TOY_STATUS_LOST);
	unit_lines(&t->unit);
	return VIOMMU_FAULT;
}

/* Line 0: there is something to look at. */
static uint64_t lines(struct viommu *u)
{
	const struct regs *r = &toy_of(u)->regs;

	return regs_get(r, TOY_FLT_HEAD) != regs_get(r, TOY_FLT_TAIL) || regs_get(r, TOY_STATUS);
}

/* ---- translation ---- */

static const struct pt_config one_level = {
	.page_lg2 = 12, .index_lg2 = 9, .entry_lg2 = 3, .in_bits = 21, .out_bits = 52
};

/* From requester to domain: no trace, and nothing cached; unit_context() does that. */
static int parse(struct viommu *u, struct query *q, struct context *context)
{
	const struct regs *r = &toy_of(u)->regs;
	uint32_t domain;
	uint64_t raw;

	q->reason = TOY_OFF;
	if (!(regs_get(r, TOY_CTRL) & TOY_CTRL_EN))
		return VIOMMU_FAULT;
	q->reason = TOY_BAD_TABLE;
	if (!mem_load64(u->vm, regs_get(r, TOY_TABLE) + q->id * 8, &raw))
		return VIOMMU_FAULT;
	q->reason = TOY_NO_DEVICE;
	if (!(raw & TOY_DEVICE_V) || (raw & TOY_DEVICE_RSVD))
		return VIOMMU_FAULT;
	domain = (uint32_t)bits_get(raw, TOY_DEVICE_DOMAIN);
	*context = (struct context){ .key = { .stage2 = one_level,
					      .group = domain,
					      .id = domain_id(domain, VIOMMU_NO_PASID) } };
	context->key.stage2.root = raw & TOY_DEVICE_PT;
	return VIOMMU_OK;
}

ALWAYS_INLINE struct pt_item decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				    unsigned level)
{
	unsigned both = ((unsigned)raw & (VIOMMU_READ | VIOMMU_WRITE)) | VIOMMU_EXEC;

	(void)c, (void)beyond, (void)level;
	return (struct pt_item){ .kind = both == VIOMMU_EXEC   ? PT_EMPTY
					 : raw & TOY_PAGE_RSVD ? PT_RESERVED
							       : PT_LEAF,
				 .addr = raw & TOY_PAGE_ADDR,
				 .lg2 = 12,
				 .perm = (uint8_t)(PERM_DIRTY | both | both << 3) };
}

static const struct pt_format format = { .decode = decode };
static const struct pt_memory memory = { .load = pt_plain_load };

static int translate(struct viommu *u, struct query *q)
{
	struct pt_walk w = { .vm = u->vm,
			     .iova = q->iova,
			     .need = (uint8_t)access_need(q->access) };
	enum pt_end end;

	if (q->type != VIOMMU_AT_UNTRANSLATED || q->pasid != VIOMMU_NO_PASID)
		return fault(toy_of(u), q, TOY_TYPE);
	if (unit_context(u, q))
		return fault(toy_of(u), q, q->reason);
	w.config = &q->entry->context.key.stage2;
	if (!pt_fits(w.config, q->iova))
		return fault(toy_of(u), q, TOY_NO_PAGE);
	end = pt_walk(&format, &memory, &w);
	if (end != PT_OK)
		return fault(toy_of(u), q,
			     end == PT_DENIED	     ? TOY_PERMISSION
			     : end == PT_NOT_PRESENT ? TOY_NO_PAGE
						     : TOY_BAD_TABLE);
	q->found = w.found;
	unit_fill(u, q);
	return VIOMMU_OK;
}

static enum pt_visit_end visit(struct viommu *u, const struct context *context, struct pt_visit *v)
{
	(void)u;
	v->walk.config = &context->key.stage2;
	if (v->next > bits_low(21))
		return PT_VISIT_DONE;
	if (v->last > bits_low(21))
		v->last = bits_low(21);
	return pt_visit(&format, &memory, v);
}

/* ---- commands ---- */

static enum ring_executed invalidate(struct viommu *u, uint32_t domain, uint64_t first,
				     uint64_t last)
{
	const struct domain_match match = { .group = domain, .id = DOMAIN_ANY, .kinds = 1 };

	unit_flush_range(u, &match, first, last, false);
	notify_domain(u, domain, VIOMMU_ANY_PASID, first, last);
	return RING_DONE;
}

static enum ring_executed device_command(struct viommu *u, uint32_t id, bool entry)
{
	struct viommu_device_invalidation all = { .last = UINT64_MAX, .pasid = VIOMMU_NO_PASID };
	struct viommu_device *device = device_get(u, id);
	bool gave_up = false;

	if (!device)
		return RING_DONE;
	if (entry) {
		unit_forget_device(device, true);
		notify_device_changed(u, device);
	} else {
		device_invalidate(device, &all, &gave_up);
	}
	device_put(device);
	return gave_up ? RING_WAITING : RING_DONE;
}

static enum ring_executed sync(struct toy *t, uint64_t address, uint32_t data)
{
	if (!t->sync.epoch)
		completion_owed(&t->unit, &t->sync);
	if (completion_poll(&t->unit, &t->sync) != COMPLETION_DONE)
		return RING_WAITING;
	t->sync = (struct completion){ .epoch = 0 };
	return mem_store32(t->unit.vm, address & ~UINT64_C(3), data) ? RING_DONE : RING_ERROR;
}

static enum ring_executed execute(struct viommu *u, const uint64_t *word)
{
	uint32_t id = word ? (uint32_t)bits_get(word[0], TOY_CMD_ID) : 0;

	switch (word ? bits_get(word[0], TOY_CMD_TYPE) : 0) {
	case TOY_INV_DOMAIN:
		return invalidate(u, id, 0, UINT64_MAX);
	case TOY_INV_PAGE:
		return invalidate(u, id, word[1] & ~bits_low(12), word[1] | bits_low(12));
	case TOY_INV_DEVICE:
	case TOY_DROP:
		return device_command(u, id, bits_get(word[0], TOY_CMD_TYPE) == TOY_INV_DEVICE);
	case TOY_SYNC:
		return sync(toy_of(u), word[1], (uint32_t)bits_get(word[0], TOY_CMD_DATA));
	default:
		return RING_ERROR;
	}
}

static enum ring_executed run_commands(struct toy *t)
{
	const struct ring *r = &t->commands.ring;
	enum ring_executed executed = RING_ERROR;
	uint32_t tail;

	if (!(regs_get(&t->regs, TOY_CTRL) & TOY_CTRL_EN) ||
	    (regs_get(&t->regs, TOY_STATUS) & TOY_STATUS_COMMAND))
		return RING_DONE;
	if (ring_position(r, regs_get(&t->regs, TOY_CMD_TAIL), &tail) &&
	    t->commands.head < ring_span(r) && ring_used(r, t->commands.head, tail) <= r->entries)
		executed = ring_run(&t->unit, &t->commands, tail, execute, NULL);
	if (executed == RING_ERROR)
		regs_set_bits(&t->regs, TOY_STATUS, TOY_STATUS_COMMAND);
	regs_put(&t->regs, TOY_CMD_HEAD, ring_register(r, t->commands.head));
	return executed;
}

static int run(struct viommu *u)
{
	struct toy *t = toy_of(u);
	bool shown = deferred_show(u, &t->deferred, &t->regs);

	if (run_commands(t) == RING_WAITING || !shown)
		return VIOMMU_PENDING;
	epoch_done(&u->epoch);
	return VIOMMU_OK;
}

/* ---- registers ---- */

/* Everything may be translated otherwise from now on; commands are taken from @head on. */
static void begin(struct toy *t, uint32_t head)
{
	bool on = regs_get(&t->regs, TOY_CTRL) & TOY_CTRL_EN;

	notify_forget(&t->unit, true, true);
	t->commands.ring = ring_at(regs_get(&t->regs, TOY_CMD_BASE), RING_WRAP);
	ring_restart(&t->commands, head, true);
	t->sync = (struct completion){ .epoch = 0 };
	deferred_bits(&t->deferred, &t->regs, TOY_CTRL, on ? TOY_CTRL_ON : 0, on ? 0 : TOY_CTRL_ON);
}

static void write_ctrl(void *engine, const struct regs_write *w)
{
	if ((w->written ^ w->old) & TOY_CTRL_EN)
		begin(engine, 0);
}

/* With fault_lock held. */
static void write_fault_base(void *engine, const struct regs_write *w)
{
	(void)w;
	ring_records_reset(&((struct toy *)engine)->faults);
}

static const struct regs_row rows[] = {
	{ TOY_CTRL, 4, 0, TOY_CTRL_EN, 0, TOY_CTRL_ON, write_ctrl, "CTRL", 0 },
	{ TOY_STATUS, 4, 0, 0, TOY_STATUS_LOST | TOY_STATUS_COMMAND, 0, NULL, "STATUS", LOCKED },
	{ TOY_TABLE, 8, 0, TOY_DEVICE_PT, 0, 0, NULL, "TABLE", 0 },
	{ TOY_CMD_BASE, 8, 0, TOY_BASE_ADDR | TOY_BASE_LG2, 0, 0, NULL, "CMD_BASE", 0 },
	{ TOY_CMD_HEAD, 4, 0, 0, 0, UINT32_MAX, NULL, "CMD_HEAD", 0 },
	{ TOY_CMD_TAIL, 4, 0, UINT32_MAX, 0, 0, NULL, "CMD_TAIL", 0 },
	{ TOY_FLT_BASE, 8, 0, TOY_BASE_ADDR | TOY_BASE_LG2, 0, 0, write_fault_base, "FLT_BASE",
	  LOCKED },
	{ TOY_FLT_HEAD, 4, 0, UINT32_MAX, 0, 0, NULL, "FLT_HEAD", LOCKED },
	{ TOY_FLT_TAIL, 4, 0, 0, 0, UINT32_MAX, NULL, "FLT_TAIL", LOCKED },
};

static int reg_read(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	*value = regs_guest_read(&toy_of(u)->regs, offset, bytes);
	return VIOMMU_OK;
}

static int reg_write(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	regs_guest_write(&toy_of(u)->regs, offset, bytes, value);
	return run(u);
}

/* ---- life ---- */

static int begin_anew(struct toy *t, uint32_t head)
{
	ring_records_reset(&t->faults);
	begin(t, head);
	return run(&t->unit);
}

static int reset(struct viommu *u)
{
	regs_reset(&toy_of(u)->regs);
	return begin_anew(toy_of(u), 0);
}

static void save(struct viommu *u, struct state_writer *state)
{
	state_record(state, "regs");
	regs_save(&toy_of(u)->regs, state);
}

static int restore(struct viommu *u, struct state_reader *state)
{
	uint64_t value[ARRAY_COUNT(rows)];
	struct toy *t = toy_of(u);

	if (!state_find(state, "regs") || !regs_load(&t->regs, state, value) || state_left(state))
		return VIOMMU_ESTATE;
	regs_take(&t->regs, value);
	return begin_anew(t, (uint32_t)regs_get(&t->regs, TOY_CMD_HEAD));
}

static void free_toy(struct viommu *u)
{
	struct toy *t = toy_of(u);
	struct viommu_vm *vm = u->vm;

	unit_fini(u);
	regs_fini(&t->regs, vm);
	pthread_mutex_destroy(&t->fault_lock);
	vm_dealloc(vm, t, sizeof(*t));
}

static const struct engine toy_engine = { .name = "toy",
					  .last_id = TOY_DEVICES - 1,
					  .translate = translate,
					  .parse = parse,
					  .visit = visit,
					  .reg_read = reg_read,
					  .reg_write = reg_write,
					  .run = run,
					  .reset = reset,
					  .save = save,
					  .restore = restore,
					  .by_domain = true,
					  .lines = lines,
					  .free = free_toy };

int toy_new(struct viommu_vm *vm, const struct viommu_host *host,
	    const struct viommu_limits *limits, struct viommu **iommu)
{
	struct toy *t = vm_alloc(vm, sizeof(*t), _Alignof(struct toy));
	int result = t ? unit_init(&t->unit, &toy_engine, vm, host, limits) : VIOMMU_ENOMEM;

	if (result) {
		vm_dealloc(vm, t, sizeof(*t));
		return result;
	}
	pthread_mutex_init(&t->fault_lock, NULL);
	result = regs_init(&t->regs, vm, 4096, ARRAY_COUNT(rows), t);
	t->regs.lock[LOCKED - 1] = &t->fault_lock;
	if (!result && !regs_add_rows(&t->regs, rows, ARRAY_COUNT(rows)))
		result = VIOMMU_EINVAL;
	if (result)
		free_toy(&t->unit);
	*iommu = result ? NULL : &t->unit;
	return result;
}
