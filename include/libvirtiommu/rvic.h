/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rvic.h - Arm's paravirtual interrupt controllers, RVIC and RVID (ARM-DEN-0103, 00alp1).
 *
 * An RVIC has a controller for each CPU of a VM and belongs to whoever is trusted with the CPUs. An
 * RVID distributes device interrupts and needs no trust: it has inputs, and a map from each to (CPU,
 * INTID). The two share nothing: each may be in a process of its own, with the RVID's signal callback
 * as the wire between them.
 *
 * Interrupt ids below `trusted` are for the trusted side: timers, interrupts between CPUs; they may be
 * level-triggered. Those from `trusted` to trusted + untrusted - 1 are what RVID inputs are mapped to,
 * and edge-triggered.
 *
 * What reaches a CPU is one line, its virtual IRQ: asserted while viommu_rvic_can_signal() says so. */
#ifndef LIBVIRTIOMMU_RVIC_H
#define LIBVIRTIOMMU_RVIC_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The RVIC of a VM. */
struct viommu_rvic;
/** An RVID. */
struct viommu_rvid;

/**
 * @name Limits of a configuration
 * @{
 */
#define VIOMMU_RVIC_CPUS_MAX	  512U	/**< CPUs */
#define VIOMMU_RVIC_TRUSTED_MIN	  32U	/**< trusted interrupts; a multiple of 32 */
#define VIOMMU_RVIC_UNTRUSTED_MIN 32U	/**< untrusted interrupts; a multiple of 32 */
#define VIOMMU_RVIC_TOTAL_MAX	  2048U /**< both together */
/** @} */

/** Status codes for a wrong CPU as the later text has them: an MPIDR with other bits than affinity is
 * a wrong parameter, and RVID answers "invalid CPU" as RVIC does. Without it both are as in the only
 * published implementation: other bits are ignored, and RVID answers "wrong parameter". */
#define VIOMMU_RVIC_ALIGNED_CODES 1U

/** What RVIC and RVID have in common. Zero the structure, set size, fill in what is wanted. */
struct viommu_rvic_config {
	uint32_t size;	    /**< sizeof(struct viommu_rvic_config) */
	uint32_t flags;	    /**< VIOMMU_RVIC_* */
	uint32_t cpus;	    /**< CPUs, 1 to VIOMMU_RVIC_CPUS_MAX */
	uint32_t trusted;   /**< trusted interrupts of each CPU; 0: 32 */
	uint32_t untrusted; /**< untrusted ones, and inputs of an RVID; 0: 480 */
	uint32_t version;   /**< major << 16 | minor, as VERSION answers; 0: 0.3 */
	/** First function number (SMC64); its last 8 bits are 0. 0: 0xc5000200 for an RVIC, 0xc5000100
	 * for an RVID. */
	uint32_t base;
	uint32_t reserved; /**< 0 */
	/** MPIDR of each CPU, affinity bits 39:32 and 23:0 only, no two alike. NULL: CPU n has n.
	 * Copied. */
	const uint64_t *mpidr;
	void *opaque; /**< passed to the callbacks */
	/** RVIC: whether a CPU can be signalled has changed, to either: it has to look at
	 * viommu_rvic_can_signal() before it runs on. Not for the CPU that made the call, whose thread
	 * looks when viommu_rvic_call() returns. No lock is held. May be NULL. */
	void (*kick)(void *opaque, uint32_t cpu);
	/** RVIC: level of a trusted input at this moment, for RESAMPLE: 0 or 1. NULL: what
	 * viommu_rvic_signal() said last. No lock is held. */
	uint32_t (*sample)(void *opaque, uint32_t cpu, uint32_t intid);
	/** RVID: a mapped input has changed: viommu_rvic_signal(rvic, cpu, intid, level,
	 * VIOMMU_RVIC_UNTRUSTED), here or in another process. From viommu_rvid_input() and viommu_rvid_call(). No lock
	 * is held. */
	void (*signal)(void *opaque, uint32_t cpu, uint32_t intid, uint32_t level);
};

/* ---- RVIC ---- */

/**
 * Creates the RVIC of a VM: every CPU disabled, every interrupt masked and not pending.
 *
 * Any thread, any time.
 * @param vm      whose allocator is used
 * @param config  copied; signal is not called
 * @param rvic    receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a number out of range; two CPUs with one MPIDR), VIOMMU_ESIZE,
 * VIOMMU_ENOMEM
 */
VIOMMU_API int viommu_rvic_new(struct viommu_vm *vm, const struct viommu_rvic_config *config,
			       struct viommu_rvic **rvic);

/**
 * Frees an RVIC. It must be freed before its VM.
 *
 * Alone: nothing else may run on this handle.
 * @param rvic  may be NULL
 */
VIOMMU_API void viommu_rvic_free(struct viommu_rvic *rvic);

/**
 * Executes a hypercall. May call kick and sample. A CPU is served by one thread at a time.
 *
 * Any thread, any time.
 * @param rvic       the RVIC
 * @param cpu        that makes the call
 * @param registers  x0 to x3: function number and arguments; on return status, value, 0, 0. An unknown
 * function of the range is answered with -1
 * @return VIOMMU_OK; VIOMMU_ENOENT: the function is not in the range of this RVIC, registers are
 * unchanged. VIOMMU_EINVAL
 */
VIOMMU_API int viommu_rvic_call(struct viommu_rvic *rvic, uint32_t cpu, uint64_t registers[4]);

/** The input is edge-triggered: level 1 is an edge, and not what RESAMPLE finds. */
#define VIOMMU_RVIC_EDGE 1U
/** Who signals is not trusted: only untrusted interrupts are accepted. */
#define VIOMMU_RVIC_UNTRUSTED 2U

/**
 * Sets an input of a CPU. One that rises makes its interrupt pending, unless the CPU is disabled;
 * a trusted one is remembered for RESAMPLE. May call kick.
 *
 * Any thread, any time.
 * @param rvic   the RVIC
 * @param cpu    the CPU
 * @param intid  the interrupt
 * @param level  0 or 1
 * @param flags  VIOMMU_RVIC_EDGE, VIOMMU_RVIC_UNTRUSTED
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_rvic_signal(struct viommu_rvic *rvic, uint32_t cpu, uint32_t intid,
				  uint32_t level, uint32_t flags);

/**
 * Whether a CPU's virtual IRQ is asserted: it is enabled, and an interrupt is pending and not masked.
 * A CPU that waits for interrupts wakes up when it is.
 *
 * Any thread, any time.
 * @param rvic  the RVIC
 * @param cpu   the CPU
 * @return 0 or 1, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_rvic_can_signal(struct viommu_rvic *rvic, uint32_t cpu);

/**
 * Puts one CPU in its state after creation. May call kick.
 *
 * Any thread, any time.
 * @param rvic  the RVIC
 * @param cpu   the CPU
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_rvic_reset_cpu(struct viommu_rvic *rvic, uint32_t cpu);

/**
 * Saves the state of all CPUs. They should stand still: each is saved whole, but not all at once.
 *
 * Any thread, any time.
 * @param rvic    the RVIC
 * @param buffer  receives the state; NULL with capacity 0 asks for the size
 * @param bytes   in: capacity; out: bytes needed
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOSPC (bytes is set)
 */
VIOMMU_API int viommu_rvic_save(struct viommu_rvic *rvic, void *buffer, uint64_t *bytes);

/**
 * Restores a saved state. Refused whole if anything in it is invalid. May call kick.
 *
 * Any thread, any time.
 * @param rvic    the RVIC, with as many CPUs and interrupts
 * @param buffer  what viommu_rvic_save() wrote; not trusted
 * @param bytes   its length
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOMEM, VIOMMU_ESTATE
 */
VIOMMU_API int viommu_rvic_restore(struct viommu_rvic *rvic, const void *buffer, uint64_t bytes);

/* ---- RVID ---- */

/**
 * Creates an RVID: no input is mapped.
 *
 * Any thread, any time.
 * @param vm      whose allocator is used
 * @param config  copied; kick and sample are not called
 * @param rvid    receives the handle
 * @return as viommu_rvic_new(); VIOMMU_EINVAL also without signal
 */
VIOMMU_API int viommu_rvid_new(struct viommu_vm *vm, const struct viommu_rvic_config *config,
			       struct viommu_rvid **rvid);

/**
 * Frees an RVID. It must be freed before its VM.
 *
 * Alone: nothing else may run on this handle.
 * @param rvid  may be NULL
 */
VIOMMU_API void viommu_rvid_free(struct viommu_rvid *rvid);

/**
 * Executes a hypercall, of whichever CPU.
 *
 * Any thread, any time.
 * @param rvid       the RVID
 * @param registers  as for viommu_rvic_call()
 * @return as viommu_rvic_call()
 */
VIOMMU_API int viommu_rvid_call(struct viommu_rvid *rvid, uint64_t registers[4]);

/**
 * Sets an input. Calls signal if it is mapped; the data of a message-signalled interrupt is the number
 * of an input. Takes no lock.
 *
 * Any thread, any time.
 * @param rvid   the RVID
 * @param input  below untrusted
 * @param level  0 or 1
 * @return VIOMMU_OK (also: not mapped, ignored), VIOMMU_EINVAL
 */
VIOMMU_API int viommu_rvid_input(struct viommu_rvid *rvid, uint32_t input, uint32_t level);

/**
 * Saves the map.
 *
 * Any thread, any time.
 * @param rvid    the RVID
 * @param buffer  receives the state; NULL with capacity 0 asks for the size
 * @param bytes   in: capacity; out: bytes needed
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOSPC (bytes is set)
 */
VIOMMU_API int viommu_rvid_save(struct viommu_rvid *rvid, void *buffer, uint64_t *bytes);

/**
 * Restores a saved map. Refused whole if anything in it is invalid.
 *
 * Any thread, any time.
 * @param rvid    the RVID, with as many CPUs and interrupts
 * @param buffer  what viommu_rvid_save() wrote; not trusted
 * @param bytes   its length
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESTATE
 */
VIOMMU_API int viommu_rvid_restore(struct viommu_rvid *rvid, const void *buffer, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
