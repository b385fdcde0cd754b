/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_random.c - guests and backends that do anything in any order (obligations 31, 35). */

#include <string.h>

#include "vhost_backend.h"

/* ---- anything in any order ---- */

/* What the backend has, the tables grant. @all: also what has not been invalidated since. */
static void check_known(struct backend *b, const struct layout *l, const bool *changed)
{
	for (unsigned i = 0; i < PAGES; i++) {
		if (!b->page[i].uaddr || changed[i])
			continue;
		row_equal(b->page[i].uaddr, host(b->u, target(l, i)));
		row_equal(b->page[i].perm & ~l->perm[i], 0);
	}
}

static void change(struct unit *u, struct layout *l, bool *changed)
{
	unsigned first = choose(PAGES);
	unsigned count = 1 + choose(8);

	for (unsigned i = first; i < first + count && i < PAGES; i++) {
		l->target[i] = choose(4) ? i + choose(2) * 3 : choose(2 * PAGES);
		l->perm[i] = choose(5) ? RW : choose(4);
		map(u, l, i);
		changed[i] = true;
	}
}

static void invalidate(struct unit *u, bool *changed, const bool *before)
{
	if (choose(16) == 0) {
		guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
		for (unsigned i = 0; i < PAGES; i++)
			changed[i] = false;
		return;
	}
	for (unsigned i = 0; i < PAGES; i++) {
		if (before[i] && choose(8)) {
			guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), AT(i), 0, 0);
			changed[i] = false;
		}
	}
}

/* For what it lacks, has lost, or has. Afterwards it has it. */
static void ask(struct backend *b, unsigned page)
{
	if (b->page[page].uaddr && choose(3) == 0)
		lose(b, page);
	if (viommu_vhost_miss(b->v, AT(page), 1 + choose(3)) == VIOMMU_OK)
		row_equal(b->page[page].uaddr != 0, true);
}

static void test_any_order(void **state)
{
	unsigned rounds = random_rounds(4000);
	bool changed[PAGES] = { false };
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 16 * GUEST_PAGE, 4 * GUEST_PAGE);

	(void)state;
	row_name = "31 the backend has nothing that the tables do not grant";
	for (unsigned r = 0; r < rounds; r++) {
		bool before[PAGES];

		for (unsigned i = choose(4); i > 0; i--)
			ask(b, choose(PAGES));
		change(u, &l, changed);
		for (unsigned i = choose(3); i > 0; i--)
			ask(b, choose(PAGES));
		for (unsigned i = 0; i < PAGES; i++)
			before[i] = changed[i];
		b->answer = choose(2) ? VIOMMU_OK : VIOMMU_PENDING;
		b->answer_updates = choose(2) ? VIOMMU_OK : VIOMMU_PENDING;
		invalidate(u, changed, before);
		guest_submit_wait(&u->g);
		guest_ring(&u->g);
		while (!guest_waited(&u->g)) {
			row_equal(b->unacknowledged > 0, true);
			row_equal(viommu_vhost_acknowledged(b->v, 1), VIOMMU_OK);
			b->unacknowledged--;
			viommu_run(u->g.iommu);
		}
		acknowledge(b);
		check_known(b, &l, changed);
		b->count = 0;
		guest_take_faults(&u->g);
	}
	print_message("%ju updates, %ju invalidations, %ju without a message of their own\n",
		      (uintmax_t)statistics(b).updates, (uintmax_t)statistics(b).invalidations,
		      (uintmax_t)statistics(b).coalesced);
	detach(b);
	unit_close(u);
}

/* ---- backends that are not ours, and viommu_iotlb ---- */

enum kind { LINUX, DPDK, VDPA, OURS };

struct entry {
	uint64_t first;
	uint64_t last;
	uint64_t uaddr;
	uint32_t perm;
};

/* As their rules are publicly known. Linux vhost: ranges may overlap, the one that begins lowest is
 * found first, one that lacks the permission is an error, not a miss, and the oldest goes when there
 * are too many. DPDK: an update whose first address is known is ignored; a range that lacks the
 * permission is a miss. vdpa: an update that overlaps is an error, and changes nothing. All: an
 * invalidation takes whole ranges. They may forget what they like, and ask for what they have. */
struct peer {
	enum kind kind;
	struct viommu_vhost *v;
	struct entry entry[4 * PAGES];
	unsigned count;
	bool late; /* acts when it is asked to */
	struct viommu_iotlb_msg wire[LOG];
	unsigned sent;
	unsigned acted;
	unsigned updates;
	unsigned again; /* of these, what it had */
	/* OURS */
	struct viommu_iotlb *iotlb;
	struct viommu_iotlb_reader *reader;
	uint64_t missed;
	uint32_t missed_access;
};

static struct peer peer;

static void forget(struct peer *p, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < p->count;) {
		if (p->entry[i].first <= last && p->entry[i].last >= first)
			p->entry[i] = p->entry[--p->count];
		else
			i++;
	}
}

static bool same(const struct entry *a, const struct entry *b)
{
	return a->first == b->first && a->last == b->last && a->uaddr == b->uaddr &&
	       a->perm == b->perm;
}

/* What it overlaps is the very same: VIOMMU_EEXIST if there is any and the kind says so. */
static int learn(struct peer *p, const struct entry *e)
{
	bool known = false;

	for (unsigned i = 0; i < p->count; i++) {
		if (p->entry[i].first > e->last || p->entry[i].last < e->first)
			continue;
		row_equal(same(&p->entry[i], e), true);
		known = true;
	}
	p->again += known;
	if (known && p->kind != LINUX)
		return p->kind == VDPA ? VIOMMU_EEXIST : VIOMMU_OK;
	if (p->count == ROWS(p->entry))
		memmove(&p->entry[0], &p->entry[1], --p->count * sizeof(p->entry[0]));
	p->entry[p->count++] = *e;
	return VIOMMU_OK;
}

static int act(struct peer *p, const struct viommu_iotlb_msg *m)
{
	uint64_t last = m->iova + (m->size - 1);

	if (p->kind == OURS && m->type == VIOMMU_IOTLB_INVALIDATE)
		row_equal(viommu_iotlb_invalidate(p->iotlb, m->iova, last), VIOMMU_OK);
	else if (p->kind == OURS)
		row_equal(viommu_iotlb_insert(p->iotlb, m->iova, last, (void *)(uintptr_t)m->uaddr,
					      0, m->perm),
			  VIOMMU_OK);
	else if (m->type == VIOMMU_IOTLB_INVALIDATE)
		forget(p, m->iova, last);
	else
		return learn(p, &(struct entry){ m->iova, last, m->uaddr, m->perm });
	return VIOMMU_OK;
}

static int peer_send(void *opaque, const struct viommu_iotlb_msg *m)
{
	struct peer *p = opaque;

	p->updates += m->type == VIOMMU_IOTLB_UPDATE;
	if (!p->late)
		return act(p, m);
	assert_true(p->sent < LOG);
	p->wire[p->sent++] = *m;
	return VIOMMU_PENDING;
}

static void catch_up(struct peer *p)
{
	while (p->acted < p->sent) {
		act(p, &p->wire[p->acted++]);
		row_equal(viommu_vhost_acknowledged(p->v, 1), VIOMMU_OK);
	}
	p->acted = 0;
	p->sent = 0;
}

static const struct entry *lookup(const struct peer *p, uint64_t iova)
{
	const struct entry *found = NULL;

	for (unsigned i = 0; i < p->count; i++) {
		const struct entry *e = &p->entry[i];

		if (e->first <= iova && iova <= e->last && (!found || e->first < found->first))
			found = e;
	}
	return found;
}

/* What becomes of an access. It asks no more than three times: it was evicted meanwhile, it lacked a
 * permission. */
static bool allowed(struct peer *p, uint64_t iova, uint32_t access, uint64_t *uaddr)
{
	for (unsigned asked = 0;; asked++) {
		const struct entry *e = lookup(p, iova);

		if (e && (e->perm & access) == access) {
			*uaddr = e->uaddr + (iova - e->first);
			return true;
		}
		if (e && p->kind == LINUX)
			return false;
		row_equal(asked < 3, true);
		if (viommu_vhost_miss(p->v, iova, access) == VIOMMU_FAULT) {
			catch_up(p);
			return false;
		}
		catch_up(p);
	}
}

static void on_miss(void *opaque, uint64_t iova, uint32_t access)
{
	struct peer *p = opaque;

	p->missed = iova;
	p->missed_access = access;
}

/* The same of viommu_iotlb, which learns of a refusal by an update, or here. */
static bool ours_allowed(struct peer *p, uint64_t iova, uint32_t access, uint64_t *uaddr)
{
	for (unsigned turn = 0;; turn++) {
		struct viommu_iotlb_range range;
		unsigned before = p->updates;
		int result;

		p->missed_access = 0;
		row_equal(viommu_iotlb_enter(p->reader), VIOMMU_OK);
		result = viommu_iotlb_get_range(p->reader, iova, access, &range);
		row_equal(viommu_iotlb_leave(p->reader), VIOMMU_OK);
		if (result == VIOMMU_OK) {
			*uaddr = (uint64_t)(uintptr_t)range.host + (iova - range.first);
			return true;
		}
		if (result == VIOMMU_FAULT)
			return false;
		row_equal(result, VIOMMU_PENDING);
		row_equal(p->missed_access != 0 && turn < 4, true);
		result = viommu_vhost_miss(p->v, p->missed, p->missed_access);
		catch_up(p);
		if (result == VIOMMU_FAULT && (p->updates == before || choose(2)))
			viommu_iotlb_refused(p->iotlb, p->missed, p->missed_access);
	}
}

static void open_ours(struct peer *p)
{
	struct viommu_iotlb_config config = {
		.size = sizeof(config), .ranges = 1 + choose(9), .opaque = p, .miss = on_miss
	};

	row_equal(viommu_iotlb_new(&config, &p->iotlb), VIOMMU_OK);
	row_equal(viommu_iotlb_reader_new(p->iotlb, &p->reader), VIOMMU_OK);
}

static void close_ours(struct peer *p)
{
	row_equal(viommu_iotlb_reader_free(p->reader), VIOMMU_OK);
	row_equal(viommu_iotlb_free(p->iotlb), VIOMMU_OK);
}

struct scene {
	struct unit *u;
	bool first_stage;
	struct layout l;
	bool owed[PAGES]; /* an invalidation */
};

static void scene_map(struct scene *s, unsigned i)
{
	uint64_t perm = s->l.perm[i];

	if (!s->first_stage) {
		map(s->u, &s->l, i);
		return;
	}
	if (perm == W)
		perm = s->l.perm[i] = RW;
	guest_put64(&s->u->g, guest_entry(&s->u->g, s->u->fs, 4, AT(i), 0, 7),
		    perm ? target(&s->l, i) | 5 | (perm & W) : 0);
}

/* What an invalidation is not needed for: a new page, and more permission (not for Linux, which would
 * keep the old one). */
static void scene_change(struct scene *s, enum kind kind)
{
	unsigned i = choose(PAGES);
	uint64_t perm = s->l.perm[i];

	s->l.perm[i] = choose(4) ? RW : choose(4);
	if (choose(3) == 0)
		s->l.target[i] = choose(2) ? i : choose(2 * PAGES);
	else if (perm && (perm & ~s->l.perm[i]) == 0 && kind != LINUX)
		perm = 0;
	scene_map(s, i);
	s->owed[i] = s->owed[i] || perm;
}

static void scene_invalidate(struct scene *s, struct peer *p)
{
	for (unsigned i = 0; i < PAGES; i++) {
		if (s->owed[i])
			guest_submit(&s->u->g,
				     s->first_stage ? Q_PIOTLB(3, UNIT_DID, UNIT_PASID)
						    : Q_IOTLB(3, UNIT_DID),
				     AT(i), 0, 0);
		s->owed[i] = false;
	}
	guest_submit_wait(&s->u->g);
	guest_ring(&s->u->g);
	for (unsigned turns = 0; !guest_waited(&s->u->g); turns++) {
		row_equal(turns < 3, true);
		catch_up(p);
		viommu_run(s->u->g.iommu);
	}
	/* what it has not acted upon is no invalidation */
	for (unsigned n = 0; n < p->count; n++) {
		const struct entry *e = &p->entry[n];

		for (unsigned i = 0; i < PAGES; i++) {
			if (AT(i) < e->first || AT(i) > e->last)
				continue;
			row_equal(e->uaddr + (AT(i) - e->first), host(s->u, target(&s->l, i)));
			row_equal(e->perm & ~s->l.perm[i], 0);
		}
	}
}

/* For what it has, or has not acted upon: another of its threads has asked, too. */
static void ask_twice(struct scene *s, struct peer *p)
{
	for (unsigned n = choose(3); n > 0; n--) {
		int result = viommu_vhost_miss(p->v, AT(choose(PAGES)), 1 + choose(3));

		row_equal(result == VIOMMU_OK || result == VIOMMU_FAULT, true);
	}
	guest_take_faults(&s->u->g);
}

static void scene_use(struct scene *s, struct peer *p)
{
	unsigned i = choose(PAGES);
	uint32_t access = 1 + choose(3);
	uint64_t uaddr = 0;
	bool granted = (access & ~s->l.perm[i]) == 0;

	ask_twice(s, p);
	catch_up(p);
	if (choose(8) == 0 && p->count)
		p->entry[choose(p->count)] = p->entry[p->count - 1], p->count--;
	row_equal((p->kind == OURS ? ours_allowed : allowed)(p, AT(i) + choose(4096), access,
							     &uaddr),
		  granted);
	if (granted)
		row_equal(uaddr & ~UINT64_C(0xfff), host(s->u, target(&s->l, i)));
	else
		guest_take_faults(&s->u->g);
}

/* How many updates it was sent although it had them. */
static unsigned run_peer(enum kind kind, bool first_stage, uint64_t reach, uint64_t ahead,
			 unsigned rounds)
{
	static struct scene s;
	struct viommu_vhost_config config = { .size = sizeof(config),
					      .pasid = first_stage ? UNIT_PASID : NONE,
					      .reach = reach,
					      .ahead = ahead,
					      .ranges = choose(2) ? 5 : 0,
					      .opaque = &peer,
					      .send = peer_send };

	s = (struct scene){ .first_stage = first_stage };
	if (first_stage) {
		s.u = unit_scalable();
		target_base = guest_alloc(&s.u->g, 2 * PAGES);
	} else {
		s.u = open_layout(&s.l);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		s.l.target[i] = i;
		s.l.perm[i] = RW;
		scene_map(&s, i);
	}
	peer = (struct peer){ .kind = kind };
	if (kind == OURS)
		open_ours(&peer);
	row_equal(viommu_vhost_new(s.u->dev, &config, &peer.v), VIOMMU_OK);
	for (unsigned r = 0; r < rounds; r++) {
		peer.late = choose(2);
		for (unsigned i = choose(4); i > 0; i--)
			scene_change(&s, kind);
		scene_invalidate(&s, &peer);
		for (unsigned i = choose(8); i > 0; i--)
			scene_use(&s, &peer);
	}
	catch_up(&peer);
	row_equal(viommu_vhost_free(peer.v), VIOMMU_OK);
	if (kind == OURS)
		close_ours(&peer);
	unit_close(s.u);
	return peer.again;
}

static void test_peers(void **state)
{
	static const char *const names[] = { "35 Linux vhost", "35 DPDK", "35 vdpa",
					     "35 viommu_iotlb" };
	unsigned rounds = random_rounds(600);

	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		unsigned again = 0;

		row_name = names[kind];
		for (unsigned first_stage = 0; first_stage < 2; first_stage++) {
			again += run_peer(kind, first_stage, 0, 0, rounds);
			again += run_peer(kind, first_stage, 1, 0, rounds);
			again +=
				run_peer(kind, first_stage, 8 * GUEST_PAGE, 6 * GUEST_PAGE, rounds);
		}
		print_message("%s: %u updates of what it had\n", row_name, again);
		row_equal(again > 0, kind != OURS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
