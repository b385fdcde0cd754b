/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_iotlb_ring.c - device IOTLB messages in shared memory, see vu_iotlb_ring.h. */
#define _GNU_SOURCE
#include "vu_iotlb_ring.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	SLOTS = 256, /* a power of two */
	SLOT_BYTES = 32,
	LOOKS = 4096, /* at a counter, before the front end sleeps: some ten microseconds */
};

/* Each line has one writer. */
struct iotlb_ring_memory {
	_Alignas(64) uint32_t told; /* front end: messages, ever */
	uint32_t taken;		    /* front end: of what was asked for */
	uint32_t waits;		    /* front end: sleeps until `done` is another */
	_Alignas(64) uint32_t done; /* backend: of what was told, carried out */
	uint32_t refused;	    /* backend: of these */
	uint32_t asked;		    /* backend: messages, ever */
	uint32_t idle;		    /* backend: waits at its socket */
	_Alignas(64) uint8_t telling[SLOTS][SLOT_BYTES];
	uint8_t asking[SLOTS][SLOT_BYTES];
};

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static uint32_t load(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *counter, uint32_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

/* ---- life ---- */

static bool map(struct iotlb_ring *ring, int fd)
{
	void *memory = mmap(NULL, sizeof(*ring->memory), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_POPULATE, fd, 0);

	if (memory == MAP_FAILED)
		return false;
	ring->memory = memory;
	return true;
}

bool iotlb_ring_create(struct iotlb_ring *ring)
{
	*ring = (struct iotlb_ring){ .fd = memfd_create("iotlb ring",
							MFD_CLOEXEC | MFD_ALLOW_SEALING) };
	if (ring->fd >= 0 && !ftruncate(ring->fd, sizeof(*ring->memory)) &&
	    !fcntl(ring->fd, F_ADD_SEALS, SEALS) && map(ring, ring->fd))
		return true;
	perror("a ring for device IOTLB messages");
	if (ring->fd >= 0)
		close(ring->fd);
	ring->fd = -1;
	return false;
}

/* A file that could become shorter would end whoever has mapped it. */
bool iotlb_ring_attach(struct iotlb_ring *ring, int fd)
{
	struct stat file;
	int seals = fcntl(fd, F_GET_SEALS);
	bool good = seals >= 0 && (seals & F_SEAL_SHRINK) && !fstat(fd, &file) &&
		    (uint64_t)file.st_size >= sizeof(*ring->memory);

	iotlb_ring_close(ring);
	return good && map(ring, fd);
}

void iotlb_ring_close(struct iotlb_ring *ring)
{
	if (ring->memory) {
		munmap(ring->memory, sizeof(*ring->memory));
		if (ring->fd >= 0)
			close(ring->fd);
	}
	*ring = (struct iotlb_ring){ .fd = -1 };
}

/* ---- slots ---- */

static bool put(uint8_t slots[SLOTS][SLOT_BYTES], uint32_t number, const struct vu_message *message)
{
	if (message->bytes != SLOT_BYTES)
		return false;
	memcpy(slots[number % SLOTS], message->raw, SLOT_BYTES);
	return true;
}

/* Once, since the other side may write to it at any time. How many there are is what it says, if it can be. */
static int get(uint8_t slots[SLOTS][SLOT_BYTES], uint32_t number, uint32_t end, uint32_t request,
	       struct vu_message *message)
{
	if (end == number)
		return 0;
	if (end - number > SLOTS)
		return -1;
	memcpy(message->raw, slots[number % SLOTS], SLOT_BYTES);
	__asm__ volatile("" ::: "memory");
	message->request = request;
	message->flags = 0;
	message->bytes = SLOT_BYTES;
	message->fds = 0;
	return 1;
}

/* ---- front end ---- */

bool iotlb_ring_tell(struct iotlb_ring *ring, const struct vu_message *message, bool *kick)
{
	struct iotlb_ring_memory *m = ring->memory;

	if (ring->told - ring->done >= SLOTS || !put(m->telling, ring->told, message))
		return false;
	store(&m->told, ++ring->told);
	/* Pairs with iotlb_ring_idle(): either it sees the message, or we see that it sleeps. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*kick = load(&m->idle);
	return true;
}

static void sleep_until_done(struct iotlb_ring_memory *m, uint32_t done, int milliseconds)
{
	struct timespec time = { .tv_sec = milliseconds / 1000,
				 .tv_nsec = milliseconds % 1000 * 1000000L };

	store(&m->waits, 1);
	/* Pairs with iotlb_ring_done(): the kernel compares `done` once more. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	syscall(SYS_futex, &m->done, FUTEX_WAIT, done, &time, NULL, 0);
	store(&m->waits, 0);
}

static bool is_done(const struct iotlb_ring *ring)
{
	return load(&ring->memory->done) != ring->done;
}

int iotlb_ring_await(struct iotlb_ring *ring, int milliseconds, uint32_t *refused)
{
	struct iotlb_ring_memory *m = ring->memory;
	uint32_t now;

	for (unsigned i = 0; i < LOOKS && !is_done(ring); i++)
		;
	if (!is_done(ring))
		sleep_until_done(m, ring->done, milliseconds);
	if (!is_done(ring))
		return 0;
	if (load(&m->done) - ring->done > ring->told - ring->done)
		return -1;
	now = load(&m->refused);
	*refused = now - ring->refused;
	ring->refused = now;
	ring->done++;
	return 1;
}

int iotlb_ring_take(struct iotlb_ring *ring, struct vu_message *message)
{
	struct iotlb_ring_memory *m = ring->memory;
	int r = get(m->asking, ring->taken, load(&m->asked), VU_BACKEND_IOTLB_MSG, message);

	if (r > 0)
		store(&m->taken, ++ring->taken);
	return r;
}

/* ---- backend ---- */

int iotlb_ring_next(struct iotlb_ring *ring, struct vu_message *message)
{
	return get(ring->memory->telling, ring->done, load(&ring->memory->told), VU_IOTLB_MSG,
		   message);
}

void iotlb_ring_done(struct iotlb_ring *ring, bool refused)
{
	struct iotlb_ring_memory *m = ring->memory;

	ring->refused += refused;
	store(&m->refused, ring->refused);
	store(&m->done, ++ring->done);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (load(&m->waits))
		syscall(SYS_futex, &m->done, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* A front end that says that it took more than was put gets what it deserves: slots that are overwritten. */
bool iotlb_ring_ask(struct iotlb_ring *ring, const struct vu_message *message)
{
	struct iotlb_ring_memory *m = ring->memory;

	if (ring->asked - load(&m->taken) >= SLOTS || !put(m->asking, ring->asked, message))
		return false;
	store(&m->asked, ++ring->asked);
	return true;
}

bool iotlb_ring_idle(struct iotlb_ring *ring, bool idle)
{
	struct iotlb_ring_memory *m = ring->memory;

	store(&m->idle, idle);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !idle || load(&m->told) == ring->done;
}
