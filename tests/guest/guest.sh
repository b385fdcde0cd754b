#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# guest.sh BACKEND PROGRAMS IOMMU INVALIDATION RINGS PAIRS [deaf] - a Linux guest in QEMU, its network device behind QEMU's own IOMMU (intel or
# virtio) and served by our vhost-user backend. PROGRAMS: the folder of the guest's own programs. INVALIDATION: strict or lazy.
# RINGS: split or packed. PAIRS: of queues, 1 or 2 (one for each processor).
# deaf: the backend does not carry out invalidations, and the driver that misbehaves has to find that.
#   VIOMMU_GUEST_ACCEL  tcg or kvm (tcg)
#   VIOMMU_GUEST_FRAMES frames for each processor and step (500)
set -euo pipefail
backend=$1 programs=$2 iommu=$3 invalidation=$4 rings=$5 pairs=$6 deaf=${7-}
here=$(cd "$(dirname "$0")" && pwd)
packages=$here/../../build/guest

skip() {
	echo "guest: skipped, $1"
	exit 77
}
command -v qemu-system-x86_64 >/dev/null || skip "there is no qemu-system-x86_64"
kernel=$(find "$packages/boot" -name 'vmlinuz-*' 2>/dev/null | head -n 1 || true)
[ -n "$kernel" ] || skip "there is no kernel in build/guest (scripts/deps fetches it)"

# Software emulation unless asked: it is the same everywhere, and nested KVM is not always sound.
accel=${VIOMMU_GUEST_ACCEL:-tcg}
count=${VIOMMU_GUEST_FRAMES:-500}
folder=$(mktemp -d)
backend_pid=
trap '[ -z "$backend_pid" ] || kill $backend_pid 2>/dev/null || true; rm -rf "$folder"' EXIT

# ---- the guest's first file system ----

modules=(failover net_failover virtio_net irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci)
[ $iommu = intel ] || modules=(virtio-iommu "${modules[@]}")

make_initrd() {
	local root=$folder/root module file
	mkdir -p "$root"/{bin,dev,proc,sys,modules}
	cp "$packages/bin/busybox" "$programs"/guest_{frames,rogue} "$root/bin/"
	cp "$here/guest_init.sh" "$root/init"
	for module in "${modules[@]}"; do
		file=$(find "$packages/lib/modules" -name "$module.ko*" | head -n 1)
		[ -n "$file" ] || { echo "guest: the kernel has no $module"; exit 1; }
		case $file in
		*.xz) xz -dc "$file" >"$root/modules/$module.ko" ;;
		*) cp "$file" "$root/modules/$module.ko" ;;
		esac
	done
	(cd "$root" && find . | "$packages/bin/busybox" cpio -o -H newc 2>/dev/null) >"$folder/initrd"
}

# ---- the machine ----

run_guest() {
	# Only a device behind a port is one of PCI Express, which may have ATS.
	# QEMU 7.2 without KVM crashes when a vhost-user device's MSI-X vector is unmasked: pins, then.
	local nic=virtio-net-pci,netdev=net,mac=02:00:00:00:00:aa,bus=express,disable-legacy=on,iommu_platform=on,vectors=0
	local machine=q35,kernel-irqchip=split emulation=$accel device append domain cpu
	domain=$([ $invalidation = strict ] && echo DMA || echo DMA-FQ)
	append="console=ttyS0 quiet panic=-1 ipv6.disable=1 no_timer_check iommu.strict=$([ $invalidation = strict ] && echo 1 || echo 0)"
	append+=" guest.domain=$domain guest.frames=$count guest.rings=$rings guest.deaf=$deaf"
	append+=" guest.modules=$(IFS=,; echo "${modules[*]}")"
	[ $rings = split ] || nic+=,packed=on
	[ $pairs = 1 ] || nic+=,mq=on
	if [ $iommu = intel ]; then
		device=intel-iommu,device-iotlb=on,intremap=on
		nic+=,ats=on
		append+=" intel_iommu=on guest.ats=1"
	else
		device=virtio-iommu-pci,addr=4
		# No interrupt remapping, which VFIO does without if told so.
		append+=" guest.unsafe=1"
	fi
	# QEMU 7.2 emulates cmpxchg16b with flags that are wrong now and then: without it, Linux has another way.
	[ $accel = kvm ] && cpu=host || cpu=qemu64,-cx16
	# Linux patches its code while it runs, which threads of an emulator see half done now and then: one for both processors.
	[ $accel = kvm ] || emulation+=,thread=single
	timeout 280 qemu-system-x86_64 -machine $machine -accel $emulation -cpu $cpu -m 256 -smp 2 -display none -no-reboot -nodefaults -no-user-config \
		-object memory-backend-memfd,id=ram,size=256M,share=on -numa node,memdev=ram \
		-serial "file:$folder/console" -kernel "$kernel" -initrd "$folder/initrd" -append "$append" -device $device -device pcie-root-port,id=express \
		-chardev socket,id=vhost,path="$folder/socket" -netdev vhost-user,id=net,chardev=vhost,queues=$pairs -device $nic \
		>"$folder/qemu" 2>&1 </dev/null
}

show() {
	echo "---- console"
	tr -d '\r' <"$folder/console" | tail -n 60
	echo "---- QEMU"
	sort "$folder/qemu" | uniq -c | sort -rn | head -n 20
	echo "---- backend"
	tail -n 20 "$folder/backend"
}

# Each pair has to have had its part; QEMU negotiates nothing but with us.
has_used_pairs() {
	local pair frames used=0
	# It says so when it has seen that QEMU is gone.
	for _ in {1..200}; do grep -q 'frames in pair 3$' "$folder/backend" || sleep 0.05; done
	for pair in 0 1 2 3; do
		frames=$(sed -n "s/^backend: \([0-9]*\) frames in pair $pair$/\1/p" "$folder/backend" | tail -n 1)
		echo "guest: ${frames:-no} frames in pair $pair"
		[ "${frames:-0}" -lt $count ] || used=$((used + 1))
	done
	[ $used = $pairs ]
}

make_initrd
echo "guest: $(basename "$kernel") in $(qemu-system-x86_64 --version | head -n 1), accel=$accel, $iommu IOMMU, $invalidation, $rings rings, $pairs pair(s)"
"$backend" --report ${deaf:+--deaf} "$folder/socket" 2>"$folder/backend" &
backend_pid=$!
for _ in {1..100}; do [ -S "$folder/socket" ] || sleep 0.05; done
touch "$folder/console"
run_guest || { show; echo "guest: QEMU failed"; exit 1; }

tr -d '\r' <"$folder/console" | grep -aE '^(guest|good|FAILED|the NIC|[0-9]+ faults)' || true
# Two rows use a page that was mapped; of the others, and of a driver that behaves, it is hidden.
if [ -n "$deaf" ]; then
	grep -aq '^guest: end' "$folder/console" && grep -aq '^good: a fair driver' "$folder/console" &&
		[ "$(grep -a '^FAILED: ' "$folder/console" | tr -d '\r')" = "FAILED: sending from a page that was mapped
FAILED: receiving into a page that was mapped" ] && exit
	show
	exit 1
fi
if grep -aq FAILED "$folder/console" || ! grep -aq '^guest: end' "$folder/console" ||
	[ "$(grep -ac '^guest: good' "$folder/console")" != "$(grep -c '^[[:space:]]*step "' "$here/guest_init.sh")" ] ||
	! kill -0 $backend_pid || ! has_used_pairs; then
	show
	exit 1
fi
