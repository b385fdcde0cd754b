/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_requests.c - random images: root, context and PASID tables over the trees; and requests. */
#include "vtd_tables_internal.h"

/* --- Root, context and PASID tables --- */

static void bind_to(struct vt_image *image, uint16_t rid, bool has_pasid, uint32_t pasid, int tree)
{
	if (image->nbindings < VT_MAX_BINDINGS)
		image->binding[image->nbindings++] =
			(struct vt_binding){ rid, has_pasid, pasid, tree };
}

static uint64_t fpd(const struct vt_image *image, struct vt_rng *rng)
{
	return maybe(rng, image->params->fpd_permille, BIT(1));
}

/* The page behind a root entry's half; made on first use. */
static uint64_t context_table(struct vt_image *image, struct vt_rng *rng, uint64_t root_word)
{
	uint64_t e = get(image, root_word);

	if (!e) {
		e = new_page(image, rng) | 1;
		put(image, VT_ROOT, root_word, e);
	}
	return e & ~(PAGE - 1);
}

/* CAP.ND says how wide. */
static uint64_t pick_did(const struct vt_image *image, struct vt_rng *rng)
{
	return below(rng, 1u << (4 + 2 * (image->unit.cap & 7)));
}

static void build_legacy_device(struct vt_image *image, struct vt_rng *rng, uint64_t root,
				uint16_t rid)
{
	uint64_t entry = context_table(image, rng, root + 16u * (rid >> 8)) + 16u * (rid & 0xff);
	unsigned tree = below(rng, 2);
	uint64_t tt = has_ecap(image, E_DT) && permille(rng, 500);
	uint64_t aw = image->tree[tree].levels - 2;
	uint64_t did = pick_did(image, rng);

	if (has_ecap(image, E_PT) && permille(rng, 200))
		tt = 2;
	put(image, VT_CONTEXT, entry, image->tree[tree].root | tt << 2 | fpd(image, rng) | 1);
	put(image, VT_CONTEXT, entry + 8, aw | did << 8 | maybe(rng, 100, 0x78));
	bind_to(image, rid, false, 0, tt == 2 ? -1 : (int)tree);
}

/* Which translation a PASID gets; 0 when the unit has none at all. */
static unsigned pick_pgtt(const struct vt_image *image, struct vt_rng *rng)
{
	static const unsigned bit[] = { E_FSTS, E_SSTS, E_NEST, E_PT };
	static const uint8_t draw[] = { 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 4 };

	for (unsigned tries = 0; tries < 20; tries++) {
		unsigned pgtt = draw[below(rng, sizeof(draw))];

		if (has_ecap(image, bit[pgtt - 1]))
			return pgtt;
	}
	return 2;
}

static uint64_t pasid_qw1(const struct vt_image *image, struct vt_rng *rng)
{
	uint64_t q = pick_did(image, rng);

	if (has_ecap(image, E_SMPWCS))
		q |= maybe(rng, 930, BIT(23));
	if (has_ecap(image, E_SC))
		q |= maybe(rng, 400, BIT(24));
	return q | maybe(rng, 4, vt_random(rng) << 25);
}

static uint64_t pasid_qw2(const struct vt_image *image, struct vt_rng *rng)
{
	uint64_t q = maybe(rng, 800, BIT(5)) | maybe(rng, 400, BIT(6));

	if (has_ecap(image, E_FSTS))
		q |= maybe(rng, 600, BIT(4));
	if (has_ecap(image, E_SRS))
		q |= maybe(rng, 850, BIT(0));
	if (has_ecap(image, E_ERS))
		q |= maybe(rng, 850, BIT(1));
	if (has_ecap(image, E_EAFS))
		q |= maybe(rng, 400, BIT(7));
	return q;
}

/* Returns the tree, or -1 for pass-through. */
static int build_pasid_entry(struct vt_image *image, struct vt_rng *rng, uint64_t entry)
{
	unsigned pgtt = pick_pgtt(image, rng);
	int tree = pgtt == 1 ? 2 : pgtt == 2 ? (int)below(rng, 2) : pgtt == 3 ? 3 : -1;
	const struct vt_tree *fs = pgtt == 1 || pgtt == 3 ? &image->tree[tree] : NULL;
	const struct vt_tree *ss = NULL;
	uint64_t q0 = (uint64_t)pgtt << 6 | fpd(image, rng) | 1;
	uint64_t q2 = pasid_qw2(image, rng);

	if (pgtt == 2)
		ss = &image->tree[tree];
	if (pgtt == 3)
		ss = &image->tree[fs->under];
	if (ss)
		q0 |= ss->root | (uint64_t)(ss->levels - 2) << 2;
	if (ss && has_ecap(image, E_SSADS))
		q0 |= maybe(rng, 500, BIT(9));
	if (fs)
		q2 |= fs->root | (fs->levels == 5 ? BIT(2) : 0);
	put(image, VT_PASID, entry, q0);
	put(image, VT_PASID, entry + 8, pasid_qw1(image, rng));
	put(image, VT_PASID, entry + 16, q2);
	return tree;
}

/* Its directory page serves PASIDs below 32768; tables are made on first use. */
static void build_pasid(struct vt_image *image, struct vt_rng *rng, uint64_t directory,
			uint16_t rid, bool has_pasid, uint32_t pasid)
{
	uint64_t word = directory + 8u * (pasid >> 6);
	uint64_t e = get(image, word);
	uint64_t entry;

	if (!e) {
		e = new_page(image, rng) | fpd(image, rng) | 1;
		put(image, VT_DIRECTORY, word, e);
	}
	entry = (e & ~(PAGE - 1)) + 64u * (pasid & 63);
	if (get(image, entry))
		return;
	bind_to(image, rid, has_pasid, pasid, build_pasid_entry(image, rng, entry));
}

/* Below 32768, and mostly within PDTS and PSS. */
static uint32_t pick_pasid(const struct vt_image *image, struct vt_rng *rng, unsigned pdts)
{
	uint32_t limit = UINT32_C(1) << (pdts + 13);
	uint32_t supported = UINT32_C(2) << (image->unit.ecap >> 35 & 31);

	if (limit > supported && !permille(rng, 30))
		limit = supported;
	if (limit > 32768)
		limit = 32768;
	return below(rng, limit > 130 && permille(rng, 800) ? 130 : limit);
}

static void build_scalable_device(struct vt_image *image, struct vt_rng *rng, uint64_t root,
				  uint16_t rid)
{
	uint64_t half = root + 16u * (rid >> 8) + 8u * (rid >> 7 & 1);
	uint64_t entry = context_table(image, rng, half) + 32u * (rid & 0x7f);
	uint64_t directory = new_page(image, rng);
	unsigned pdts = below(rng, 8);
	uint32_t rid_pasid = has_ecap(image, E_RPS) ? pick_pasid(image, rng, pdts) : 0;
	uint64_t q0 = directory | (uint64_t)pdts << 9 | fpd(image, rng) | 1;
	bool paside = has_ecap(image, E_PASID) && permille(rng, 900);

	if (has_ecap(image, E_DT))
		q0 |= maybe(rng, 850, BIT(2));
	if (has_ecap(image, E_PRS))
		q0 |= maybe(rng, 300, BIT(4));
	put(image, VT_CONTEXT, entry, q0 | (paside ? BIT(3) : 0));
	put(image, VT_CONTEXT, entry + 8,
	    rid_pasid | (has_ecap(image, E_RPRIVS) ? maybe(rng, 200, BIT(20)) : 0));
	build_pasid(image, rng, directory, rid, false, rid_pasid);
	for (unsigned i = 0; paside && i < 3; i++)
		build_pasid(image, rng, directory, rid, true, pick_pasid(image, rng, pdts));
}

/* --- A whole image --- */

static const uint16_t rids[] = { 0x0000, 0x0008, 0x0080, 0x01ff, 0x017f, 0xff18 };
enum { NRIDS = sizeof(rids) / sizeof(rids[0]) };

void vt_build(struct vt_image *image, const struct vt_params *params, struct vt_rng *rng)
{
	bool scalable;
	uint64_t root;
	unsigned first = below(rng, NRIDS), n = 2 + below(rng, 3);

	clear_image(image);
	image->params = params;
	build_unit(image, rng);
	scalable = has_ecap(image, E_SMTS) && permille(rng, 800);
	root = new_page(image, rng);
	image->unit.rtaddr = root | (scalable ? BIT(10) : 0);
	build_trees(image, rng, scalable);
	for (unsigned i = 0; i < n; i++) {
		uint16_t rid = rids[(first + i) % NRIDS];

		if (scalable)
			build_scalable_device(image, rng, root, rid);
		else
			build_legacy_device(image, rng, root, rid);
	}
	if (permille(rng, params->mutate_permille))
		mutate(image, rng);
}

/* --- Requests --- */

static uint64_t edge_address(const struct vt_image *image, struct vt_rng *rng)
{
	static const uint8_t bits[] = { 12, 21, 30, 32, 38, 39, 42, 47, 48, 52, 56, 57, 63 };
	uint64_t addr;

	switch (below(rng, 6)) {
	case 0:
		return WINDOW + below(rng, 0x100000);
	case 1:
		return WINDOW - 1 + below(rng, 2) * UINT64_C(0x100001);
	case 2:
		return BIT(image->unit.haw) - 1 + below(rng, 2);
	case 3:
		addr = BIT(bits[below(rng, sizeof(bits))]) - 1 + below(rng, 2);
		return ~addr;
	case 4:
		return vt_random(rng) >> below(rng, 64);
	default:
		return BIT(bits[below(rng, sizeof(bits))]) - 1 + below(rng, 2);
	}
}

static uint64_t mapped_address(const struct vt_image *image, struct vt_rng *rng, int tree)
{
	const struct vt_tree *t;
	unsigned m;

	if (tree < 0)
		return pick_output(image, rng) + below(rng, 4096);
	t = &image->tree[tree];
	if (!t->nmaps)
		return PAGE * below(rng, 1024);
	m = below(rng, t->nmaps);
	return t->map_in[m] + (vt_random(rng) & (BIT(t->map_lg2[m]) - 1));
}

static void pick_access(struct vt_rng *rng, struct vo_request *req)
{
	unsigned kind = below(rng, 100);

	req->read = kind < 52;
	req->write = kind >= 44 && kind < 90;
	if (kind >= 90) {
		req->read = true;
		req->exec = req->has_pasid;
	}
	req->priv = req->has_pasid && permille(rng, 300);
	if (permille(rng, 150))
		req->at = VO_AT_TRANSLATION_REQUEST;
	else if (permille(rng, 60))
		req->at = VO_AT_TRANSLATED;
	req->no_write = req->at == VO_AT_TRANSLATION_REQUEST && permille(rng, 300);
}

/* Small changes to a good request: another requester, another PASID, none, one too many. */
static void disturb(const struct vt_image *image, struct vt_rng *rng, struct vo_request *req)
{
	switch (below(rng, 5)) {
	case 0:
		req->rid = rids[below(rng, NRIDS)];
		break;
	case 1:
		req->rid = (uint16_t)vt_random(rng);
		break;
	case 2:
		req->has_pasid = !req->has_pasid;
		req->pasid = req->has_pasid ? below(rng, 130) : 0;
		break;
	case 3:
		req->pasid = req->has_pasid ? (uint32_t)vt_random(rng) & 0xfffff : 0;
		break;
	default:
		req->iova = edge_address(image, rng);
	}
}

void vt_request(const struct vt_image *image, struct vt_rng *rng, struct vo_request *req)
{
	const struct vt_binding *b;

	*req = (struct vo_request){ .rid = rids[below(rng, NRIDS)], .iova = vt_random(rng) };
	if (image->nbindings) {
		b = &image->binding[below(rng, image->nbindings)];
		req->rid = b->rid;
		req->has_pasid = b->has_pasid;
		req->pasid = b->pasid;
		req->iova = mapped_address(image, rng, b->tree);
	}
	if (permille(rng, 130))
		disturb(image, rng, req);
	pick_access(rng, req);
	if (vo_is_interrupt_request(req)) {
		req->write = false;
		req->read = true;
	}
}
