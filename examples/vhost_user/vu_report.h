/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_report.h - figures of runs, for people and for programs. */
#ifndef EXAMPLES_VHOST_USER_VU_REPORT_H
#define EXAMPLES_VHOST_USER_VU_REPORT_H

#include "vu_session.h"

enum { REPORT_RUNS = 64 }; /* at most */

/* results[run * MODE_TIMED + mode]. A table in Markdown, of medians. */
void report_table(const struct vu_result *results, unsigned runs, const struct vu_options *options);

/* Every run, and the medians, as JSON. */
bool report_json(const char *path, const struct vu_result *results, unsigned runs,
		 const struct vu_options *options);

/* One run in a line. */
void report_line(const struct vu_result *result);

#endif
