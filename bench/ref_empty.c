/* SPDX-License-Identifier: BSD-3-Clause */
/* ref_empty.c - a file of its own, as a library is, so that the call stays a call. */
#include "ref_empty.h"

__attribute__((noinline)) void ref_empty(void)
{
	__asm__ volatile("");
}
