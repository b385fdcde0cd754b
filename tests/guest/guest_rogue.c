/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest_rogue.c - inside the guest: a network driver that misbehaves, in user space (VFIO). It gives the device addresses
 * that are mapped, not mapped, and not mapped any more. Frames come from memory that is mapped and go there; nothing
 * else is read or written. That such a thing would be seen is shown first.
 *
 *     guest_rogue GROUP DEVICE
 */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096U

/* Where memory is, as the device sees it. */
#define SHARED_IOVA  0x4000000000U /* what the driver may use */
#define PRIVATE_IOVA 0x5000000000U /* another page, while a row has it mapped */
#define NOWHERE	     0xfffffffffffff000U

enum { RX, TX, QUEUES };
enum { RING = 16, WAIT_MILLISECONDS = 400, PATIENCE_MILLISECONDS = 10000 };
enum { DESC, AVAIL, USED, PARTS }; /* a page each, for either queue */
enum { RX_BUFFER = QUEUES * PARTS, TX_BUFFER, SHARED_PAGES };
enum { HEADER = 12, MACS = 12, FRAME = 512 };

struct rogue {
	int container, device;
	volatile struct virtio_pci_common_cfg *common;
	volatile uint8_t *notify;
	uint32_t notify_unit;
	uint8_t *shared;
	uint8_t *page; /* the driver's too, and private */
	uint64_t page_gpa;
	uint64_t part[QUEUES][PARTS]; /* what the device is told */
	uint64_t buffer[QUEUES];
	uint64_t secret;
};

static uint8_t *shared_page(const struct rogue *r, unsigned page)
{
	return r->shared + (size_t)page * PAGE;
}

static uint64_t shared_iova(unsigned page)
{
	return SHARED_IOVA + (uint64_t)page * PAGE;
}

/* ---- VFIO ---- */

static bool map(const struct rogue *r, void *memory, uint64_t iova, uint64_t bytes, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map m = { .argsz = sizeof(m),
					      .flags = flags,
					      .vaddr = (uintptr_t)memory,
					      .iova = iova,
					      .size = bytes };

	return !ioctl(r->container, VFIO_IOMMU_MAP_DMA, &m);
}

static bool unmap(const struct rogue *r, uint64_t iova, uint64_t bytes)
{
	struct vfio_iommu_type1_dma_unmap m = { .argsz = sizeof(m), .iova = iova, .size = bytes };

	return !ioctl(r->container, VFIO_IOMMU_UNMAP_DMA, &m) && m.size == bytes;
}

static bool open_device(struct rogue *r, const char *group, const char *device)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	fd = open(path, O_RDWR);
	r->container = open("/dev/vfio/vfio", O_RDWR);
	if (fd < 0 || r->container < 0 || ioctl(fd, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE) ||
	    ioctl(fd, VFIO_GROUP_SET_CONTAINER, &r->container) ||
	    ioctl(r->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return false;
	r->device = ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, device);
	return r->device >= 0;
}

/* ---- the device (virtio 1.3, 4.1.4) ---- */

static uint64_t config_at(const struct rogue *r)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };

	ioctl(r->device, VFIO_DEVICE_GET_REGION_INFO, &info);
	return info.offset;
}

static volatile uint8_t *map_bar(const struct rogue *r, unsigned bar)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = bar };
	void *p;

	if (ioctl(r->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return NULL;
	p = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, r->device,
		 (off_t)info.offset);
	return p == MAP_FAILED ? NULL : p;
}

static void take_capability(struct rogue *r, const struct virtio_pci_notify_cap *notify)
{
	const struct virtio_pci_cap *cap = &notify->cap;

	if (cap->cfg_type == VIRTIO_PCI_CAP_COMMON_CFG) {
		r->common = (volatile void *)(map_bar(r, cap->bar) + le32toh(cap->offset));
	} else if (cap->cfg_type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
		r->notify = map_bar(r, cap->bar) + le32toh(cap->offset);
		r->notify_unit = le32toh(notify->notify_off_multiplier);
	}
}

static bool find_registers(struct rogue *r)
{
	uint64_t config = config_at(r);
	uint16_t command = 0;
	uint8_t at = 0;

	pread(r->device, &at, 1, (off_t)(config + PCI_CAPABILITY_LIST));
	for (unsigned n = 0; at && n < 48; n++) {
		struct virtio_pci_notify_cap cap = { 0 };

		pread(r->device, &cap, sizeof(cap), (off_t)(config + at));
		if (cap.cap.cap_vndr == PCI_CAP_ID_VNDR)
			take_capability(r, &cap);
		at = cap.cap.cap_next;
	}
	pread(r->device, &command, 2, (off_t)(config + PCI_COMMAND));
	command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	pwrite(r->device, &command, 2, (off_t)(config + PCI_COMMAND));
	return r->common && r->notify;
}

static void set_status(struct rogue *r, uint8_t bits)
{
	r->common->device_status = r->common->device_status | bits;
}

static bool negotiate(struct rogue *r)
{
	r->common->device_status = 0;
	while (r->common->device_status)
		;
	set_status(r, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set_status(r, VIRTIO_CONFIG_S_DRIVER);
	r->common->guest_feature_select = 0;
	r->common->guest_feature = 0;
	r->common->guest_feature_select = 1;
	r->common->guest_feature =
		1U << (VIRTIO_F_VERSION_1 - 32) | 1U << (VIRTIO_F_ACCESS_PLATFORM - 32);
	set_status(r, VIRTIO_CONFIG_S_FEATURES_OK);
	return r->common->device_status & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void set_up_queue(struct rogue *r, unsigned queue)
{
	const uint64_t *part = r->part[queue];

	r->common->queue_select = (uint16_t)queue;
	r->common->queue_size = RING;
	r->common->queue_msix_vector = 0xffff;
	r->common->queue_desc_lo = (uint32_t)part[DESC];
	r->common->queue_desc_hi = (uint32_t)(part[DESC] >> 32);
	r->common->queue_avail_lo = (uint32_t)part[AVAIL];
	r->common->queue_avail_hi = (uint32_t)(part[AVAIL] >> 32);
	r->common->queue_used_lo = (uint32_t)part[USED];
	r->common->queue_used_hi = (uint32_t)(part[USED] >> 32);
	r->common->queue_enable = 1;
}

static void notify(struct rogue *r, unsigned queue)
{
	r->common->queue_select = (uint16_t)queue;
	*(volatile uint16_t *)(volatile void *)(r->notify +
						r->common->queue_notify_off * r->notify_unit) =
		(uint16_t)queue;
}

/* ---- rings ---- */

/* All in the memory that is mapped; a row puts something elsewhere then. */
static void begin(struct rogue *r)
{
	memset(r->shared, 0, (size_t)SHARED_PAGES * PAGE);
	for (unsigned queue = 0; queue < QUEUES; queue++) {
		for (unsigned part = 0; part < PARTS; part++)
			r->part[queue][part] = shared_iova(queue * PARTS + part);
	}
	r->buffer[RX] = shared_iova(RX_BUFFER);
	r->buffer[TX] = shared_iova(TX_BUFFER);
}

/* The driver's memory of a part: the private page, if the device is told that it is there. */
static void *part_memory(const struct rogue *r, unsigned queue, unsigned part)
{
	return r->part[queue][part] == shared_iova(queue * PARTS + part)
		       ? shared_page(r, queue * PARTS + part)
		       : r->page;
}

static struct vring_used *used_of(const struct rogue *r, unsigned queue)
{
	return (struct vring_used *)(void *)shared_page(r, queue * PARTS + USED);
}

static void offer(struct rogue *r, unsigned queue)
{
	struct vring_desc *desc = part_memory(r, queue, DESC);
	struct vring_avail *avail = part_memory(r, queue, AVAIL);
	unsigned at = avail->idx % RING;

	desc[0] = (struct vring_desc){ .addr = htole64(r->buffer[queue]),
				       .len = htole32(queue == TX ? FRAME : 2048),
				       .flags = htole16(queue == RX ? VRING_DESC_F_WRITE : 0) };
	avail->ring[at] = 0;
	__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + 1), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	notify(r, queue);
}

static bool start(struct rogue *r)
{
	if (!negotiate(r))
		return false;
	set_up_queue(r, RX);
	set_up_queue(r, TX);
	set_status(r, VIRTIO_CONFIG_S_DRIVER_OK);
	offer(r, RX);
	offer(r, TX);
	return true;
}

static void stop(struct rogue *r)
{
	r->common->device_status = 0;
	while (r->common->device_status)
		;
}

/* ---- what is in memory ---- */

/* A frame whose payload says whose it is. */
static void write_frame(uint8_t *to, uint64_t mark)
{
	memset(to, 0, PAGE);
	memset(to + HEADER, 0x22, MACS);
	for (unsigned at = HEADER + MACS; at + 8 <= FRAME; at += 8)
		memcpy(to + at, &mark, 8);
}

/* Whether any of the memory that the device may write to has this. */
static bool has_leaked(const struct rogue *r, uint64_t mark, unsigned but)
{
	for (unsigned page = 0; page < SHARED_PAGES; page++) {
		if (page != but && memmem(shared_page(r, page), PAGE, &mark, sizeof(mark)))
			return true;
	}
	return false;
}

static bool is_received(const struct rogue *r, uint64_t mark)
{
	return memmem(shared_page(r, RX_BUFFER), PAGE, &mark, sizeof(mark));
}

static void sleep_milliseconds(long milliseconds)
{
	struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static bool await_frames(const struct rogue *r, unsigned count)
{
	for (unsigned n = 0; n < PATIENCE_MILLISECONDS; n++) {
		if (__atomic_load_n(&used_of(r, RX)->idx, __ATOMIC_ACQUIRE) == count)
			return true;
		sleep_milliseconds(1);
	}
	return false;
}

/* A secret that was nowhere before. */
static uint64_t renew_secret(struct rogue *r)
{
	r->secret = r->secret * UINT64_C(0x9e3779b97f4a7c15) + 1;
	write_frame(r->page, r->secret);
	return r->secret;
}

/* ---- rows ---- */

static bool fair(struct rogue *r)
{
	const uint64_t mark = UINT64_C(0x7261656c6320736c);
	bool good;

	begin(r);
	write_frame(shared_page(r, TX_BUFFER), mark);
	good = start(r) && await_frames(r, 1) && is_received(r, mark);
	stop(r);
	return good;
}

/* The private page is left as it was, and its secret is nowhere; no frame has come. */
static bool nothing_happens(struct rogue *r)
{
	uint8_t before[PAGE];
	bool good;

	if (!start(r))
		return false;
	memcpy(before, r->page, PAGE);
	sleep_milliseconds(WAIT_MILLISECONDS);
	good = !memcmp(before, r->page, PAGE) && !has_leaked(r, r->secret, SHARED_PAGES) &&
	       !used_of(r, RX)->idx;
	stop(r);
	return good && !memcmp(before, r->page, PAGE);
}

static bool send_from(struct rogue *r, uint64_t address)
{
	begin(r);
	renew_secret(r);
	r->buffer[TX] = address;
	return nothing_happens(r);
}

static bool send_unmapped(struct rogue *r)
{
	return send_from(r, r->page_gpa);
}

static bool send_nowhere(struct rogue *r)
{
	return send_from(r, NOWHERE);
}

/* The frame begins in memory that is mapped, and ends in some that is not. */
static bool send_across(struct rogue *r)
{
	return send_from(r, shared_iova(SHARED_PAGES) - 256);
}

static bool receive_unmapped(struct rogue *r)
{
	begin(r);
	renew_secret(r);
	write_frame(shared_page(r, TX_BUFFER), 1);
	r->buffer[RX] = r->page_gpa;
	return nothing_happens(r);
}

static bool receive_read_only(struct rogue *r)
{
	bool good;

	begin(r);
	renew_secret(r);
	write_frame(shared_page(r, TX_BUFFER), 1);
	r->buffer[RX] = PRIVATE_IOVA;
	good = map(r, r->page, PRIVATE_IOVA, PAGE, VFIO_DMA_MAP_FLAG_READ) && nothing_happens(r);
	return unmap(r, PRIVATE_IOVA, PAGE) && good;
}

static bool ring_elsewhere(struct rogue *r, unsigned queue, unsigned part, uint64_t address)
{
	begin(r);
	renew_secret(r);
	write_frame(shared_page(r, TX_BUFFER), 1);
	if (address != NOWHERE)
		memset(r->page, 0, PAGE);
	r->part[queue][part] = address;
	return nothing_happens(r);
}

static bool ring_unmapped(struct rogue *r)
{
	bool good = true;

	for (unsigned queue = 0; queue < QUEUES; queue++) {
		for (unsigned part = 0; part < PARTS; part++)
			good &= ring_elsewhere(r, queue, part, r->page_gpa);
	}
	return good;
}

static bool ring_nowhere(struct rogue *r)
{
	return ring_elsewhere(r, TX, DESC, NOWHERE) & ring_elsewhere(r, RX, USED, NOWHERE);
}

/* The page is mapped and sent, which shows the secret; then it is taken away, gets another secret, and is sent
 * again, by the same rings. */
static bool send_after_unmap(struct rogue *r)
{
	bool good;

	begin(r);
	renew_secret(r);
	r->buffer[TX] = PRIVATE_IOVA;
	good = map(r, r->page, PRIVATE_IOVA, PAGE, VFIO_DMA_MAP_FLAG_READ) && start(r) &&
	       await_frames(r, 1) && is_received(r, r->secret);
	if (!unmap(r, PRIVATE_IOVA, PAGE) || !good) {
		stop(r);
		return false;
	}
	renew_secret(r);
	offer(r, RX);
	offer(r, TX);
	sleep_milliseconds(WAIT_MILLISECONDS);
	good = used_of(r, RX)->idx == 1 && !has_leaked(r, r->secret, SHARED_PAGES);
	stop(r);
	return good;
}

/* The same for a page that is received into. */
static bool receive_after_unmap(struct rogue *r)
{
	bool good;

	begin(r);
	renew_secret(r);
	write_frame(shared_page(r, TX_BUFFER), 1);
	r->buffer[RX] = PRIVATE_IOVA;
	good = map(r, r->page, PRIVATE_IOVA, PAGE, VFIO_DMA_MAP_FLAG_WRITE) && start(r) &&
	       await_frames(r, 1) && !memmem(r->page, PAGE, &r->secret, sizeof(r->secret));
	if (!unmap(r, PRIVATE_IOVA, PAGE) || !good) {
		stop(r);
		return false;
	}
	renew_secret(r);
	offer(r, RX);
	offer(r, TX);
	sleep_milliseconds(WAIT_MILLISECONDS);
	stop(r);
	return memmem(r->page, PAGE, &r->secret, sizeof(r->secret)) && used_of(r, RX)->idx == 1;
}

static const struct {
	const char *name;
	bool (*run)(struct rogue *r);
} rows[] = {
	{ "sending from a page that is not mapped", send_unmapped },
	{ "sending from no memory at all", send_nowhere },
	{ "sending from the last page that is mapped, and beyond", send_across },
	{ "sending from a page that was mapped", send_after_unmap },
	{ "receiving into a page that is not mapped", receive_unmapped },
	{ "receiving into a page that may be read", receive_read_only },
	{ "receiving into a page that was mapped", receive_after_unmap },
	{ "each part of each ring in a page that is not mapped", ring_unmapped },
	{ "rings in no memory at all", ring_nowhere },
};

/* ---- life ---- */

static uint64_t gpa_of(const void *memory)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd >= 0) {
		pread(fd, &entry, 8, (off_t)((uintptr_t)memory / PAGE * 8));
		close(fd);
	}
	return (entry & ((UINT64_C(1) << 55) - 1)) * PAGE;
}

static uint8_t *memory(unsigned pages)
{
	void *p = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool open_rogue(struct rogue *r, const char *group, const char *device)
{
	r->shared = memory(SHARED_PAGES);
	r->page = memory(1);
	r->secret = 0x5ec2e7;
	if (!r->shared || !r->page)
		return false;
	r->page[0] = 1;
	r->page_gpa = gpa_of(r->page);
	return r->page_gpa && open_device(r, group, device) && find_registers(r) &&
	       map(r, r->shared, SHARED_IOVA, (uint64_t)SHARED_PAGES * PAGE,
		   VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
}

static bool show(const char *name, bool good)
{
	printf("%s: %s\n", good ? "good" : "FAILED", name);
	return good;
}

int main(int argc, char **argv)
{
	static struct rogue r;
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3 || !open_rogue(&r, argv[1], argv[2])) {
		perror("guest_rogue");
		return 2;
	}
	good = show("a fair driver", fair(&r));
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		good &= show(rows[i].name, rows[i].run(&r));
		if (!fair(&r))
			good &= show("a fair driver after that", false);
	}
	return !good;
}
