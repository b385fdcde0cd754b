/* SPDX-License-Identifier: BSD-3-Clause */
/* epoch_fence.c - sections: epochs begin, and the fences of readers that have none of their own. */

#include <sys/syscall.h>
#include <unistd.h>

#include "epoch.h"

/* membarrier(2) */
#define MEMBARRIER_PRIVATE_EXPEDITED	      (1 << 3)
#define MEMBARRIER_REGISTER_PRIVATE_EXPEDITED (1 << 4)

bool epoch_membarrier_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* Sections are opened and closed in another way from now on. Who waits is not told by age any more, but by
 * whoever closes one: he who proves his section may let him go on, however young it is. */
static void change_readers(struct epoch *epoch, uint32_t from, uint32_t to)
{
	uint64_t waiting;

	if (!atomic_compare_exchange_strong(&epoch->readers, &from, to))
		return;
	waiting = atomic_load(&epoch->waiting);
	while (waiting && !atomic_compare_exchange_weak(&epoch->waiting, &waiting, EPOCH_WAIT_ALL))
		;
}

void epoch_proven(struct epoch *epoch)
{
	change_readers(epoch, EPOCH_REFUSED, EPOCH_FENCED);
}

void epoch_writer_fence(struct epoch *epoch)
{
	uint32_t readers = atomic_load(&epoch->readers);

	atomic_thread_fence(memory_order_seq_cst);
	if (readers == EPOCH_FENCED)
		return;
	if (syscall(SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0) != 0)
		change_readers(epoch, EPOCH_UNFENCED, EPOCH_REFUSED);
	else if (readers == EPOCH_REFUSED) /* it was before the call: everybody has noticed */
		epoch_proven(epoch);
}

uint64_t epoch_start(struct epoch *epoch)
{
	uint64_t target = atomic_fetch_add(&epoch->now, 1) + 1;

	epoch_writer_fence(epoch);
	return target;
}

/* Whoever starts an epoch comes by once: as many rounds as there are threads that do. */
static void raise(_Atomic uint64_t *word, uint64_t to)
{
	uint64_t from = atomic_load(word);

	while (from < to && !atomic_compare_exchange_weak(word, &from, to))
		;
}

void epoch_tell_part(struct epoch_part *part)
{
	raise(&part->told, epoch_move_part(part));
}

void epoch_concern_part(struct epoch_part *part, uint64_t started)
{
	raise(&part->moved, started);
}

uint64_t epoch_now_fenced(const struct epoch *epoch)
{
	uint64_t now = atomic_load_explicit(&epoch->now, memory_order_acquire);

	atomic_thread_fence(memory_order_seq_cst);
	return now;
}
