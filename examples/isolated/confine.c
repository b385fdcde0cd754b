/* SPDX-License-Identifier: BSD-3-Clause */
/* confine.c - a device process that has all it needs gives up everything else. */
#include "confine.h"

#include <endian.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
/* Goes on behind so many instructions if it is equal, or if it is not. */
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

/* The low half of the first argument, which is what the kernel takes of a descriptor. */
#define LOAD_FD                                                                                    \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS,                                                         \
		 offsetof(struct seccomp_data, args) + (BYTE_ORDER == LITTLE_ENDIAN ? 0 : 4))

bool confine(int fd)
{
#ifdef OUR_ARCH
	/* What is behind a jump is counted from the next instruction on. */
	struct sock_filter filter[] = {
		LOAD(arch),
		EQUAL(OUR_ARCH, 0, 9),
		LOAD(nr),
		EQUAL(SYS_futex, 6, 0),
		EQUAL(SYS_exit, 5, 0),
		EQUAL(SYS_exit_group, 4, 0),
		EQUAL(SYS_read, 1, 0),
		EQUAL(SYS_write, 0, 3),
		LOAD_FD,
		EQUAL((uint32_t)fd, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
#else
	(void)fd;
	return false;
#endif
}
