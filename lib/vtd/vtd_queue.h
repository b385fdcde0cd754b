/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_queue.h - what the files of the invalidation queue call of one another. */
#ifndef VTD_QUEUE_H
#define VTD_QUEUE_H

#include "vtd_engine.h"

/* ---- vtd_queue_sync.c ---- */

/* VTD_TIMED_OUT: as far as sections are concerned it is complete, but a device has not dropped what it was to
 * drop. Whatever others still owe, the guest is told now. VTD_REFUSED: host_refused(); it has been shown. */
enum vtd_earlier { VTD_COMPLETE, VTD_INCOMPLETE, VTD_TIMED_OUT, VTD_REFUSED };

/* All that was executed before the descriptor at the head; with @drain, the page requests of now as well.
 * What else is unsynced came from registers, and has completions of its own. */
enum vtd_earlier vtd_queue_earlier(struct vtd *v, bool drain);

/* IQH. The second, of drivers without wait descriptors, which poll it (OpenBSD, Genode): it passes only what is complete. The
 * queue does not wait for it: what was executed after one batch is in flight is the next. Whether it shows everything. */
void vtd_queue_show_position(struct vtd *v, uint32_t position);
bool vtd_queue_show_head(struct vtd *v);

/* What devices did not do in time, or what nobody asked them for: FSTS, IQERCD. */
void vtd_queue_show_time_out(struct vtd *v);
void vtd_queue_show_unexpected(struct vtd *v);

/* 6.5.2.10, 11.4.9.9: shown when what came before it is complete; if that has timed out, with the next try. */
enum ring_executed vtd_queue_error(struct vtd *v, unsigned iqei);

static inline bool vtd_is_legacy(const struct vtd *v)
{
	return vtd_ttm(atomic_load_explicit(&v->root, memory_order_relaxed)) == VTD_TTM_LEGACY;
}

/* ---- vtd_descriptor.c ---- */

/* One descriptor; NULL: it cannot be read. */
enum ring_executed vtd_execute(struct viommu *u, const uint64_t *word);

#endif
