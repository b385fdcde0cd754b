/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_vtd_ss.c - walks of VT-d second-stage tables. */

#include "pt_memory.h"
#include "pt_vtd_ss_format.h"

static enum pt_end observed_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_observed_load(w, s, raw, "second stage");
}

static const struct pt_memory ss_memory = { .load = pt_plain_load, .update = pt_plain_update };
static const struct pt_memory ss_still = { .load = pt_plain_load };
static const struct pt_memory ss_observed = { .load = observed_load };

static __attribute__((noinline)) enum pt_end go_on(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&ss_format, &ss_memory, w, s);
}

enum pt_end pt_vtd_ss_walk(struct pt_walk *w)
{
	return pt_hurry(&ss_format, w, go_on);
}

enum pt_end pt_vtd_ss_peek(struct pt_walk *w)
{
	return pt_walk(&ss_format, &ss_still, w);
}

enum pt_end pt_vtd_ss_observe(struct pt_walk *w)
{
	return pt_walk(&ss_format, &ss_observed, w);
}

enum pt_visit_end pt_vtd_ss_visit(struct pt_visit *v)
{
	return pt_visit(&ss_format, &ss_still, v);
}
