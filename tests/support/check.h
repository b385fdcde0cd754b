/* SPDX-License-Identifier: BSD-3-Clause */
/* check.h - cmocka, and comparisons that name the row of a table that failed. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* check_eq(row, actual, expected): any integers; pointers need a cast. */
#define check_eq(row, actual, expected)                                                            \
	check_equal(row, #actual, (uint64_t)(actual), (uint64_t)(expected), __FILE__, __LINE__)

/* check_that(row, condition) */
#define check_that(row, condition)                                                                 \
	check_equal(row, #condition, (condition) ? 1 : 0, 1, __FILE__, __LINE__)

static inline void check_equal(const char *row, const char *what, uint64_t actual,
			       uint64_t expected, const char *file, int line)
{
	if (actual == expected)
		return;
	print_error("%s: %s is 0x%llx, not 0x%llx\n", row, what, (unsigned long long)actual,
		    (unsigned long long)expected);
	_fail(file, line);
}

#endif
