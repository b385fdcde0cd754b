// SPDX-License-Identifier: BSD-3-Clause
//! The crate vm-memory: its memory, and its trait Bytes on a section and on a device.
use crate::common::*;
use std::sync::atomic::Ordering;
use virtiommu::*;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// What a device model that knows vm-memory only does.
fn model<M: Bytes<GuestAddress, E = std::io::Error>>(memory: &M) {
    let at = |offset| GuestAddress(IOVA + offset);
    memory.write_obj(0x1122_3344u32, at(0)).unwrap();
    assert_eq!(memory.read_obj::<u32>(at(0)).unwrap(), 0x1122_3344);
    memory.store(0x5566u16, at(4), Ordering::Release).unwrap();
    assert_eq!(memory.load::<u16>(at(4), Ordering::SeqCst).unwrap(), 0x5566);
    memory.store(0x77u8, at(6), Ordering::SeqCst).unwrap();
    assert_eq!(
        memory.load::<u64>(at(0), Ordering::Acquire).unwrap().to_le_bytes()[..7],
        [0x44, 0x33, 0x22, 0x11, 0x66, 0x55, 0x77]
    );
    memory.store(1i64, at(8), Ordering::Relaxed).unwrap();
    assert_eq!(memory.load::<i32>(at(12), Ordering::Relaxed).unwrap(), 0);
    // over the end of what is mapped
    assert_eq!(memory.write(&[1; 32], at(0x1ff0)).unwrap(), 16);
    assert_eq!(memory.read(&mut [0; 32], at(0x1ff8)).unwrap(), 8);
    let error = memory.write_slice(&[1; 32], at(0x1ff0)).unwrap_err();
    let refused = *error.get_ref().unwrap().downcast_ref::<Refused>().unwrap();
    assert_eq!(refused, Refused { done: 16, why: Why::Fault });
    assert!(memory.read(&mut [0; 1], at(0x2000)).is_err() && memory.load::<u8>(at(0x2000), Ordering::Relaxed).is_err());
    // streams
    assert_eq!(memory.read_from(at(0x100), &mut &b"abcd"[..], 8).unwrap(), 4);
    assert!(memory.read_exact_from(at(0x100), &mut &b"abcd"[..], 8).is_err());
    let mut out = vec![];
    memory.write_all_to(at(0x100), &mut out, 4).unwrap();
    assert_eq!((memory.write_to(at(0x100), &mut out, 2).unwrap(), &out[..]), (2, &b"abcdab"[..]));
    assert!(memory.write_all_to(at(0x1ff0), &mut out, 32).is_err());
}

#[test]
fn bytes_of_sections_and_devices() {
    let w = World::new();
    w.map(0, 0x20000, 3);
    w.map(1, 0x30000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    model(&channel.enter().unwrap());
    model(&device.dma(None));
}

#[test]
fn memory_of_vm_memory_is_a_vms() {
    let ranges = [(GuestAddress(0), 0x10000), (GuestAddress(0x20000), 0x10000)];
    let memory = GuestMemoryMmap::<()>::from_ranges(&ranges).unwrap();
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_guest_memory(&memory).unwrap();
    assert_eq!(vm.add_guest_memory(&memory), Err(Error::Exists));
    let (iommu, mut r) =
        Iommu::virtio(&vm, &VirtioConfig::default(), &Limits::default(), Host::default(), VirtioHost::default())
            .unwrap();
    assert_eq!(r.write(36, 1, 1), Ok(Progress::Done)); // config.bypass
    let device = iommu.device(plain(1)).unwrap();
    drop((vm, r)); // the device keeps them
    device.dma(None).write_obj(0x99u8, GuestAddress(0x2fff0)).unwrap();
    assert_eq!(memory.read_obj::<u8>(GuestAddress(0x2fff0)).unwrap(), 0x99);
    assert!(device.dma(None).write_obj(1u8, GuestAddress(0x10000)).is_err());
}
