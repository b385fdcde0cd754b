/* SPDX-License-Identifier: BSD-3-Clause */
/* host.c - what an IOMMU asks of its host. */

#include "unit.h"

void unit_work(const struct viommu *u)
{
	vm_moved(u->vm);
	if (u->host.work)
		u->host.work(u->host.opaque);
}

void unit_message(const struct viommu *u, const char *text)
{
	if (u->host.message)
		u->host.message(u->host.opaque, text);
}

void unit_msi(const struct viommu *u, uint64_t address, uint32_t data)
{
	if (u->host.msi)
		u->host.msi(u->host.opaque, address, data);
}

/* ---- wired interrupts ---- */

void unit_edge(struct viommu *u, unsigned number)
{
	atomic_fetch_or(&u->lines.edges, UINT64_C(1) << number);
}

static void tell(struct viommu *u)
{
	struct lines *l = &u->lines;
	uint64_t edges = atomic_exchange(&l->edges, 0);
	uint64_t levels = u->engine->lines ? u->engine->lines(u) : 0;
	uint64_t changed = (levels ^ l->told) | edges;

	l->told = levels;
	/* at most LINES rounds */
	for (; changed; changed &= changed - 1) {
		unsigned n = (unsigned)__builtin_ctzll(changed);
		bool edge = edges >> n & 1;

		u->host.line(u->host.opaque, n, edge || (levels >> n & 1));
		if (edge)
			u->host.line(u->host.opaque, n, 0);
	}
}

/* Of what others change while one tells; then viommu_run() goes on. */
#define ROUNDS 16U

void unit_lines(struct viommu *u)
{
	if (!u->host.line || atomic_fetch_add(&u->lines.calls, 1))
		return;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t calls = atomic_load(&u->lines.calls);

		tell(u);
		if (atomic_compare_exchange_strong(&u->lines.calls, &calls, 0))
			return;
	}
	atomic_store(&u->lines.calls, 0);
	unit_work(u);
}
