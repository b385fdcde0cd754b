/* SPDX-License-Identifier: BSD-3-Clause */
#include "vu_session.h"
bool rogue_run(struct vu_child *child, const char *socket, const struct vu_options *options)
{ (void)child; (void)socket; (void)options; return true; }
bool unmapped_run(struct vu_child *child, const char *socket, const struct vu_options *options)
{ (void)child; (void)socket; (void)options; return true; }
