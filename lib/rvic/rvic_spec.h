/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic_spec.h - function numbers, status words and MPIDRs of RVIC and RVID (ARM-DEN-0103). The
 * published text leaves the numbers out: these are the only implementation's, and a configuration can
 * have others. */
#ifndef RVIC_SPEC_H
#define RVIC_SPEC_H

#include "bits.h"

#define RVIC_BASE    UINT32_C(0xc5000200)
#define RVID_BASE    UINT32_C(0xc5000100)
#define RVIC_RANGE   UINT32_C(0x100) /* function numbers of each */
#define RVIC_VERSION UINT32_C(3)     /* 0.3 */

/* Functions of an RVIC, from its base. */
enum rvic_function {
	RVIC_F_VERSION,
	RVIC_F_INFO,
	RVIC_F_ENABLE,
	RVIC_F_DISABLE,
	RVIC_F_SET_MASKED,
	RVIC_F_CLEAR_MASKED,
	RVIC_F_IS_PENDING,
	RVIC_F_SIGNAL,
	RVIC_F_CLEAR_PENDING,
	RVIC_F_ACKNOWLEDGE,
	RVIC_F_RESAMPLE,
};

enum rvid_function {
	RVID_F_VERSION,
	RVID_F_MAP,
	RVID_F_UNMAP,
};

/* x0 on return: reason in bits 7:0, in bits 15:8 the argument that is wrong, the first being 0. */
enum rvic_reason {
	RVIC_SUCCESS,
	RVIC_ERROR_PARAMETER,
	RVIC_INVALID_CPU,
	RVIC_DISABLED,
	RVIC_NO_INTERRUPTS,
};

#define RVIC_STATUS(reason, argument) ((uint64_t)(reason) | (uint64_t)(argument) << 8)
#define RVIC_NOT_SUPPORTED	      UINT64_MAX /* SMCCC: -1 */

/* INFO keys */
#define RVIC_INFO_TRUSTED   0U
#define RVIC_INFO_UNTRUSTED 1U

/* MPIDR_EL1: Aff3, and Aff2 to Aff0 */
#define RVIC_MPIDR_AFFINITY (BITS(39, 32) | BITS(23, 0))

#endif
