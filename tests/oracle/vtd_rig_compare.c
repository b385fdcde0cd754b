/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_rig_compare.c - the engine's answer against the oracle's. */
#include "vtd_rig.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* 10.4.14, T2:T1 here as T1 in bit 1: 0 write, 2 read, 3 atomic. Translation requests are reads. */
static unsigned type_of(const struct vo_request *req)
{
	if (req->at == VO_AT_TRANSLATION_REQUEST)
		return 2;
	if (req->read || req->exec)
		return req->write ? 3 : 2;
	return 0;
}

static const char *record_differs(const struct vo_request *req, const struct vo_answer *oracle,
				  const struct rig_record *r)
{
	if (oracle->recorded != r->present)
		return oracle->recorded ? "fault not recorded" : "fault recorded";
	if (!r->present)
		return NULL;
	if (r->reason != oracle->reason)
		return "reason in record";
	if (r->page != (req->iova & ~UINT64_C(0xfff)))
		return "address in record";
	if (r->sid != req->rid)
		return "source id in record";
	if (r->at != req->at)
		return "address type in record";
	if (r->type != type_of(req))
		return "type in record";
	if (r->has_pasid != req->has_pasid || r->pasid != (req->has_pasid ? req->pasid : 0))
		return "PASID in record";
	if (r->priv != (req->has_pasid && req->priv))
		return "privilege in record";
	if (r->exec != (req->has_pasid && req->exec))
		return "execute in record";
	return NULL;
}

bool rig_is_rom(const struct rig *rig, const struct vo_answer *oracle,
		const struct viommu_fragment *f)
{
	return f->host && oracle->gpa >= rig->mem.ro_first && oracle->gpa <= rig->mem.ro_last;
}

static const char *host_differs(const struct rig *rig, const struct vo_answer *oracle,
				const struct viommu_fragment *f)
{
	const struct vt_memory *m = &rig->mem;
	bool backed = !rig->callbacks && oracle->gpa < 8 * m->nwords && (oracle->r || oracle->w);
	bool read_only = oracle->gpa >= m->ro_first && oracle->gpa <= m->ro_last;

	if (read_only)
		return NULL; /* by access, tested elsewhere */
	if (f->host != (backed ? (void *)((uint8_t *)m->words + oracle->gpa) : NULL))
		return "host pointer";
	return NULL;
}

static const char *fragment_differs(const struct rig *rig, const struct vo_answer *oracle,
				    const struct viommu_fragment *f, bool warm)
{
	uint32_t perm = (oracle->r ? VIOMMU_READ : 0) | (oracle->w ? VIOMMU_WRITE : 0) |
			(oracle->x ? VIOMMU_EXEC : 0);
	bool clean = f->flags & VIOMMU_FRAGMENT_CLEAN;
	bool rom = rig_is_rom(rig, oracle, f);

	if (rom)
		perm &= ~VIOMMU_WRITE;
	if (f->perm != perm)
		return "permission";
	if (perm && f->gpa != oracle->gpa)
		return "address";
	if (f->length != 1)
		return "length";
	if (clean != (oracle->clean && !rom) && !(warm && clean))
		return "clean flag";
	return host_differs(rig, oracle, f);
}

const char *rig_differs(const struct rig *rig, const struct vo_request *req,
			const struct vo_answer *oracle, const struct rig_answer *engine, bool warm)
{
	static const uint16_t ats[] = {
		[VO_ATS_NONE] = 0,
		[VO_ATS_SUCCESS] = VIOMMU_ATS_SUCCESS,
		[VO_ATS_UNSUPPORTED_REQUEST] = VIOMMU_ATS_UNSUPPORTED,
		[VO_ATS_COMPLETER_ABORT] = VIOMMU_ATS_ABORT,
	};
	const struct viommu_answer *a = &engine->answer;

	if (engine->result != (oracle->ok ? VIOMMU_OK : VIOMMU_FAULT))
		return "result";
	if (a->ats != ats[oracle->ats])
		return "ATS status";
	if (!oracle->ok && a->reason != oracle->reason)
		return "reason";
	if (a->count != oracle->ok || a->next != req->iova + oracle->ok)
		return "what is covered";
	if (oracle->ok) {
		const char *what = fragment_differs(rig, oracle, &engine->fragment, warm);

		if (what)
			return what;
	}
	return record_differs(req, oracle, &engine->record);
}

void rig_print(const struct rig *rig, const struct vo_request *req, const struct vo_answer *oracle,
	       const struct rig_answer *engine)
{
	const struct vo_unit *u = &rig->unit;
	const struct rig_record *r = &engine->record;

	print_message("unit: cap %016" PRIx64 " ecap %016" PRIx64 " rtaddr %" PRIx64
		      " te %d haw %u version %u pmr %d\n",
		      u->cap, u->ecap, u->rtaddr, u->te, u->haw, u->version_major, u->pmr_enabled);
	print_message("request: rid %04x pasid %s%x iova %016" PRIx64 " at %u%s%s%s%s%s\n",
		      req->rid, req->has_pasid ? "" : "none ", req->pasid, req->iova, req->at,
		      req->read ? " read" : "", req->write ? " write" : "",
		      req->exec ? " exec" : "", req->priv ? " priv" : "",
		      req->no_write ? " nw" : "");
	print_message("oracle: ok %d gpa %" PRIx64 " lg2 %u r%d w%d x%d clean %d reason %02x "
		      "recorded %d ats %u\n",
		      oracle->ok, oracle->gpa, oracle->size_lg2, oracle->r, oracle->w, oracle->x,
		      oracle->clean, oracle->reason, oracle->recorded, oracle->ats);
	print_message("engine: result %d gpa %" PRIx64 " perm %x flags %x host %p next %" PRIx64
		      " count %u reason %02x ats %u\n",
		      engine->result, engine->fragment.gpa, engine->fragment.perm,
		      engine->fragment.flags, engine->fragment.host, engine->answer.next,
		      engine->answer.count, engine->answer.reason, engine->answer.ats);
	print_message("record: present %d reason %02x sid %04x page %" PRIx64
		      " type %u at %u pasid %d:%x exec %d priv %d\n",
		      r->present, r->reason, r->sid, r->page, r->type, r->at, r->has_pasid,
		      r->pasid, r->exec, r->priv);
}
