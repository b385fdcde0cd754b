/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_x86.c - walks of x86-64 tables, alone and nested on a second stage of VT-d's (3.8) or on AMD-Vi host tables. */

#include "pt_amd_v1.h"
#include "pt_nested.h"
#include "pt_vtd_ss.h"
#include "pt_x86_format.h"

static enum pt_end observed_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_observed_load(w, s, raw, "first stage");
}

static enum pt_end nested_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_vtd_ss_walk);
}

static enum pt_end nested_peek(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_vtd_ss_peek);
}

static enum pt_end nested_observe(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = pt_nested_load(w, s, raw, pt_vtd_ss_observe);

	w->observer->saw(w->observer->opaque, "first stage", s->level, s->at, raw, end == PT_OK);
	return end;
}

/* Accessed and dirty of a nested first stage are writes, which the second stage must permit
 * (3.8.1). */
static enum pt_end nested_update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				 uint64_t desired)
{
	return pt_nested_update(w, s, raw, desired, pt_vtd_ss_walk);
}

/* The same on AMD-Vi host tables. */
static enum pt_end hosted_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_amd_v1_walk);
}

static enum pt_end hosted_peek(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_amd_v1_peek);
}

static enum pt_end hosted_observe(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = pt_nested_load(w, s, raw, pt_amd_v1_observe);

	w->observer->saw(w->observer->opaque, "guest table", s->level, s->at, raw, end == PT_OK);
	return end;
}

static enum pt_end hosted_update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				 uint64_t desired)
{
	return pt_nested_update(w, s, raw, desired, pt_amd_v1_walk);
}

static const struct pt_memory fs_memory = { .load = pt_plain_load, .update = pt_plain_update };
static const struct pt_memory fs_still = { .load = pt_plain_load };
static const struct pt_memory fs_observed = { .load = observed_load };
static const struct pt_memory nested_memory = { .load = nested_load, .update = nested_update };
static const struct pt_memory nested_still = { .load = nested_peek };
static const struct pt_memory nested_observed = { .load = nested_observe };
static const struct pt_memory hosted_memory = { .load = hosted_load, .update = hosted_update };
static const struct pt_memory hosted_still = { .load = hosted_peek };
static const struct pt_memory hosted_observed = { .load = hosted_observe };

static __attribute__((noinline)) enum pt_end go_on(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&fs_format, &fs_memory, w, s);
}

enum pt_end pt_x86_walk(struct pt_walk *w)
{
	return pt_hurry(&fs_format, w, go_on);
}

enum pt_end pt_x86_peek(struct pt_walk *w)
{
	return pt_walk(&fs_format, &fs_still, w);
}

enum pt_end pt_x86_observe(struct pt_walk *w)
{
	return pt_walk(&fs_format, &fs_observed, w);
}

enum pt_visit_end pt_x86_visit(struct pt_visit *v)
{
	return pt_visit(&fs_format, &fs_still, v);
}

enum pt_end pt_x86_walk_on_vtd_ss(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &nested_memory, w), pt_vtd_ss_walk);
}

enum pt_end pt_x86_peek_on_vtd_ss(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &nested_still, w), pt_vtd_ss_peek);
}

enum pt_end pt_x86_observe_on_vtd_ss(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &nested_observed, w), pt_vtd_ss_observe);
}

enum pt_visit_end pt_x86_visit_on_vtd_ss(struct pt_visit *v)
{
	return pt_visit(&fs_format, &nested_still, v);
}

enum pt_end pt_x86_walk_on_amd_v1(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &hosted_memory, w), pt_amd_v1_walk);
}

enum pt_end pt_x86_peek_on_amd_v1(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &hosted_still, w), pt_amd_v1_peek);
}

enum pt_end pt_x86_observe_on_amd_v1(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &hosted_observed, w), pt_amd_v1_observe);
}

enum pt_visit_end pt_x86_visit_on_amd_v1(struct pt_visit *v)
{
	return pt_visit(&fs_format, &hosted_still, v);
}
