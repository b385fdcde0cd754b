/* SPDX-License-Identifier: BSD-3-Clause */
/* no_syscalls.h - processes that may not make system calls, and what became of them. */
#ifndef TESTS_NO_SYSCALLS_H
#define TESTS_NO_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>

/* Runs @body in a child, which it ends by confined_end(). Returns what waitpid() says of it. */
int confined_run(void (*body)(void *shared), void *shared);
_Noreturn void confined_end(void);

/* Memory that the children see, too, zeroed. */
void *confined_share(size_t bytes);

/* From now on this thread may read, write, return from a signal and exit: SECCOMP_MODE_STRICT. */
void confine_strictly(void);
/* From now on every thread may make these calls, of those there are, and exit: others kill the process with SIGSYS. */
void confine_to(const int *calls, unsigned count);

/* In a build with a sanitizer, which makes calls of its own: says so, and skips the test. */
void skip_if_instrumented(void);

#endif
