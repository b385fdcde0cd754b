/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_engine.h - one virtio-iommu: its state, and what its files call of one another. */
#ifndef VIRTIO_ENGINE_H
#define VIRTIO_ENGINE_H

#include "completion.h"
#include "range_map.h"
#include "unit.h"
#include "virtio_spec.h"

/* struct context.key.kind */
enum virtio_kind { VIRTIO_KIND_PASS, VIRTIO_KIND_MAP };

/*
 * A set of reserved regions, sorted. Endpoints with equal sets have the same one: it is part of
 * what makes two requests translate alike. A set stays until the IOMMU is freed.
 */
struct virtio_regions {
	struct virtio_regions *next;
	uint32_t id; /* not 0, which stands for no regions */
	uint32_t count;
	struct viommu_virtio_region region[];
};

#define VIRTIO_REGIONS_MAX 64U

/*
 * What an endpoint is attached to, in one word: 0, or the incarnation of a domain. A domain's slot
 * may be used again, an incarnation never is: whoever has looked something up in a slot compares
 * afterwards.
 */
#define VIRTIO_ATTACHED_SLOT BITS(19, 0)
#define VIRTIO_ATTACHED_PASS BIT(20) /* a bypass domain */
#define VIRTIO_ATTACHED_ONE  BIT(21) /* counts */
/* No incarnation: on its way to a domain. Its requests are refused, whatever config.bypass says. */
#define VIRTIO_ATTACHED_BETWEEN BIT(63)

struct virtio_domain;

/* The oldest of some uses of what may have been taken away: of a section, its epoch, and of an
 * invalidation that has not been answered, its token. UINT64_MAX: there is none. */
struct virtio_use {
	uint64_t epoch;
	uint64_t token;
};

#define VIRTIO_USES 1024U

/* virtio_use.c: as they were when they were gathered. */
struct virtio_uses {
	uint64_t gathered; /* how often */
	bool under_way;	   /* not all sections have been looked at yet */
	uint64_t
		since; /* for requests of this epoch and older ones; each section was looked at later */
	bool asked; /* ... and since the last time that virtio_asked() said no */
	bool ask;   /* the same of the next one */
	struct epoch_scan scan;
	struct virtio_use all;
	struct virtio_use anybody;  /* of who is no endpoint in particular */
	struct virtio_use left[64]; /* of domains that their endpoints have left */
	struct virtio_use endpoint[VIRTIO_USES];
};

struct virtio_endpoint {
	struct viommu_device device;
	/* Read by everyone who translates. */
	_Atomic uint64_t attached;
	_Atomic(const struct virtio_regions *) regions; /* or NULL */
	/* The thread that has the unit. */
	uint64_t granule;
	uint64_t mark; /* of a restore: seen already */
	/* What it may still use of domains that it has left: bits of them, since when nobody begins
	 * to, and the last invalidation that was asked for meanwhile. */
	uint64_t left;
	uint64_t moved;
	uint64_t moved_token;
	uint64_t paid; /* the invalidation that stands for those which could not be asked for */
	/* Its own cache could not be told: too many were outstanding. Written under devices_lock. */
	_Atomic bool owes;
	/* Under devices_lock. */
	struct virtio_domain *domain;	    /* whose list it is on, or NULL */
	struct virtio_endpoint *next_owing; /* of those that owe */
	struct virtio_endpoint **at_owing;
	struct virtio_endpoint *next; /* in its domain */
	struct virtio_endpoint **at;  /* what points to this one */
};

struct virtio_domain {
	/* Read by everyone who translates. */
	_Atomic uint64_t incarnation; /* 0: free */
	struct range_map map;
	_Atomic uint32_t id;
	/* The thread that has the unit. */
	uint32_t next;	  /* in its bucket, or of the free ones: slot + 1 */
	uint64_t granule; /* mappings are multiples of: the largest of the endpoints' */
	const struct virtio_regions *regions; /* of the endpoints that have some */
	bool mixed;			      /* they do not have all the same */
	bool caches;			      /* there is an endpoint with a cache of its own */
	bool stale; /* endpoints have left since: it may be less. Mappings are multiples still */
	bool saved;
	uint64_t gathered; /* of virtio.uses, when use was last written */
	struct virtio_use use;
	/* Under devices_lock. */
	struct virtio_endpoint *endpoints;
	uint32_t endpoint_count;
	uint32_t next_changed; /* slot + 1 */
	bool changed;	       /* an endpoint was freed */
};

/* Who has to have let go before something is complete. */
enum virtio_scope { VIRTIO_ALL, VIRTIO_DOMAIN, VIRTIO_ENDPOINT };

/* A request whose answer is in its buffer, and which someone may still have to hear of. */
struct virtio_pending {
	uint64_t token; /* the VMM's */
	struct completion completion;
	enum virtio_scope scope;
	uint64_t concerns; /* incarnation of the domain, or serial of the endpoint's device */
};

#define VIRTIO_PENDING_MAX 1024U

/* What is left to do of what is under way. */
enum virtio_phase {
	VIRTIO_IDLE,	      /* nothing is */
	VIRTIO_COUNTING,      /* MAP: what the domain's endpoints permit */
	VIRTIO_FITTING,	      /* ATTACH: whether mappings are multiples of the endpoint's granule */
	VIRTIO_REMOVING,      /* UNMAP: the mappings, */
	VIRTIO_TELLING_UNMAP, /* then telling the domain's endpoints */
	VIRTIO_TELLING_MAP,   /* MAP: the same of the new mapping */
	VIRTIO_ATTACHING,     /* ATTACH: telling the endpoint's listeners of all mappings */
	VIRTIO_DETACHING,     /* a reset: all endpoints, */
	VIRTIO_FREEING,	      /* then all domains, */
	VIRTIO_TELLING,	      /* then telling all endpoints; or how those are treated that are not
				 attached */
};

/* To which endpoints the job goes: one, those of a domain, all. */
enum virtio_walk { VIRTIO_WALK_ONE, VIRTIO_WALK_DOMAIN, VIRTIO_WALK_ALL };

struct virtio_job {
	enum virtio_phase phase;
	bool request;	/* of the guest's */
	bool pending;	/* that has been answered with VIOMMU_PENDING */
	bool everybody; /* VIRTIO_TELLING: not only those who are not attached */
	bool told;	/* VIRTIO_TELLING: the endpoint, of everything but its mappings */
	uint64_t token;
	unsigned char *status; /* in the request's buffer */
	struct virtio_domain *domain;
	struct range_item item; /* MAP; UNMAP: first and last alone */
	uint64_t at;		/* address or slot: those before have been done */
	uint32_t had;		/* UNMAP: mappings before */
	uint64_t incarnation;	/* of the domain, which may have died meanwhile */
	bool overlaps;		/* VIRTIO_COUNTING: reserved regions */
	/* VIRTIO_FITTING */
	uint64_t granule;
	uint32_t id; /* of the endpoint, */
	uint32_t serial;
	uint32_t domain_id;
};

struct virtio_event {
	uint32_t reason;
	uint32_t flags;
	uint32_t endpoint;
	uint64_t address;
};

struct virtio {
	struct viommu unit;
	struct viommu_virtio_config config;
	uint64_t granule;

	/* Read by everyone who translates. */
	_Atomic uint32_t pass;	 /* endpoints that are not attached bypass */
	_Atomic uint32_t bypass; /* config.bypass; written by the thread that has the unit */
	struct range_pool *pool;
	struct virtio_domain *domain; /* config.domains + 1: one more while an endpoint changes over
				       */
	_Atomic(struct virtio_regions *) regions; /* all sets */

	/* The thread that has the unit. */
	uint64_t accepted;
	uint32_t *bucket; /* by hash of the id: slot + 1 */
	uint32_t buckets; /* a power of two */
	uint32_t domain_count;
	uint32_t domain_used; /* slots beyond were never used */
	uint32_t domain_free; /* slot + 1 */
	uint64_t incarnations;
	uint64_t restores;
	bool unsynced;			/* this call has taken something away */
	struct virtio_pending taking;	/* scope and concerns: from whom */
	struct virtio_pending *pending; /* in the order in which they came */
	uint32_t pending_count;
	struct virtio_job job;
	bool retell; /* after it: how endpoints are treated that are not attached has changed */
	/* No requests, of which nobody is told that they are complete; not begun: there is none. */
	struct virtio_pending quiet;
	struct virtio_pending barrier; /* a reset: requests wait for it */
	struct virtio_uses uses;

	/* Under devices_lock. */
	struct virtio_endpoint *at; /* the next one that the job comes to */
	enum virtio_walk walk;
	struct virtio_endpoint *owing;
	_Atomic uint32_t owers;

	_Atomic uint32_t changed; /* slot + 1 of a domain that lost a freed endpoint; written under
				     devices_lock */

	pthread_mutex_t event_lock; /* guards what follows */
	struct virtio_event *event; /* a ring of config.events */
	uint32_t event_first;
	uint32_t event_count;
};

extern const struct engine virtio_engine;

static inline struct virtio *virtio_of(struct viommu *u)
{
	return (struct virtio *)u; /* unit is the first member */
}

static inline struct virtio_endpoint *virtio_endpoint_of(struct viommu_device *device)
{
	return (struct virtio_endpoint *)device; /* ditto */
}

static inline uint64_t virtio_attached(const struct virtio_endpoint *endpoint)
{
	return atomic_load_explicit(&endpoint->attached, memory_order_acquire);
}

static inline struct virtio_domain *virtio_domain_at(const struct virtio *v, uint64_t attached)
{
	return &v->domain[attached & VIRTIO_ATTACHED_SLOT];
}

/* For the thread that has the unit. */
static inline uint64_t virtio_incarnation(const struct virtio_domain *domain)
{
	return atomic_load_explicit(&domain->incarnation, memory_order_relaxed);
}

static inline bool virtio_is_pass(const struct virtio_domain *domain)
{
	return virtio_incarnation(domain) & VIRTIO_ATTACHED_PASS;
}

static inline bool virtio_aligned(const struct range_item *item, uint64_t granule)
{
	/* last + 1 is 0 for the end of the address space, which counts as aligned */
	return !((item->first | (item->last + 1) | item->target) & (granule - 1));
}

/* With devices_lock held. */
static inline void virtio_link_owing(struct virtio *v, struct virtio_endpoint *e)
{
	e->next_owing = v->owing;
	e->at_owing = &v->owing;
	if (e->next_owing)
		e->next_owing->at_owing = &e->next_owing;
	v->owing = e;
	atomic_store(&e->owes, true);
	atomic_fetch_add(&v->owers, 1);
}

static inline void virtio_unlink_owing(struct virtio *v, struct virtio_endpoint *e)
{
	*e->at_owing = e->next_owing;
	if (e->next_owing)
		e->next_owing->at_owing = e->at_owing;
	atomic_store(&e->owes, false);
	atomic_fetch_sub(&v->owers, 1);
}

static inline void virtio_take_from(struct virtio *v, enum virtio_scope scope, uint64_t concerns)
{
	v->taking.scope = scope;
	v->taking.concerns = concerns;
}

/* The mapping as the TLB has it. A fetch is a read, and nobody keeps dirty. */
static inline uint8_t virtio_perm(uint32_t flags)
{
	unsigned user = flags & (VIOMMU_READ | VIOMMU_WRITE);

	if (user & VIOMMU_READ)
		user |= VIOMMU_EXEC;
	return (uint8_t)(user | user << 3 | PERM_DIRTY);
}

/* ---- virtio_regions.c ---- */
/* The set with this id. */
const struct virtio_regions *virtio_regions_find(const struct virtio *v, uint32_t id);
/* The region that has the address, or NULL; then [*first, *last] is free of regions. */
const struct viommu_virtio_region *virtio_region_at(const struct virtio_regions *regions,
						    uint64_t address, uint64_t *first,
						    uint64_t *last);
/* Sorted, if they are such as a VMM may give. */
bool virtio_regions_take(const struct viommu_virtio_endpoint *given,
			 struct viommu_virtio_region *sorted);
/* The set of these regions, known or new; NULL: no memory. */
const struct virtio_regions *virtio_regions_get(struct virtio *v,
						const struct viommu_virtio_region *sorted,
						uint32_t count);
void virtio_regions_free(struct virtio *v);
/* VIOMMU_MODE_* */
uint32_t virtio_mode(const struct virtio *v, const struct virtio_endpoint *endpoint);

/* ---- virtio_record.c: lines of who is recorded (recorder.h) ---- */
struct record_event;
void virtio_describe(struct viommu *u, struct record_text *text);
void virtio_record_request(struct viommu *u, struct record_event *event,
			   const struct viommu_part *readable, uint32_t readable_count,
			   const struct viommu_part *writable, uint32_t writable_count,
			   uint32_t written);
void virtio_record_endpoint(const struct viommu_device *device, uint32_t id, bool gone,
			    struct record_text *text);
void virtio_record_event(struct virtio *v, const void *bytes, bool dropped);

/* ---- virtio_endpoint.c ---- */
/* The property list of PROBE: at most VIRTIO_REGIONS_MAX * VIRTIO_RESV_MEM_TOTAL bytes. */
uint32_t virtio_properties(const struct virtio_endpoint *endpoint, unsigned char *to);
/* Takes device->config.virtio. */
int virtio_device_new(struct viommu *u, struct viommu_device *device);

/* ---- virtio_domain.c ---- */
static inline uint32_t *virtio_bucket_of(const struct virtio *v, uint32_t id)
{
	return &v->bucket[vm_hash_salted(v->unit.vm->key, v->unit.vm->key[1], id) &
			  (v->buckets - 1)];
}

static inline struct virtio_domain *virtio_domain_find(const struct virtio *v, uint32_t id)
{
	uint32_t at = *virtio_bucket_of(v, id);

	/* some two steps: buckets are as many as domains can be, and the hash is keyed */
	while (at && atomic_load_explicit(&v->domain[at - 1].id, memory_order_relaxed) != id)
		at = v->domain[at - 1].next;
	return at ? &v->domain[at - 1] : NULL;
}

/* NULL: there are config.domains + 1. */
struct virtio_domain *virtio_domain_new(struct virtio *v, uint32_t id, bool pass);
void virtio_domain_free(struct virtio *v, struct virtio_domain *domain);
/* What a domain's endpoints make of it, from the first one on. With devices_lock held, or in use. */
void virtio_count_anew(const struct virtio *v, struct virtio_domain *domain);
void virtio_count_in(struct virtio_domain *domain, const struct virtio_endpoint *endpoint);
/* Whether mappings and endpoint agree. */
bool virtio_fits(const struct virtio *v, const struct range_map *map, uint64_t granule,
		 const struct virtio_endpoint *endpoint);
/* Takes an endpoint to a domain, or with NULL to none. It is attached if it does @arrive; else that
 * is still to come. Nobody is told. */
void virtio_move(struct virtio *v, struct virtio_endpoint *endpoint, struct virtio_domain *domain,
		 bool arrive);
/* Attaches an endpoint to a domain that it agrees with, and tells. */
void virtio_enter(struct virtio *v, struct virtio_endpoint *endpoint, struct virtio_domain *domain);
void virtio_arrive(struct virtio *v, struct virtio_endpoint *endpoint,
		   struct virtio_domain *domain);
/* Detaches an endpoint, a listener of which does not take its mappings. */
void virtio_turn_away(struct virtio *v, struct virtio_endpoint *endpoint);
/* Attaches an endpoint that is not attached; contexts have to be forgotten afterwards. */
void virtio_join(struct virtio *v, struct virtio_endpoint *endpoint, struct virtio_domain *domain);
/* Detaches some endpoint of a domain, contexts have to be forgotten afterwards; false: it has none. */
bool virtio_detach_one(struct virtio *v, struct virtio_domain *domain);
/* Frees a domain, if it is one that has no endpoint. */
void virtio_free_empty(struct virtio *v, struct virtio_domain *domain);
enum virtio_status virtio_attach(struct virtio *v, struct virtio_endpoint *endpoint, uint32_t id,
				 bool pass);
enum virtio_status virtio_detach(struct virtio *v, struct virtio_endpoint *endpoint, uint32_t id);
/* Domains whose endpoints were freed by another thread. */
void virtio_settle_changed(struct virtio *v);

static inline void virtio_settle(struct virtio *v)
{
	if (UNLIKELY(atomic_load_explicit(&v->changed, memory_order_relaxed)))
		virtio_settle_changed(v);
}

/* Brackets a call of which there is one at a time. VIOMMU_EINVAL (not a virtio-iommu), VIOMMU_EBUSY
 */
static inline int virtio_begin(struct viommu *u)
{
	if (!u || !engine_is(u->engine, &virtio_engine))
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	virtio_settle(virtio_of(u));
	return VIOMMU_OK;
}

bool virtio_device_failed(struct viommu *u, struct viommu_device *device);
void virtio_device_gone(struct viommu *u, struct viommu_device *device);

/* ---- virtio_mapping.c ---- */
enum virtio_status virtio_map(struct virtio *v, uint32_t id, const struct range_item *item);
enum virtio_status virtio_unmap(struct virtio *v, uint32_t id, uint64_t first, uint64_t last);
/* MAP, once it is known what endpoints permit. */
enum virtio_status virtio_map_counted(struct virtio *v, struct virtio_domain *domain,
				      const struct range_item *item, bool overlaps);
bool virtio_overlaps(const struct virtio_regions *regions, const struct range_item *item);
/* Whether a mapping is one that MAP can make, apart from what is in the domain. */
enum virtio_status virtio_check_item(const struct virtio *v, uint64_t granule,
				     const struct range_item *item);
/* Telling an endpoint's listeners of mappings: what steps were left for, from *at on. *at is where to go
 * on; it wraps to 0 with the end of the address space. */
enum virtio_told { VIRTIO_TOLD, VIRTIO_TOLD_LATER, VIRTIO_TOLD_REFUSED };
enum virtio_told virtio_tell_mapping(struct virtio *v, struct virtio_endpoint *endpoint,
				     const struct range_item *item, uint64_t *at);
enum virtio_told virtio_tell_mappings(struct virtio *v, struct virtio_endpoint *endpoint,
				      const struct virtio_domain *domain, uint64_t *at);

/* ---- virtio_job.c ---- */
/* What a request has still to do; the request has been carried out as far as the guest can see. */
void virtio_begin_unmap(struct virtio *v, struct virtio_domain *domain, uint64_t first,
			uint64_t last);
void virtio_begin_map(struct virtio *v, struct virtio_domain *domain,
		      const struct range_item *item);
/* Counted from nothing: virtio_count_anew(). */
void virtio_begin_counting(struct virtio *v, struct virtio_domain *domain,
			   const struct range_item *item);
void virtio_begin_fitting(struct virtio *v, struct virtio_domain *domain,
			  const struct virtio_endpoint *endpoint);
void virtio_begin_attach(struct virtio *v, struct virtio_domain *domain,
			 struct virtio_endpoint *endpoint);
/* Detaching everybody, whatever was under way; and telling all endpoints, or those that are not
 * attached. */
void virtio_begin_reset(struct virtio *v);
void virtio_begin_telling(struct virtio *v, bool everybody);
/* The endpoint is about to leave its list; with devices_lock held. */
void virtio_job_forget(struct virtio *v, struct virtio_endpoint *endpoint);
/* The request under way has another status after all. */
void virtio_fail(struct virtio *v, enum virtio_status status);
/* The next endpoint of those that the job is about; with devices_lock held. */
struct virtio_endpoint *virtio_walk_next(const struct virtio *v,
					 const struct virtio_endpoint *endpoint);
void virtio_walk_domain(struct virtio *v, const struct virtio_domain *domain);

/* ---- virtio_steps.c ---- */
/* Goes on until steps run out. True: nothing is under way any more. */
bool virtio_go_on(struct virtio *v);

static inline bool virtio_advance(struct virtio *v)
{
	return !v->job.phase || virtio_go_on(v);
}

/* Endpoints that are not attached are treated otherwise. As virtio_advance(). */
bool virtio_tell_pass(struct virtio *v);
/* Regardless of steps: until what is under way is done as far as a saved state tells; all of it; and
 * detaching everybody, of which nobody is told. */
void virtio_decide(struct virtio *v);
void virtio_finish_job(struct viommu *u);
void virtio_detach_all(struct virtio *v);

/* ---- virtio_sync.c ---- */
/* The endpoint may no longer use [first, last] as it was: listeners and its own cache are told. The
 * endpoint is in use. */
void virtio_take_away(struct virtio *v, struct virtio_endpoint *endpoint, uint64_t first,
		      uint64_t last);
/* All of an endpoint's translations have changed, its mode from @was. */
void virtio_tell_mode(struct virtio *v, struct virtio_endpoint *endpoint, uint32_t was,
		      uint32_t mode);
/* The end of a call that is no request. VIOMMU_PENDING: somebody still uses what it took away. With
 * @barrier, later requests wait for it. */
int virtio_told(struct virtio *v, bool barrier);
/* The end of a request: VIOMMU_OK, or VIOMMU_PENDING. */
int virtio_finish_taking(struct virtio *v, uint64_t token);

static inline int virtio_finish(struct virtio *v, uint64_t token)
{
	if (v->unsynced)
		return virtio_finish_taking(v, token);
	/* Nothing was taken away: it is complete, whatever is told on this occasion. */
	notify_end(&v->unit, VIOMMU_OK);
	return VIOMMU_OK;
}

/* The end of one that has been answered with VIOMMU_PENDING: virtio_complete() does. */
void virtio_finish_later(struct virtio *v, uint64_t token);
/* Completes what can be completed. @done: nothing is under way any more */
int virtio_complete(struct virtio *v, bool done);
void virtio_drop_pending(struct virtio *v);
/* How endpoints are treated that are not attached: whether that has changed. */
bool virtio_decide_pass(struct virtio *v);
/* What the driver is waiting for and has accepted; detaching everybody comes next. */
void virtio_forget(struct virtio *v);

/* ---- virtio_use.c ---- */
/* Takes down who uses what, and whether that holds back a completion. */
bool virtio_gather_uses(struct virtio *v);
/* Whether viommu_run() will be worthwhile, and somebody says so, when what was found in use is so no more, for
 * requests of this epoch and older ones. False: from now on it will be, but uses have to be gathered again. */
bool virtio_asked(struct virtio *v, uint64_t epoch);
bool virtio_in_use(struct virtio *v, const struct virtio_pending *p);
/* The endpoint has left a domain, and its own cache has been told. */
void virtio_note_left(struct virtio *v, struct virtio_endpoint *endpoint, uint64_t incarnation);

/* ---- virtio_translate.c ---- */
int virtio_parse(struct viommu *u, struct query *q, struct context *context);
int virtio_translate(struct viommu *u, struct query *q);
const char *virtio_reason_text(uint32_t reason);
enum pt_visit_end virtio_visit(struct viommu *u, const struct context *context,
			       struct pt_visit *visit);

/* ---- virtio_event.c ---- */
void virtio_record(struct virtio *v, const struct virtio_event *event);
void virtio_drop_events(struct virtio *v);

/* ---- virtio_state.c ---- */
void virtio_save(struct viommu *u, struct state_writer *state);
int virtio_restore(struct viommu *u, struct state_reader *state);

#endif
