/* SPDX-License-Identifier: BSD-3-Clause */
/* range_check.h - whether a range map is as range_node.h says, node by node. */
#ifndef TESTS_RANGE_CHECK_H
#define TESTS_RANGE_CHECK_H

#include "range_node.h"

/* Fails the test if not. Returns how many nodes the map has. */
uint32_t range_check(const struct range_pool *pool, const struct range_map *map);

/* The pool's own counts, all of whose maps have @nodes nodes together. */
void range_check_pool(const struct range_pool *pool, uint32_t nodes);

#endif
