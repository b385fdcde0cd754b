/* SPDX-License-Identifier: BSD-3-Clause */
/* guest_internal.h - what the files of guest.h share. */
#ifndef TESTS_GUEST_INTERNAL_H
#define TESTS_GUEST_INTERNAL_H

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest.h"

/* Counts a callback and calls the hook; returns how many there were before. */
unsigned guest_called(struct guest *g, enum guest_event event);

#endif
