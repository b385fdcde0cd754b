/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_log.c - the logs (2.5 to 2.7), their status bits, and the IOMMU's own interrupts (3.4.15, 3.2.5). */

#include "amdvi_engine.h"
#include "mem.h"

const struct amdvi_log_row amdvi_logs[AMDVI_LOGS] = {
	[AMDVI_LOG_EVENT] = { .enable = AMD_CTRL_EVENT_LOG_EN,
			      .interrupt_enable = AMD_CTRL_EVENT_INT_EN,
			      .run = AMD_ST_EVT_RUN,
			      .overflow = AMD_ST_EVT_OVERFLOW,
			      .interrupt = AMD_ST_EVT_INT,
			      .base = AMD_EVT_BASE,
			      .head = AMD_EVT_HEAD,
			      .tail = AMD_EVT_TAIL,
			      .words = 2 },
	[AMDVI_LOG_PPR] = { .enable = AMD_CTRL_PPR_LOG_EN,
			    .interrupt_enable = AMD_CTRL_PPR_INT_EN,
			    .run = AMD_ST_PPR_RUN,
			    .overflow = AMD_ST_PPR_OVERFLOW,
			    .interrupt = AMD_ST_PPR_INT,
			    .base = AMD_PPR_BASE,
			    .head = AMD_PPR_HEAD,
			    .tail = AMD_PPR_TAIL,
			    .words = 2 },
	[AMDVI_LOG_GA] = { .enable = AMD_CTRL_GA_LOG_EN,
			   .interrupt_enable = AMD_CTRL_GA_INT_EN,
			   .run = AMD_ST_GA_RUN,
			   .overflow = AMD_ST_GA_OVERFLOW,
			   .interrupt = AMD_ST_GA_INT,
			   .base = AMD_GA_BASE,
			   .head = AMD_GA_HEAD,
			   .tail = AMD_GA_TAIL,
			   .words = 1 },
};

bool amdvi_log_ring(const struct amdvi *v, enum amdvi_log log, struct ring *ring)
{
	const struct amdvi_log_row *row = &amdvi_logs[log];
	uint64_t base = regs_get(&v->regs, row->base);
	unsigned len = (unsigned)bits_get(base, AMD_RING_LEN);

	*ring = (struct ring){ .base = base & AMD_RING_ADDR,
			       .limit = bits_low(52),
			       .entries = (UINT32_C(2) << len) / row->words, /* 16 bytes << len */
			       .words = row->words,
			       .index = RING_BYTES };
	return len >= AMD_RING_LEN_MIN;
}

/* ---- interrupts of the IOMMU's own; with log_lock held ---- */

/* In x2APIC format. The address is as KVM wants it: destination 31:8 in bits 63:40. */
static struct amdvi_message extended(const struct amdvi *v, enum amdvi_log log)
{
	static const uint32_t at[] = { AMD_XT_EVENT, AMD_XT_PPR, AMD_XT_GA };
	uint64_t x = regs_get(&v->regs, at[log]);
	uint64_t destination = bits_get(x, AMD_XT_DEST_LO) | bits_get(x, AMD_XT_DEST_HI) << 24;

	return (struct amdvi_message){ .due = true,
				       .address = AMD_WINDOW_FIRST | (destination & 0xff) << 12 |
						  (destination & ~UINT64_C(0xff)) << 32 |
						  (x & AMD_XT_DEST_MODE ? AMD_MSI_DM : 0),
				       .data = (uint32_t)(bits_get(x, AMD_XT_VECTOR) |
							  bits_get(x, AMD_XT_DELIVERY) << 8 |
							  BIT(14)) };
}

/* The message of a log; events and completions have one. */
static struct amdvi_message message_of(const struct amdvi *v, enum amdvi_log log)
{
	uint32_t mask = (uint32_t)bits_low(v->msi.messages_lg2);

	if ((v->efr & AMD_EFR_XT) && (amdvi_control(v) & AMD_CTRL_INT_CAP_XT_EN))
		return extended(v, log);
	return (struct amdvi_message){ .due = v->msi.enabled,
				       .address = v->msi.address,
				       .data = (v->msi.data & ~mask) | (v->message[log] & mask) };
}

/* Sets status bits. The message goes out if one of them was not set before. */
static struct amdvi_message raise(struct amdvi *v, enum amdvi_log log, uint64_t bits,
				  uint64_t enable)
{
	uint64_t before = regs_get(&v->regs, AMD_STATUS);

	regs_set_bits(&v->regs, AMD_STATUS, bits);
	if (!(bits & ~before) || !(amdvi_control(v) & enable))
		return (struct amdvi_message){ .due = false };
	return message_of(v, log);
}

static void send(struct amdvi *v, const struct amdvi_message *message)
{
	if (message->due)
		unit_msi(&v->unit, message->address, message->data);
}

void amdvi_completion_interrupt(struct amdvi *v)
{
	struct amdvi_message message;

	pthread_mutex_lock(&v->log_lock);
	message = raise(v, AMDVI_LOG_EVENT, AMD_ST_COM_WAIT_INT, AMD_CTRL_COM_WAIT_INT_EN);
	pthread_mutex_unlock(&v->log_lock);
	send(v, &message);
}

/* ---- entries ---- */

/* Whoever publishes an entry also writes the tail to memory, and looks whether it was overtaken. */
#define TAIL_TRIES 64U

static void show_ga_tail(struct amdvi *v)
{
	uint64_t at = regs_get(&v->regs, AMD_GA_TAIL_ADDR);
	uint64_t tail = regs_get(&v->regs, AMD_GA_TAIL);

	for (unsigned i = 0; at && i < TAIL_TRIES; i++) {
		uint64_t shown = tail;

		mem_store(v->unit.vm, at, &shown, 1);
		tail = regs_get(&v->regs, AMD_GA_TAIL);
		if (tail == shown)
			break;
	}
}

/* The last one out shows that nobody writes any more. */
static void stop_unused(struct amdvi *v, enum amdvi_log log)
{
	if (v->log[log].closed && !v->log[log].writers)
		regs_clear_bits(&v->regs, AMD_STATUS, amdvi_logs[log].run);
}

static struct amdvi_message overflow(struct amdvi *v, enum amdvi_log log)
{
	const struct amdvi_log_row *row = &amdvi_logs[log];

	v->log[log].closed = true;
	return raise(v, log, row->overflow, row->interrupt_enable);
}

/* An entry that is being written. */
struct entry {
	struct ring ring;
	struct ring_place place;
	uint32_t tail; /* stays as it is while there are writers */
};

static bool reserve(struct amdvi *v, enum amdvi_log log, struct entry *e)
{
	const struct amdvi_log_row *row = &amdvi_logs[log];
	struct amdvi_log_state *l = &v->log[log];
	struct amdvi_message message = { .due = false };
	bool ok = false;
	uint32_t head;

	pthread_mutex_lock(&v->log_lock);
	if ((regs_get(&v->regs, AMD_STATUS) & row->run) && !l->closed) {
		e->ring = l->ring;
		ok = ring_position(&l->ring, regs_get(&v->regs, row->head), &head) &&
		     ring_position(&l->ring, regs_get(&v->regs, row->tail), &e->tail) &&
		     ring_reserve(&l->records, &l->ring, head, e->tail, &e->place);
		if (ok)
			l->writers++;
		else
			message = overflow(v, log);
		stop_unused(v, log);
	}
	pthread_mutex_unlock(&v->log_lock);
	send(v, &message);
	return ok;
}

/* What has become of the tail. Nothing is shown of an entry of before amdvi_log_restart(). */
static enum ring_published publish(struct amdvi *v, enum amdvi_log log, struct entry *e,
				   bool written)
{
	struct ring_records *records = &v->log[log].records;
	enum ring_published published;

	pthread_mutex_lock(&v->log_lock);
	published = ring_publish(records, &e->ring, &e->place, written, &e->tail);
	if (published != RING_BUSY)
		regs_put(&v->regs, amdvi_logs[log].tail, ring_register(&e->ring, e->tail));
	pthread_mutex_unlock(&v->log_lock);
	return published;
}

/* The entry is in the log, or lost: then the log stops until software has started it anew. */
static bool leave(struct amdvi *v, enum amdvi_log log, const struct entry *e, bool logged)
{
	const struct amdvi_log_row *row = &amdvi_logs[log];
	struct amdvi_log_state *l = &v->log[log];
	struct amdvi_message message = { .due = false };
	bool ours;

	pthread_mutex_lock(&v->log_lock);
	ours = e->place.generation == l->records.generation;
	if (ours)
		message = logged ? raise(v, log, row->interrupt, row->interrupt_enable)
				 : overflow(v, log);
	l->writers--;
	stop_unused(v, log);
	pthread_mutex_unlock(&v->log_lock);
	send(v, &message);
	return ours && logged;
}

bool amdvi_log_put(struct amdvi *v, enum amdvi_log log, const uint64_t *word)
{
	struct entry e;
	bool logged;

	if (!reserve(v, log, &e))
		return false;
	logged = ring_write(&v->unit, &e.ring, &e.place, word);
	logged = publish(v, log, &e, logged) != RING_LOST && logged;
	if (logged && log == AMDVI_LOG_GA)
		show_ga_tail(v);
	return leave(v, log, &e, logged);
}

/* ---- on and off; with log_lock held ---- */

void amdvi_log_open(struct amdvi *v, enum amdvi_log log)
{
	const struct amdvi_log_row *row = &amdvi_logs[log];
	struct amdvi_log_state *l = &v->log[log];
	uint64_t status = regs_get(&v->regs, AMD_STATUS);

	if (status & row->overflow)
		return;
	if (status & row->run) { /* entries are on their way to the ring, which is the same */
		l->closed = false;
		return;
	}
	if (!amdvi_log_ring(v, log, &l->ring))
		return;
	ring_records_reset(&l->records);
	l->closed = false;
	regs_set_bits(&v->regs, AMD_STATUS, row->run);
}

void amdvi_log_close(struct amdvi *v, enum amdvi_log log)
{
	v->log[log].closed = true;
	stop_unused(v, log);
}

void amdvi_log_restart(struct amdvi *v, enum amdvi_log log)
{
	const struct amdvi_log_row *row = &amdvi_logs[log];
	struct amdvi_log_state *l = &v->log[log];
	uint64_t status = regs_get(&v->regs, AMD_STATUS);
	uint64_t control = amdvi_control(v);

	ring_records_reset(&l->records);
	l->closed = true;
	regs_clear_bits(&v->regs, AMD_STATUS, row->run);
	if ((status & row->run) && (control & AMD_CTRL_IOMMU_EN) && (control & row->enable))
		amdvi_log_open(v, log);
}
