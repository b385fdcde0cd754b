/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_kernel.c - an iommufd that is made up. */

#include "fake_kernel.h"

#include <errno.h>
#include <string.h>

#include "check.h"

#define EVENT_FD 300
#define FAULT_FD 301

#define FAULT_BYTES 40 /* struct iommu_hwpt_pgfault */

struct fake_kernel fake;
static bool event_open, fault_open;

static uint32_t get32(const void *p, unsigned offset)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)p + offset, sizeof(v));
	return v;
}

static uint64_t get64(const void *p, unsigned offset)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)p + offset, sizeof(v));
	return v;
}

static void put32(void *p, unsigned offset, uint32_t v)
{
	memcpy((uint8_t *)p + offset, &v, sizeof(v));
}

static struct fake_object *object(uint32_t id, enum fake_kind kind)
{
	if (id == 0 || id > fake.last_id || fake.object[id].kind != kind)
		return NULL;
	return &fake.object[id];
}

static uint32_t make(enum fake_kind kind, uint32_t on, uint32_t dev_id)
{
	uint32_t id = ++fake.last_id;

	assert_true(id < 200);
	fake.object[id] = (struct fake_object){ .kind = kind, .on = on, .dev_id = dev_id };
	if (on)
		fake.object[on].users++;
	return id;
}

static bool known_device(uint32_t dev_id)
{
	return dev_id >= FAKE_DEV_ID && dev_id < FAKE_DEV_ID + 4;
}

/* ---- calls, by the number of the kernel's header ---- */

static int destroy(uint8_t *a)
{
	uint32_t id = get32(a, 4);

	if (get32(a, 0) != 8)
		return -EINVAL;
	if (id == 0 || id > fake.last_id || fake.object[id].kind == FAKE_NONE)
		return -ENOENT;
	if (fake.object[id].users)
		return -EBUSY;
	if (fake.object[id].on)
		fake.object[fake.object[id].on].users--;
	fake.object[id].kind = FAKE_NONE;
	return 0;
}

/* struct iommu_hwpt_vtd_s1: flags, root, address width, reserved. */
static int check_vtd(const uint8_t *data, uint32_t bytes)
{
	if (bytes != 24)
		return -EINVAL;
	if ((get64(data, 0) & ~UINT64_C(7)) || get32(data, 20))
		return -EOPNOTSUPP;
	if (get32(data, 16) != 48 && get32(data, 16) != 57)
		return -EINVAL;
	return 0;
}

/* struct iommu_hwpt_arm_smmuv3: word 0 V, Config, S1Fmt, S1ContextPtr, S1CDMax; word 1 S1DSS, S1CIR, S1COR, S1CSH,
 * S1STALLD, EATS. */
static int check_smmu(const uint8_t *data, uint32_t bytes)
{
	const uint64_t word0 = UINT64_C(0xf80fffffffffffff);
	const uint64_t word1 = UINT64_C(3) | UINT64_C(3) << 2 | UINT64_C(3) << 4 |
			       UINT64_C(3) << 6 | UINT64_C(1) << 27 | UINT64_C(3) << 28;

	if (bytes != 16)
		return -EINVAL;
	return (get64(data, 0) & ~word0) || (get64(data, 8) & ~word1) ? -EIO : 0;
}

static int hwpt_alloc(uint8_t *a)
{
	uint32_t flags = get32(a, 4), pt = get32(a, 12), type = get32(a, 24);
	const uint8_t *data = (const uint8_t *)(uintptr_t)get64(a, 32);
	uint32_t id;
	int error;

	if (get32(a, 0) != 48 || get32(a, 20) || get32(a, 44) || (flags & ~5U))
		return -EINVAL;
	if (!known_device(get32(a, 8)))
		return -ENOENT;
	if (flags & 1) {
		if (pt != FAKE_IOAS || type || get32(a, 28) || data || (flags & 4))
			return -EINVAL;
		id = make(FAKE_PARENT, 0, get32(a, 8));
	} else {
		if (!object(pt, fake.smmu ? FAKE_VIOMMU : FAKE_PARENT))
			return -EINVAL;
		if ((flags & 4) && !object(get32(a, 40), FAKE_FAULTS))
			return -ENOENT;
		if (type != (fake.smmu ? 2U : 1U))
			return -EOPNOTSUPP;
		error = fake.smmu ? check_smmu(data, get32(a, 28)) : check_vtd(data, get32(a, 28));
		if (error)
			return error;
		id = make(FAKE_NESTED, pt, get32(a, 8));
		memcpy(fake.object[id].data, data, get32(a, 28));
	}
	put32(a, 16, id);
	return 0;
}

static int hw_info(uint8_t *a)
{
	uint8_t *data = (uint8_t *)(uintptr_t)get64(a, 16);
	uint64_t ecap =
		UINT64_C(1) << 43 | UINT64_C(1) << 26 | UINT64_C(1) << 47 | UINT64_C(1) << 46;

	if (get32(a, 0) != 40 || get32(a, 4))
		return -EINVAL;
	if (!known_device(get32(a, 8)))
		return -ENOENT;
	memset(data, 0, get32(a, 12));
	put32(a, 24, fake.smmu ? 2 : 1);
	if (!fake.smmu && get32(a, 12) >= 24)
		memcpy(data + 16, &ecap, 8);
	put32(a, 12, fake.smmu ? 40 : 24);
	return 0;
}

static int invalidate(uint8_t *a)
{
	uint32_t id = get32(a, 4), length = get32(a, 20), count = get32(a, 24);
	const uint8_t *data = (const uint8_t *)(uintptr_t)get64(a, 8);
	uint32_t done = 0;

	if (get32(a, 0) != 32 || get32(a, 28))
		return -EINVAL;
	if (!object(id, fake.smmu ? FAKE_VIOMMU : FAKE_NESTED))
		return -ENOENT;
	if (get32(a, 16) != (fake.smmu ? 1U : 0U) || length != (fake.smmu ? 16U : 24U))
		return -EINVAL;
	fake.invalidations++;
	while (done < count && fake.take) {
		assert_true(fake.entries < 64);
		memset(fake.entry[fake.entries], 0, sizeof(fake.entry[0]));
		memcpy(fake.entry[fake.entries], data + done * length, length);
		fake.entry_object[fake.entries++] = id;
		fake.take--;
		done++;
	}
	put32(a, 24, done);
	return done == count ? 0 : -EIO;
}

static int fault_alloc(uint8_t *a)
{
	if (get32(a, 0) != 16 || get32(a, 4))
		return -EINVAL;
	put32(a, 8, make(FAKE_FAULTS, 0, 0));
	put32(a, 12, FAULT_FD);
	fault_open = true;
	return 0;
}

static int viommu_alloc(uint8_t *a)
{
	if (get32(a, 0) != 40)
		return -EINVAL;
	if (get32(a, 4) || get32(a, 8) != 1 || get32(a, 24) || get32(a, 28) || get64(a, 32))
		return -EOPNOTSUPP;
	if (!object(get32(a, 16), FAKE_PARENT) || !known_device(get32(a, 12)))
		return -ENOENT;
	put32(a, 20, make(FAKE_VIOMMU, get32(a, 16), 0));
	return 0;
}

static int vdevice_alloc(uint8_t *a)
{
	uint32_t id;

	if (get32(a, 0) != 24)
		return -EINVAL;
	if (!object(get32(a, 4), FAKE_VIOMMU) || !known_device(get32(a, 8)))
		return -ENOENT;
	id = make(FAKE_VDEVICE, get32(a, 4), get32(a, 8));
	fake.object[id].virt_id = get64(a, 16);
	put32(a, 12, id);
	return 0;
}

static int veventq_alloc(uint8_t *a)
{
	if (get32(a, 0) != 32 || get32(a, 4) || get32(a, 28) || !get32(a, 16))
		return -EINVAL;
	if (!object(get32(a, 8), FAKE_VIOMMU) || get32(a, 12) != 1)
		return -ENOENT;
	put32(a, 20, make(FAKE_EVENTS, get32(a, 8), 0));
	put32(a, 24, EVENT_FD);
	event_open = true;
	return 0;
}

static void attach_to(unsigned device, uint32_t id)
{
	if (fake.attached[device])
		fake.object[fake.attached[device]].users--;
	fake.attached[device] = id;
	if (id)
		fake.object[id].users++;
}

static int vfio(int fd, unsigned long request, uint8_t *a)
{
	unsigned device = (unsigned)(fd - FAKE_DEVICE);
	uint32_t id;

	if (device >= 4 || get32(a, 4))
		return -EINVAL;
	if (request == (';' << 8 | 120)) {
		if (get32(a, 0) != 8)
			return -EINVAL;
		attach_to(device, 0);
		return 0;
	}
	if (request != (';' << 8 | 119) || get32(a, 0) != 12)
		return -ENOTTY;
	id = get32(a, 8);
	if (!object(id, FAKE_PARENT) && !object(id, FAKE_NESTED))
		return -ENOENT;
	attach_to(device, id);
	return 0;
}

static int fake_ioctl(int fd, unsigned long request, void *argument)
{
	static const struct {
		unsigned number;
		int (*call)(uint8_t *a);
	} calls[] = {
		{ 0x80, destroy },	 { 0x89, hwpt_alloc },	  { 0x8a, hw_info },
		{ 0x8d, invalidate },	 { 0x8e, fault_alloc },	  { 0x90, viommu_alloc },
		{ 0x91, vdevice_alloc }, { 0x93, veventq_alloc },
	};

	if (request == fake.fail_call && fake.fail_in && --fake.fail_in == 0)
		return fake.fail_error;
	if (fd != FAKE_IOMMUFD)
		return vfio(fd, request, argument);
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (request == (unsigned long)(';' << 8 | calls[i].number))
			return calls[i].call(argument);
	}
	return -ENOTTY;
}

/* ---- queues ---- */

/* Whole events, as many as there is room for. */
static ssize_t take(uint8_t *queue, size_t *bytes, void *buffer, size_t n)
{
	if (!*bytes) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(buffer, queue, n);
	memmove(queue, queue + n, *bytes - n);
	*bytes -= n;
	return (ssize_t)n;
}

static ssize_t fake_read(int fd, void *buffer, size_t bytes)
{
	size_t n = 0;

	if (fd == EVENT_FD && event_open) {
		if (fake.event_bytes)
			n = get32(fake.events, 0) & 1 ? 8 : 40;
		assert_true(bytes >= n);
		return take(fake.events, &fake.event_bytes, buffer, n);
	}
	assert_true(fd == FAULT_FD && fault_open);
	/* groups as a whole: up to the last request of the last one that fits */
	for (size_t at = 0; at + FAULT_BYTES <= fake.fault_bytes && at + FAULT_BYTES <= bytes;
	     at += FAULT_BYTES) {
		if (get32(fake.faults, (unsigned)at) & 2)
			n = at + FAULT_BYTES;
	}
	if (fake.fault_bytes && !n)
		return 0;
	return take(fake.faults, &fake.fault_bytes, buffer, n);
}

static ssize_t fake_write(int fd, const void *buffer, size_t bytes)
{
	assert_true(fd == FAULT_FD && fault_open && bytes == 8);
	assert_true(fake.responses < 16);
	memcpy(fake.response[fake.responses++], buffer, 8);
	return 8;
}

static int fake_close(int fd)
{
	if (fd == EVENT_FD && event_open)
		event_open = false;
	else if (fd == FAULT_FD && fault_open)
		fault_open = false;
	else
		fail_msg("closed twice: %d", fd);
	return 0;
}

const struct nest_calls fake_calls = {
	.ioctl = fake_ioctl, .read = fake_read, .write = fake_write, .close = fake_close
};

void fake_event(uint32_t sequence, uint32_t flags, const uint64_t *record)
{
	uint8_t *at = fake.events + fake.event_bytes;

	put32(at, 0, flags);
	put32(at, 4, sequence);
	if (record)
		memcpy(at + 8, record, 32);
	fake.event_bytes += record ? 40 : 8;
}

void fake_fault(uint32_t dev_id, uint32_t group, uint64_t address, uint32_t cookie, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint8_t *at = fake.faults + fake.fault_bytes;
		uint64_t page = address + i * 4096;

		memset(at, 0, FAULT_BYTES);
		put32(at, 0, i + 1 == count ? 2 : 0);
		put32(at, 4, dev_id);
		put32(at, 12, group);
		put32(at, 16, 1);
		memcpy(at + 24, &page, 8);
		put32(at, 36, cookie);
		fake.fault_bytes += FAULT_BYTES;
	}
}

void fake_reset(bool smmu)
{
	memset(&fake, 0, sizeof(fake));
	fake.last_id = 10;
	fake.take = UINT32_MAX;
	fake.smmu = smmu;
	event_open = false;
	fault_open = false;
}

void fake_check_empty(void)
{
	for (uint32_t id = 0; id <= fake.last_id; id++)
		assert_int_equal(fake.object[id].kind, FAKE_NONE);
	assert_false(event_open || fault_open);
}
