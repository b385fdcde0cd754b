/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_oracle.c - VT-d DMA remapping in the manual's steps: before and after the tables, and what is
 * reported. vtd_oracle.h numbers the choices. */
#include "vtd_oracle_run.h"

#include <assert.h>

enum { TTM_LEGACY = 0, TTM_SCALABLE = 1, TTM_ABORT = 3 };

/* --- 10.4.16-10.4.20: protected memory regions --- */

static bool in_range(uint64_t addr, uint64_t base, uint64_t limit)
{
	return base <= addr && addr <= limit;
}

static bool is_protected(const struct vo_unit *u, uint64_t addr)
{
	return u->pmr_enabled && (in_range(addr, u->plm_base, u->plm_limit) ||
				  in_range(addr, u->phm_base, u->phm_limit));
}

/* Before version 2 only what no table translated. */
static unsigned check_protected(const struct run *t, bool identity)
{
	if (!identity && t->unit->version_major < 2)
		return GO_ON;
	return is_protected(t->unit, t->out) ? BLOCKED_PMR : GO_ON;
}

/* --- No table --- */

static void identity(struct run *t)
{
	t->out = t->req->iova;
	t->size_lg2 = 12;
	t->r = t->w = t->x = true;
}

static unsigned remapping_disabled(struct run *t)
{
	if (is_at(t, VO_AT_TRANSLATION_REQUEST))
		return BLOCKED_DISABLED;
	identity(t);
	if (in_window(t->out))
		return BLOCKED_WINDOW;
	return check_protected(t, true);
}

/* LGN.1, SGN.4, LGN.4, SGN.8: still a host address, and not the interrupt window. */
static unsigned identity_checked(struct run *t)
{
	identity(t);
	if (t->out & bits_from(t->unit->haw))
		return by_mode(t, VO_FR_ADDR_WIDTH, VO_FR_SM_HAW);
	if (in_window(t->out))
		return by_mode(t, VO_FR_INTERRUPT, VO_FR_SM_INTERRUPT);
	return check_protected(t, true);
}

/* 3.14: without PASID, the window belongs to interrupts, whatever the tables say. */
static bool is_window_input(const struct run *t)
{
	return in_window(t->req->iova) && !t->req->has_pasid;
}

/* --- 3.4, 10.4.7: with tables --- */

static unsigned translate_by_tables(struct run *t)
{
	bool is_identity;
	unsigned fault = t->scalable ? vo_scalable_structures(t, &is_identity)
				     : vo_legacy_structures(t, &is_identity);

	if (fault)
		return fault;
	if (is_window_input(t))
		return by_mode(t, VO_FR_INTERRUPT, VO_FR_SM_INTERRUPT);
	if (is_identity)
		return identity_checked(t);
	fault = vo_page_tables(t);
	return fault ? fault : check_protected(t, false);
}

/* RTA.1, RTA.2. */
static unsigned translate(struct run *t)
{
	uint64_t ttm = field(t->unit->rtaddr, 11, 10);

	if (!t->unit->te)
		return remapping_disabled(t);
	if (ttm == TTM_ABORT && ecap(t, ECAP_ADMS))
		return BLOCKED_ABORT;
	if (ttm == TTM_LEGACY)
		return t->req->has_pasid ? VO_FR_PASID_IN_LEGACY : translate_by_tables(t);
	if (ttm != TTM_SCALABLE || !ecap(t, ECAP_SMTS))
		return VO_FR_RTADDR;
	t->scalable = true;
	return translate_by_tables(t);
}

/* --- 7.1: reporting --- */

/* May FPD suppress the record? */
static bool is_qualified(unsigned fault)
{
	switch (fault) {
	case VO_FR_ROOT_P:
	case VO_FR_ROOT_ACCESS:
	case VO_FR_ROOT_RSVD:
	case VO_FR_CONTEXT_ACCESS:
	case VO_FR_RTADDR:
	case VO_FR_PASID_IN_LEGACY:
	case VO_FR_SM_ROOT_ACCESS:
	case VO_FR_SM_ROOT_P:
	case VO_FR_SM_ROOT_RSVD:
	case VO_FR_SM_CONTEXT_ACCESS:
	case VO_FR_DIR_ACCESS:
	case VO_FR_PASID_ACCESS:
		return false;
	default:
		return true;
	}
}

/* 4.1.2: how a translation request that met this condition is completed. */
static unsigned ats_completion(unsigned fault)
{
	switch (fault) {
	case VO_FR_ADDR_WIDTH:
	case VO_FR_SM_CANONICAL:
	case VO_FR_SM_HAW:
	case VO_FR_SM_ADDR_WIDTH:
	case VO_FR_WRITE:
	case VO_FR_READ:
	case VO_FR_FS_P:
	case VO_FR_SM_SS_P:
	case VO_FR_SM_USER:
	case VO_FR_SM_EXECUTE:
	case VO_FR_SM_WRITE:
	case VO_FR_SM_READ:
		return VO_ATS_SUCCESS;
	case VO_FR_SS_ACCESS:
	case VO_FR_SS_RSVD:
	case VO_FR_FS_ACCESS:
	case VO_FR_FS_RSVD:
	case VO_FR_FS_ROOT_ACCESS:
	case VO_FR_FS_TABLE_WIDTH:
	case VO_FR_FS_ROOT_READ:
	case VO_FR_FS_TABLE_READ:
	case VO_FR_FS_TABLE_WRITE:
	case VO_FR_SM_SS_ACCESS:
	case VO_FR_SM_SS_RSVD:
	case VO_FR_SM_SS_ROOT_ACCESS:
	case VO_FR_SM_SS_NO_SNOOP:
	case VO_FR_SM_SS_UPDATE:
	case VO_FR_FS_NO_SNOOP:
	case VO_FR_FS_UPDATE:
		return VO_ATS_COMPLETER_ABORT;
	default: /* structures, mode, interrupt window, protected region */
		return VO_ATS_UNSUPPORTED_REQUEST;
	}
}

static void answer_fault(const struct run *t, unsigned fault, struct vo_answer *ans)
{
	bool blocked = fault > 0xff;

	*ans = (struct vo_answer){
		.reason = blocked ? 0 : (uint8_t)fault,
		.recorded = !blocked && !(t->fpd && is_qualified(fault)),
	};
	if (!is_at(t, VO_AT_TRANSLATION_REQUEST))
		return;
	ans->ats = ats_completion(fault);
	if (ans->ats == VO_ATS_SUCCESS) {
		ans->ok = true;
		ans->size_lg2 = 12;
		ans->recorded = false;
	}
}

static void answer_success(const struct run *t, struct vo_answer *ans)
{
	bool ats = is_at(t, VO_AT_TRANSLATION_REQUEST);

	*ans = (struct vo_answer){
		.ok = true,
		.gpa = t->out,
		.size_lg2 = t->size_lg2,
		.r = t->r,
		.w = t->w && (!ats || wants_write(t)),
		.x = t->x && !ats,
		.ats = ats ? VO_ATS_SUCCESS : VO_ATS_NONE,
	};
	ans->clean = ans->w && vo_is_clean(t);
}

bool vo_is_interrupt_request(const struct vo_request *req)
{
	return req->at == VO_AT_UNTRANSLATED && req->write && !req->has_pasid &&
	       in_window(req->iova);
}

void vo_translate(const struct vo_memory *mem, const struct vo_unit *unit,
		  const struct vo_request *req, struct vo_answer *ans)
{
	struct run t = { .mem = mem, .unit = unit, .req = req };
	unsigned fault;

	assert(!vo_is_interrupt_request(req));
	fault = translate(&t);
	if (fault)
		answer_fault(&t, fault, ans);
	else
		answer_success(&t, ans);
}
