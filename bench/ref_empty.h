/* SPDX-License-Identifier: BSD-3-Clause */
/* ref_empty.h - a function that does nothing and that no caller can see into. */
#ifndef BENCH_REF_EMPTY_H
#define BENCH_REF_EMPTY_H

void ref_empty(void);

#endif
