#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
# guest_init.sh - the guest's first process: what guest.sh gave on the kernel's command line, step by step. Each says
# "guest: good" or "guest: FAILED"; the last line is "guest: end".
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
nic=/sys/bus/pci/devices/0000:01:00.0

word() { # word NAME: its value on the kernel's command line
	sed -n "s/.*\<guest\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

step() { # step TEXT COMMAND...
	local text=$1
	shift
	if "$@"; then echo "guest: good: $text"; else echo "guest: FAILED: $text"; fi
}

eventually() { # eventually COMMAND...: within 20 seconds
	local n=0
	until "$@" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 200 ] || return 1
		usleep 100000
	done
}

load() {
	local module
	for module in "$@"; do insmod /modules/$module.ko || return 1; done
}

domain_is() { # domain_is TYPE
	local type
	type=$(cat $nic/iommu_group/type)
	echo "the NIC's domain is $type"
	[ "$type" = "$1" ]
}

# PCI Express' extended capability 15, its control register, which is the upper half of its second word.
has_ats() {
	local word found=
	for word in $(hexdump -v -s 256 -e '1/4 "%08x "' $nic/config); do
		[ -z "$found" ] || { [ $((0x$word >> 31)) = 1 ]; return; }
		case $word in *000f) found=1 ;; esac
	done
	return 1
}

# Either has one, or the way of the IOMMU without it is what is tested.
ats_is_as_wanted() { if [ -n "$(word ats)" ]; then has_ats; else ! has_ats; fi; }

# Feature 34: packed rings.
rings_are() { # rings_are split|packed
	[ "$(cut -c 35 $nic/virtio*/features)" = "$([ "$1" = packed ] && echo 1 || echo 0)" ]
}

is_up() { [ -e /sys/class/net/eth0 ] && ip link set eth0 up && [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; }

# On every processor, that is, on every pair of queues.
frames() {
	local processor
	for processor in $(seq 0 $(($(nproc) - 1))); do
		guest_frames eth0 $processor "$1" || return 1
	done
}

# By the virtio driver, and by the one of the PCI device.
rebind_virtio() {
	local name
	name=$(basename $nic/virtio*)
	echo $name >/sys/bus/virtio/drivers/virtio_net/unbind &&
		echo $name >/sys/bus/virtio/drivers/virtio_net/bind && eventually is_up
}

rebind_pci() {
	basename $nic >/sys/bus/pci/drivers/virtio-pci/unbind &&
		basename $nic >/sys/bus/pci/drivers/virtio-pci/bind && eventually is_up
}

rogue() {
	[ -z "$(word unsafe)" ] || echo 1 >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
	basename $nic >/sys/bus/pci/drivers/virtio-pci/unbind && echo vfio-pci >$nic/driver_override &&
		basename $nic >/sys/bus/pci/drivers_probe &&
		guest_rogue "$(basename "$(readlink -f $nic/iommu_group)")" "$(basename $nic)"
}

faults() { dmesg | grep -cE 'DMAR: \[DMA|page fault from EP'; }
no_faults() { [ "$(faults)" = 0 ] || { dmesg | grep -E "DMAR: \[DMA|page fault from EP" | head -n 5; false; }; }
some_faults() { echo "$(faults) faults" && ! no_faults; }

uname -r
load $(word modules | tr , ' ')
step "an IOMMU, invalidations as asked for" domain_is "$(word domain)"
step "a device IOTLB, if the IOMMU knows that" ats_is_as_wanted
step "the network driver is there" eventually is_up
# A deaf backend's frames would go into pages of the kernel's.
if [ -z "$(word deaf)" ]; then
	step "rings as asked for" rings_are "$(word rings)"
	step "frames" frames "$(word frames)"
	step "the network driver is taken off and put on" rebind_virtio
	step "frames after that" frames "$(word frames)"
	step "the same with the device's driver" rebind_pci
	step "frames after that" frames "$(word frames)"
fi
step "no fault has been recorded" no_faults
step "a driver that misbehaves" rogue
step "that has been recorded" some_faults
echo "guest: end"
sync
reboot -f
