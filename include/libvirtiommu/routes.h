/* SPDX-License-Identifier: BSD-3-Clause */
/** @file routes.h - interrupt routes and their cached translations: what feeds KVM's GSI routing.
 */
#ifndef LIBVIRTIOMMU_ROUTES_H
#define LIBVIRTIOMMU_ROUTES_H

#include <libvirtiommu/ioapic.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The interrupt routes of a VM. */
struct viommu_routes;

/** How to create a route cache. Zero the structure, set size, fill in what is wanted. */
struct viommu_routes_config {
	uint32_t size;	   /**< sizeof(struct viommu_routes_config) */
	uint32_t flags;	   /**< 0 */
	uint32_t gsis;	   /**< route ids are below this; at most 65536; 0: 4096 */
	uint32_t reserved; /**< 0 */
	void *opaque;	   /**< passed to the callback */
	/** Invalidations have concerned routes, once for all of them that become complete at a
	 * time; or viommu_routes_deliver() has made a route precise again. Drain them and tell the
	 * kernel before returning: the guest is not told that its invalidations are complete before
	 * this returns. Also called if nothing differs, so that a VMM whose threads set routes and
	 * tell the kernel under a lock of its own takes that lock here. No lock of the library is
	 * held. */
	void (*changed)(void *opaque);
};

/** The route must not deliver. Of a route: it takes no slot in the kernel's table. Of a change,
 * together with VIOMMU_ROUTE_VALID: the pin of an I/O APIC is masked and level-triggered. */
#define VIOMMU_ROUTE_MASKED 2U

/** Where an interrupt comes from. */
struct viommu_route {
	uint32_t size;		      /**< sizeof(struct viommu_route) */
	uint32_t flags;		      /**< VIOMMU_ROUTE_MASKED */
	uint32_t gsi;		      /**< route id */
	uint32_t source;	      /**< requester id of the device, for MSI */
	uint64_t address;	      /**< message address, for MSI */
	uint32_t data;		      /**< message data, for MSI */
	uint32_t pin;		      /**< pin of the I/O APIC */
	struct viommu_ioapic *ioapic; /**< if set, source, address and data come from its pin */
};

/** The route delivers msi, and the kernel may have it. With VIOMMU_MSI_POSTED in msi.flags, msi is
 * only a notification: the kernel may have it only together with the posted descriptor, and a VMM
 * that cannot do that delivers with viommu_routes_deliver(). With VIOMMU_ROUTE_MASKED, the kernel
 * keeps msi so that an interrupt that it has delivered can still be acknowledged: KVM reports the
 * EOI of a level-triggered vector only while a route has it. Nothing may raise the GSI then. */
#define VIOMMU_ROUTE_VALID 1U
/** Of a change: the route does not resolve, and will not before the guest says so; or it was
 * removed. The kernel must not have it. */
#define VIOMMU_ROUTE_REVOKED 4U
/** Of a change: the route does not resolve now, and may do so without the guest having to say
 * anything (VT-d without caching mode). The kernel must not have it: take its eventfd from the
 * kernel, and deliver each of its interrupts with viommu_routes_deliver(). */
#define VIOMMU_ROUTE_ASK 8U

/** What has become of a route. Layout is frozen: 48 bytes. */
struct viommu_route_change {
	uint32_t gsi;	       /**< route id */
	uint32_t flags;	       /**< VIOMMU_ROUTE_VALID, _MASKED, _REVOKED, _ASK */
	struct viommu_msi msi; /**< what to deliver */
};

/**
 * Creates a route cache behind an IOMMU.
 *
 * One at a time per handle of the IOMMU, together with viommu_reg_write().
 * @param iommu   resolves the routes as viommu_remap_msi() does
 * @param config  copied
 * @param routes  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_EBUSY (a call on registers
 * is under way)
 */
VIOMMU_API int viommu_routes_new(struct viommu *iommu, const struct viommu_routes_config *config,
				 struct viommu_routes **routes);

/**
 * Frees a route cache.
 *
 * Alone: nothing else may run on this handle, and no call on registers of the IOMMU.
 * @param routes  may be NULL
 * @return VIOMMU_OK, VIOMMU_EBUSY (a call on registers of the IOMMU is under way: nothing is freed)
 */
VIOMMU_API int viommu_routes_free(struct viommu_routes *routes);

/**
 * Adds a route, or replaces the one with its id, and resolves it. A route that does not resolve is
 * kept, and resolved again when its table entry is invalidated; no fault is recorded. What changed
 * is drained; changed is not called.
 *
 * Any thread, any time.
 * @param routes  the route cache
 * @param route   copied
 * @return VIOMMU_OK: it delivers, or is masked. VIOMMU_FAULT: it does not resolve, the kernel must
 * not have it, and its interrupts are delivered with viommu_routes_deliver(). VIOMMU_EINVAL,
 * VIOMMU_ESIZE, VIOMMU_EBUSY (from inside a guest memory callback of this route cache)
 */
VIOMMU_API int viommu_routes_set(struct viommu_routes *routes, const struct viommu_route *route);

/**
 * Removes a route.
 *
 * Any thread, any time.
 * @param routes  the route cache
 * @param gsi     its id
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT, VIOMMU_EBUSY (see viommu_routes_set())
 */
VIOMMU_API int viommu_routes_remove(struct viommu_routes *routes, uint32_t gsi);

/**
 * What a route delivers now, for VMMs that deliver themselves. A route that did not resolve is asked
 * of the tables again if it may resolve without the guest having said so.
 *
 * Any thread, any time. Takes a lock only for a route that did not resolve, or that is being set
 * all the time.
 * @param routes  the route cache
 * @param gsi     its id
 * @param change  receives the route, flags VIOMMU_ROUTE_VALID or 0 (it delivers nothing); after a
 * failure, what is in it means nothing
 * @return VIOMMU_OK, VIOMMU_ENOENT (no such route), VIOMMU_EINVAL, VIOMMU_EBUSY (as
 * viommu_routes_set(), for a route that does not resolve)
 */
VIOMMU_API int viommu_routes_lookup(struct viommu_routes *routes, uint32_t gsi,
				    struct viommu_route_change *change);

/**
 * Delivers a route's interrupt, as viommu_remap_msi() does for its device's message: faults are
 * recorded, what is posted is posted. For routes that the kernel does not have: VIOMMU_ROUTE_ASK,
 * VIOMMU_ROUTE_REVOKED, and posted ones. One that resolves again becomes a change, and changed is
 * called: the kernel can have it.
 *
 * Any thread, any time. May call changed.
 * @param routes  the route cache
 * @param gsi     its id
 * @param msi     receives the message, for the VMM to inject (with VIOMMU_MSI_POSTED: if
 * VIOMMU_MSI_NOTIFY is set)
 * @return VIOMMU_OK; VIOMMU_FAULT: nothing is to be delivered: refused, or masked (msi->reason is
 * 0); VIOMMU_ENOENT (no such route), VIOMMU_EINVAL, VIOMMU_EBUSY (see viommu_routes_set())
 */
VIOMMU_API int viommu_routes_deliver(struct viommu_routes *routes, uint32_t gsi,
				     struct viommu_msi *msi);

/**
 * Takes the routes that changed since they were last taken. A route that changed and changed back
 * is reported.
 *
 * Any thread, any time.
 * @param routes   the route cache
 * @param changes  receives at most max routes
 * @param max      at least 1
 * @param count    receives how many
 * @return VIOMMU_OK: that is all. VIOMMU_MORE: call again. VIOMMU_EINVAL, VIOMMU_EBUSY (see
 * viommu_routes_set())
 */
VIOMMU_API int viommu_routes_drain(struct viommu_routes *routes,
				   struct viommu_route_change *changes, uint32_t max,
				   uint32_t *count);

/** Counters, for tests and statistics. */
struct viommu_routes_statistics {
	uint32_t size;		/**< sizeof(struct viommu_routes_statistics) */
	uint32_t routes;	/**< routes now */
	uint32_t valid;		/**< of them, how many deliver */
	uint32_t pending;	/**< changes not drained */
	uint64_t resolved;	/**< routes resolved, ever */
	uint64_t invalidations; /**< notifications by the IOMMU, ever */
};

/**
 * Reads the counters.
 *
 * Any thread, any time.
 * @param routes      the route cache
 * @param statistics  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_EBUSY (see viommu_routes_set())
 */
VIOMMU_API int viommu_routes_get_statistics(struct viommu_routes *routes,
					    struct viommu_routes_statistics *statistics);

#ifdef __cplusplus
}
#endif

#endif
