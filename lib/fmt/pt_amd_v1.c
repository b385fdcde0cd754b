/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_amd_v1.c - walks of AMD-Vi host tables. */

#include "pt_amd_v1_format.h"
#include "pt_memory.h"

static enum pt_end observed_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_observed_load(w, s, raw, "host table");
}

static const struct pt_memory v1_memory = { .load = pt_plain_load, .update = pt_plain_update };
static const struct pt_memory v1_still = { .load = pt_plain_load };
static const struct pt_memory v1_observed = { .load = observed_load };

static __attribute__((noinline)) enum pt_end go_on(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&v1_format, &v1_memory, w, s);
}

enum pt_end pt_amd_v1_walk(struct pt_walk *w)
{
	return pt_hurry(&v1_format, w, go_on);
}

enum pt_end pt_amd_v1_peek(struct pt_walk *w)
{
	return pt_walk(&v1_format, &v1_still, w);
}

enum pt_end pt_amd_v1_observe(struct pt_walk *w)
{
	return pt_walk(&v1_format, &v1_observed, w);
}

enum pt_visit_end pt_amd_v1_visit(struct pt_visit *v)
{
	return pt_visit(&v1_format, &v1_still, v);
}
