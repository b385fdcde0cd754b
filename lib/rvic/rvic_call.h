/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic_call.h - what RVIC and RVID have in common: configuration, arguments of hypercalls, and the
 * first record of a saved state. */
#ifndef RVIC_CALL_H
#define RVIC_CALL_H

#include <libvirtiommu/rvic.h>

#include "machine.h"
#include "rvic_spec.h"

struct state_reader;
struct state_writer;

/* What an argument has to be. */
enum rvic_argument {
	ARGUMENT_NONE,
	ARGUMENT_KEY,
	ARGUMENT_CPU,
	ARGUMENT_INTID,
	ARGUMENT_TRUSTED,
	ARGUMENT_UNTRUSTED,
	ARGUMENT_INPUT,
};

#define RVIC_ARGUMENTS 3U

/* The arguments of a call, checked. */
struct rvic_operands {
	uint32_t cpu;
	uint32_t intid;
	uint32_t number; /* key or input */
};

/* A controller as its callers see it. */
struct rvic_interface {
	struct viommu_rvic_config config; /* with the defaults filled in; mpidr is ours */
	uint32_t total;
	bool rvid;
};

/* f->rvid is set. @any: also numbers of interrupts that the public constructors refuse. VIOMMU_OK,
 * VIOMMU_EINVAL, VIOMMU_ESIZE */
int rvic_take_config(struct rvic_interface *f, const struct viommu_rvic_config *given, bool any);
/* Keeps the MPIDRs at @to. False: two CPUs have the same, or it has bits that are not affinity. */
bool rvic_take_mpidrs(struct rvic_interface *f, uint64_t *to);

/* The index of the function in x0, if it is in the range; @known or above: there is none, answered.
 * VIOMMU_OK, VIOMMU_ENOENT */
int rvic_function(const struct rvic_interface *f, uint64_t x[4], uint32_t known, uint32_t *number);
/* Checks the arguments in x1 and behind; a status. */
uint64_t rvic_check(const struct rvic_interface *f, const uint8_t argument[RVIC_ARGUMENTS],
		    const uint64_t x[4], struct rvic_operands *operands);
void rvic_answer(uint64_t x[4], uint64_t status, uint64_t value);

void rvic_save_config(const struct rvic_interface *f, struct state_writer *state);
bool rvic_load_config(const struct rvic_interface *f, struct state_reader *state);

#endif
