/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_sent.h - which addresses a backend may have translations of: a bounded record that may name
 * more than there is, never less.
 */
#ifndef VHOST_SENT_H
#define VHOST_SENT_H

#include <stdbool.h>
#include <stdint.h>

#define VHOST_SENT_MAX 64U

struct vhost_range {
	uint64_t first;
	uint64_t last;
};

/* Ranges that neither touch nor overlap, in no order. */
struct vhost_sent {
	uint32_t count;
	struct vhost_range range[VHOST_SENT_MAX];
};

/* Adds a range. When there is no place for it, the nearest one grows to include it. */
void vhost_sent_add(struct vhost_sent *sent, uint64_t first, uint64_t last);

/* Removes [first, last]; when there is no place for what remains of a range, all of it stays. */
void vhost_sent_remove(struct vhost_sent *sent, uint64_t first, uint64_t last);

/* Whether anything of [first, last] may have been sent. */
bool vhost_sent_any(const struct vhost_sent *sent, uint64_t first, uint64_t last);

/* Whether there is no address between them: they can be one range. */
bool vhost_range_touches(const struct vhost_range *a, uint64_t first, uint64_t last);

/* Makes *a the smallest range with both. */
void vhost_range_include(struct vhost_range *a, uint64_t first, uint64_t last);

#endif
