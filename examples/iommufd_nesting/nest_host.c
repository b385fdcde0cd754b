/* SPDX-License-Identifier: BSD-3-Clause */
/* nest_host.c - assigned devices whose first stage the host's IOMMU walks: between libvirtiommu and iommufd. */

#include "nest_host.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int kernel_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

const struct nest_calls nest_kernel = {
	.ioctl = kernel_ioctl, .read = read, .write = write, .close = close
};

static uint64_t user_pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static int call(struct nest_host *h, unsigned long request, void *argument)
{
	return h->calls->ioctl(h->fd, request, argument);
}

static void destroy(struct nest_host *h, uint32_t *id)
{
	struct iommufd_destroy d = { .size = sizeof(d), .id = *id };

	if (*id)
		call(h, IOMMUFD_DESTROY, &d);
	*id = 0;
}

/* ---- what a device is attached to ---- */

static int attach(struct nest_device *d, uint32_t pt_id)
{
	struct vfio_attach a = { .argsz = sizeof(a), .pt_id = pt_id };

	return d->host->calls->ioctl(d->fd, VFIO_ATTACH, &a);
}

/* Without anything attached every DMA is refused by the host. */
static void detach(struct nest_device *d)
{
	struct vfio_detach a = { .argsz = sizeof(a) };

	d->host->calls->ioctl(d->fd, VFIO_DETACH, &a);
}

static struct nest_device *find(struct nest_host *h, const struct viommu_device *device)
{
	for (unsigned i = 0; i < NEST_DEVICES; i++) {
		if (h->device[i] && h->device[i]->device == device)
			return h->device[i];
	}
	return NULL;
}

/* The new stage first, then the device moves to it, then the old one goes: the device is never without, unless the
 * kernel refuses. */
static int install(void *opaque, struct viommu_device *device, uint32_t pasid,
		   const struct viommu_nested_stage *stage)
{
	struct nest_host *h = opaque;
	struct nest_device *d = find(h, device);
	struct iommufd_hwpt_alloc a = { .size = sizeof(a),
					.flags = h->fault_queue ? IOMMUFD_HWPT_FAULT_ID : 0,
					.dev_id = d->dev_id,
					.pt_id = h->viommu ? h->viommu : h->parent,
					.data_type = stage->type,
					.data_len = stage->bytes,
					.data = user_pointer(stage->data),
					.fault_id = h->fault_queue };

	(void)pasid; /* requests without PASID: nest_add() */
	if (call(h, IOMMUFD_HWPT_ALLOC, &a) < 0)
		return VIOMMU_FAULT;
	if (attach(d, a.out_hwpt_id) < 0) {
		destroy(h, &a.out_hwpt_id);
		return VIOMMU_FAULT;
	}
	destroy(h, &d->hwpt);
	d->hwpt = a.out_hwpt_id;
	return VIOMMU_OK;
}

/* Bypass: guest-physical addresses are the parent's. Tables that the host does not walk would have to be shadowed;
 * this VMM presents none (viommu_vtd_fit()). */
static void mode(void *opaque, struct viommu_device *device, uint32_t pasid, uint32_t mode)
{
	struct nest_host *h = opaque;
	struct nest_device *d = find(h, device);

	(void)pasid;
	if (mode != VIOMMU_MODE_BYPASS || attach(d, h->parent) < 0)
		detach(d);
	destroy(h, &d->hwpt);
}

static uint32_t invalidate(void *opaque, struct viommu_device *device, uint32_t pasid,
			   uint32_t type, const void *entries, uint32_t count)
{
	struct nest_host *h = opaque;
	const struct nest_device *d = device ? find(h, device) : NULL;
	bool smmu = type == VIOMMU_NESTED_SMMUV3;
	struct iommufd_invalidate a = { .size = sizeof(a),
					.hwpt_id = smmu ? h->viommu : d->hwpt,
					.data = user_pointer(entries),
					.data_type = smmu ? IOMMUFD_INVALIDATE_SMMUV3
							  : IOMMUFD_INVALIDATE_VTD,
					.entry_len = smmu ? 16 : sizeof(struct viommu_nested_range),
					.entry_num = count };

	(void)pasid;
	/* whatever it answers, it says how many it has done */
	if (call(h, IOMMUFD_INVALIDATE, &a) < 0 && a.entry_num >= count)
		return 0; /* an old kernel, which does not */
	return a.entry_num;
}

/* ---- events and faults of the host ---- */

static struct nest_device *find_id(struct nest_host *h, uint32_t id)
{
	for (unsigned i = 0; i < NEST_DEVICES; i++) {
		if (h->device[i] && viommu_device_get_id(h->device[i]->device) == id)
			return h->device[i];
	}
	return NULL;
}

struct event {
	struct iommufd_vevent header;
	uint64_t record[4];
};

static void one_event(struct nest_host *h, const struct event *e, bool data)
{
	struct nest_device *d;

	/* those that are missing between the last one and this */
	h->lost += (e->header.sequence - h->sequence) & INT32_MAX;
	h->sequence = (e->header.sequence + data) & INT32_MAX;
	if (!data)
		return;
	d = find_id(h, (uint32_t)(e->record[0] >> 32)); /* StreamID: the guest's, by vDevice */
	if (d)
		viommu_report_event(d->device, e->record, 4);
}

int nest_events(struct nest_host *h)
{
	struct event e;
	ssize_t bytes;

	/* one at a time: a header without an event is shorter, and stands at the end */
	while ((bytes = h->calls->read(h->event_fd, &e, sizeof(e))) > 0) {
		bool data = bytes == sizeof(e);

		if (!data && (bytes != sizeof(e.header) || !(e.header.flags & IOMMUFD_VEVENT_LOST)))
			return -EIO;
		one_event(h, &e, data);
	}
	return bytes == 0 || errno == EAGAIN ? 0 : -errno;
}

static void respond(struct nest_host *h, uint32_t cookie, uint32_t code)
{
	const struct iommufd_fault_response r = { .cookie = cookie, .code = code };

	/* the kernel ends groups that nobody answers when the device is detached */
	if (h->calls->write(h->fault_fd, &r, sizeof(r)) != sizeof(r))
		h->lost++;
}

/* Room for the group, before its last request can be answered. */
static bool remember(struct nest_device *d, const struct iommufd_fault *f, uint32_t pasid)
{
	bool found = false;

	pthread_mutex_lock(&d->host->lock);
	for (unsigned i = 0; i < sizeof(d->asked) / sizeof(d->asked[0]) && !found; i++) {
		if (d->asked[i].used)
			continue;
		found = true;
		d->asked[i].used = true;
		d->asked[i].pasid = pasid;
		d->asked[i].group = f->group;
		d->asked[i].cookie = f->cookie;
	}
	pthread_mutex_unlock(&d->host->lock);
	return found;
}

static bool forget(struct nest_device *d, uint32_t pasid, uint32_t group, uint32_t *cookie)
{
	bool found = false;

	pthread_mutex_lock(&d->host->lock);
	for (unsigned i = 0; i < sizeof(d->asked) / sizeof(d->asked[0]) && !found; i++) {
		if (!d->asked[i].used || d->asked[i].pasid != pasid || d->asked[i].group != group)
			continue;
		found = true;
		d->asked[i].used = false;
		*cookie = d->asked[i].cookie;
	}
	pthread_mutex_unlock(&d->host->lock);
	return found;
}

void nest_respond(void *device, const struct viommu_page_response *response)
{
	struct nest_device *d = device;
	uint32_t cookie;

	if (forget(d, response->pasid, response->group, &cookie))
		respond(d->host, cookie, response->code ? 1 : 0);
}

static void one_fault(struct nest_host *h, const struct iommufd_fault *f)
{
	struct nest_device *d = NULL;
	struct viommu_page_request request = { .address = f->address & ~UINT64_C(0xfff),
					       .pasid = f->flags & IOMMUFD_FAULT_PASID
								? f->pasid
								: VIOMMU_NO_PASID,
					       .group = (uint16_t)f->group,
					       .access = (uint16_t)(f->perm & 15),
					       .last = f->flags & IOMMUFD_FAULT_LAST ? 1 : 0 };
	uint32_t cookie;

	for (unsigned i = 0; i < NEST_DEVICES && !d; i++) {
		if (h->device[i] && h->device[i]->dev_id == f->dev_id)
			d = h->device[i];
	}
	if (request.last && (!d || !remember(d, f, request.pasid))) {
		respond(h, f->cookie, 1);
		return;
	}
	/* what is refused is answered, through nest_respond(), before this returns; but for misuse */
	if (d && viommu_request_page(d->device, &request) < 0 && request.last &&
	    forget(d, request.pasid, request.group, &cookie))
		respond(h, cookie, 1);
}

int nest_faults(struct nest_host *h)
{
	struct iommufd_fault f[64]; /* the kernel gives whole groups, and none that does not fit */
	ssize_t bytes;

	while ((bytes = h->calls->read(h->fault_fd, f, sizeof(f))) > 0) {
		if ((size_t)bytes % sizeof(f[0]))
			return -EIO;
		for (size_t i = 0; i < (size_t)bytes / sizeof(f[0]); i++)
			one_fault(h, &f[i]);
	}
	return bytes == 0 || errno == EAGAIN ? 0 : -errno;
}

/* ---- life ---- */

int nest_fit_vtd(const struct nest_calls *calls, int fd, uint32_t dev_id,
		 struct viommu_vtd_config *config)
{
	struct iommufd_hw_vtd host = { .cap = 0 };
	struct iommufd_hw_info a = { .size = sizeof(a),
				     .dev_id = dev_id,
				     .data_len = sizeof(host),
				     .data = user_pointer(&host) };
	int error = calls->ioctl(fd, IOMMUFD_HW_INFO, &a);

	if (error < 0)
		return error;
	if (a.data_type != IOMMUFD_HW_VTD)
		return -EOPNOTSUPP;
	return viommu_vtd_fit(config, host.cap, host.ecap) == VIOMMU_OK ? 0 : -EOPNOTSUPP;
}

/* A vIOMMU takes the guest's commands, and has a queue of events for it. */
static int open_viommu(struct nest_host *h, uint32_t dev_id)
{
	struct iommufd_viommu v = { .size = sizeof(v),
				    .type = IOMMUFD_VIOMMU_SMMUV3,
				    .dev_id = dev_id,
				    .hwpt_id = h->parent };
	struct iommufd_veventq q = { .size = sizeof(q),
				     .type = IOMMUFD_VEVENTQ_SMMUV3,
				     .depth = 256 };
	int error = call(h, IOMMUFD_VIOMMU, &v);

	if (error < 0)
		return error;
	h->viommu = v.out_viommu_id;
	q.viommu_id = h->viommu;
	error = call(h, IOMMUFD_VEVENTQ, &q);
	if (error < 0)
		return error;
	h->event_queue = q.out_veventq_id;
	h->event_fd = (int)q.out_veventq_fd;
	return 0;
}

static int open_host(struct nest_host *h, uint32_t dev_id, uint32_t ioas)
{
	struct iommufd_hwpt_alloc a = { .size = sizeof(a),
					.flags = IOMMUFD_HWPT_NEST_PARENT,
					.dev_id = dev_id,
					.pt_id = ioas };
	struct iommufd_fault_alloc f = { .size = sizeof(f) };
	const struct viommu_nesting_config config = { .size = sizeof(config),
						      .opaque = h,
						      .install = install,
						      .mode = mode,
						      .invalidate = invalidate };
	int error = call(h, IOMMUFD_HWPT_ALLOC, &a);

	if (error < 0)
		return error;
	h->parent = a.out_hwpt_id;
	if (h->type == VIOMMU_NESTED_SMMUV3) {
		error = open_viommu(h, dev_id);
		if (error < 0)
			return error;
	}
	/* without page requests it goes on */
	if (call(h, IOMMUFD_FAULT_ALLOC, &f) == 0) {
		h->fault_queue = f.out_fault_id;
		h->fault_fd = (int)f.out_fault_fd;
	}
	return viommu_nesting_new(h->iommu, &config, &h->nesting) == VIOMMU_OK ? 0 : -EINVAL;
}

int nest_open(struct nest_host *h, const struct nest_calls *calls, int fd, uint32_t dev_id,
	      uint32_t ioas, struct viommu *iommu, uint32_t type)
{
	int error;

	*h = (struct nest_host){ .calls = calls,
				 .iommu = iommu,
				 .fd = fd,
				 .type = type,
				 .event_fd = -1,
				 .fault_fd = -1 };
	pthread_mutex_init(&h->lock, NULL);
	error = open_host(h, dev_id, ioas);
	if (error < 0)
		nest_close(h);
	return error;
}

void nest_close(struct nest_host *h)
{
	viommu_nesting_free(h->nesting);
	if (h->event_fd >= 0)
		h->calls->close(h->event_fd);
	if (h->fault_fd >= 0)
		h->calls->close(h->fault_fd);
	destroy(h, &h->event_queue);
	destroy(h, &h->viommu);
	destroy(h, &h->fault_queue);
	destroy(h, &h->parent);
	pthread_mutex_destroy(&h->lock);
}

static int add_vdevice(struct nest_device *d)
{
	struct iommufd_vdevice v = { .size = sizeof(v),
				     .viommu_id = d->host->viommu,
				     .dev_id = d->dev_id,
				     .virt_id = viommu_device_get_id(d->device) };
	int error = d->host->viommu ? call(d->host, IOMMUFD_VDEVICE, &v) : 0;

	d->vdevice = v.out_vdevice_id;
	return error;
}

int nest_add(struct nest_host *h, struct nest_device *d, struct viommu_device *device, int fd,
	     uint32_t dev_id)
{
	unsigned place = 0;
	int error;

	while (place < NEST_DEVICES && h->device[place])
		place++;
	if (place == NEST_DEVICES)
		return -ENOSPC;
	*d = (struct nest_device){ .host = h, .device = device, .fd = fd, .dev_id = dev_id };
	error = add_vdevice(d);
	if (error < 0)
		return error;
	h->device[place] = d;
	if (viommu_nesting_add(h->nesting, device, VIOMMU_NO_PASID) == VIOMMU_OK)
		return 0;
	h->device[place] = NULL;
	destroy(h, &d->vdevice);
	return -EINVAL;
}

void nest_remove(struct nest_device *d)
{
	struct nest_host *h = d->host;

	detach(d);
	viommu_nesting_remove(h->nesting, d->device, VIOMMU_NO_PASID);
	destroy(h, &d->hwpt);
	destroy(h, &d->vdevice);
	for (unsigned i = 0; i < NEST_DEVICES; i++) {
		if (h->device[i] == d)
			h->device[i] = NULL;
	}
}
