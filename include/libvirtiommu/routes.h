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
	/** An invalidation has concerned routes: drain them and tell the kernel before returning.
	 * The guest is not told that its invalidation is complete before this returns. Also called
	 * if nothing differs, so that a VMM whose threads set routes and tell the kernel under a
	 * lock of its own takes that lock here. No lock of the library is held. */
	void (*changed)(void *opaque);
};

/** The route does not deliver: it takes no slot in the kernel's table. */
#define VIOMMU_ROUTE_MASKED 1U

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

/** The route delivers msi; otherwise it must not deliver anything. With VIOMMU_MSI_POSTED in
 * msi.flags, msi is only a notification: the kernel may have it only together with the posted
 * descriptor, and a VMM that cannot do that delivers through viommu_remap_msi(). */
#define VIOMMU_ROUTE_VALID 1U

/** What has become of a route. Layout is frozen: 48 bytes. */
struct viommu_route_change {
	uint32_t gsi;	       /**< route id */
	uint32_t flags;	       /**< VIOMMU_ROUTE_VALID */
	struct viommu_msi msi; /**< what to deliver */
};

/**
 * Creates a route cache behind an IOMMU.
 *
 * One at a time per handle of the IOMMU, together with viommu_reg_write().
 * @param iommu   its interrupt remapping resolves the routes
 * @param config  copied
 * @param routes  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_ENOTSUP (no interrupt
 * remapping), VIOMMU_EBUSY
 */
VIOMMU_API int viommu_routes_new(struct viommu *iommu, const struct viommu_routes_config *config,
				 struct viommu_routes **routes);

/**
 * Frees a route cache.
 *
 * Alone: nothing else may run on this handle, and no call on registers of the IOMMU.
 * @param routes  may be NULL
 * @return VIOMMU_OK, VIOMMU_EBUSY (from inside a callback of the IOMMU)
 */
VIOMMU_API int viommu_routes_free(struct viommu_routes *routes);

/**
 * Adds a route, or replaces the one with its id, and resolves it. A route that does not resolve is
 * kept, and resolved again when its table entry is invalidated; no fault is recorded. Does not call
 * changed.
 *
 * Any thread, any time.
 * @param routes  the route cache
 * @param route   copied
 * @return VIOMMU_OK: it delivers, or is masked. VIOMMU_FAULT: it does not resolve. VIOMMU_EINVAL,
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
 * What a route delivers now, for VMMs that deliver themselves.
 *
 * Any thread, any time. Waits for nobody, unless the thread that sets this very route has been stopped
 * while it does.
 * @param routes  the route cache
 * @param gsi     its id
 * @param change  receives the route; after a failure, what is in it means nothing
 * @return VIOMMU_OK, VIOMMU_ENOENT (no such route), VIOMMU_EINVAL
 */
VIOMMU_API int viommu_routes_lookup(const struct viommu_routes *routes, uint32_t gsi,
				    struct viommu_route_change *change);

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
