/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iommufd_nesting.c - an assigned device behind a VT-d unit of ours, whose first stage the host's IOMMU walks.
 *
 *	iommufd_nesting /dev/vfio/devices/vfio0
 *
 * shows what a guest would be presented on this host, and attaches the device as it is before the guest has set
 * anything up. The glue, which is what a VMM takes over, is in iommufd_nesting/nest_host.c. Needs Linux 6.8 with VT-d in
 * scalable mode; tests/nesting runs the same glue on a kernel that is made up.
 */

#include <libvirtiommu/nesting.h>
#include <libvirtiommu/vm.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nest_host.h"

#define RAM_BYTES (UINT64_C(64) << 20)

static void say(void *opaque, const char *text)
{
	(void)opaque;
	fprintf(stderr, "%s\n", text);
}

static int failed(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-error));
	return 1;
}

/* The device belongs to the iommufd, and guest memory is where its addresses lead. */
static int bind(int iommufd, int fd, void *ram, uint32_t *dev_id, uint32_t *ioas)
{
	struct vfio_bind b = { .argsz = sizeof(b), .iommufd = iommufd };
	struct iommufd_ioas_alloc a = { .size = sizeof(a) };
	struct iommufd_ioas_map m = { .size = sizeof(m),
				      .flags = IOMMUFD_MAP_FIXED | IOMMUFD_MAP_WRITE |
					       IOMMUFD_MAP_READ,
				      .user_va = (uint64_t)(uintptr_t)ram,
				      .length = RAM_BYTES };
	int error = nest_kernel.ioctl(fd, VFIO_BIND, &b);

	if (!error)
		error = nest_kernel.ioctl(iommufd, IOMMUFD_IOAS_ALLOC, &a);
	m.ioas_id = a.out_ioas_id;
	if (!error)
		error = nest_kernel.ioctl(iommufd, IOMMUFD_IOAS_MAP, &m);
	*dev_id = b.out_devid;
	*ioas = a.out_ioas_id;
	return error;
}

static int run(int iommufd, int fd, void *ram)
{
	const struct viommu_vm_config vm_config = { .size = sizeof(vm_config) };
	const struct viommu_region region = { .size = sizeof(region),
					      .bytes = RAM_BYTES,
					      .host = ram };
	const struct viommu_host host = { .size = sizeof(host), .message = say };
	struct viommu_vtd_config config = { .size = sizeof(config), .host = &host };
	static struct nest_device nested;
	struct viommu_device_config device_config = { .size = sizeof(device_config),
						      .id = 0x10,
						      .opaque = &nested,
						      .page_response = nest_respond };
	static struct nest_host h;
	struct viommu_device *device;
	struct viommu *iommu;
	struct viommu_vm *vm;
	uint32_t dev_id, ioas;
	int error = bind(iommufd, fd, ram, &dev_id, &ioas);

	if (error)
		return failed("VFIO", error);
	error = nest_fit_vtd(&nest_kernel, iommufd, dev_id, &config);
	if (error)
		return failed("the host cannot nest", error);
	printf("the guest sees CAP %016" PRIx64 ", ECAP %016" PRIx64 "\n", config.cap, config.ecap);
	if (viommu_vm_new(&vm_config, &vm) || viommu_vm_add_region(vm, &region) ||
	    viommu_vtd_new(vm, &config, &iommu) ||
	    viommu_device_new(iommu, &device_config, &device))
		return 1;
	error = nest_open(&h, &nest_kernel, iommufd, dev_id, ioas, iommu, VIOMMU_NESTED_VTD_S1);
	if (error)
		return failed("iommufd", error);
	error = nest_add(&h, &nested, device, fd, dev_id);
	if (error)
		return failed("nesting", error);
	printf("the device is attached: until the guest sets up its IOMMU, its addresses are guest-physical\n");
	nest_remove(&nested);
	nest_close(&h);
	viommu_device_free(device);
	viommu_free(iommu);
	viommu_vm_free(vm);
	return 0;
}

int main(int argc, char **argv)
{
	void *ram;
	int iommufd, fd, result;

	if (argc != 2) {
		fprintf(stderr, "usage: iommufd_nesting /dev/vfio/devices/vfioN\n");
		return 2;
	}
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (iommufd < 0 || fd < 0) {
		perror(iommufd < 0 ? "/dev/iommu" : argv[1]);
		return 1;
	}
	ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	result = run(iommufd, fd, ram);
	munmap(ram, RAM_BYTES);
	close(fd);
	close(iommufd);
	return result;
}
