// SPDX-License-Identifier: BSD-3-Clause
//! Every order in which handles are dropped works, and every one of them may be forgotten.
use crate::common::*;
use crate::views::Owner;
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use virtiommu::*;

type Parts = Vec<(&'static str, Box<dyn Any>)>;

/// One of each handle behind a VT-d unit, all in use; and whether its memory is gone.
fn remapping() -> (Parts, Arc<AtomicBool>) {
    let mut w = World::with(CM, DT, MemoryCallbacks::default());
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(told(8, Box::new(|_| Taken::Later))).unwrap();
    let channel = device.channel(None).unwrap();
    let mapping = channel.map(IOVA, 0x1000, read_write(), 1).unwrap();
    let unmap: Box<dyn Fn(&DeviceRef, Pasids, u64, u64) + Send + Sync> = Box::new(|_, _, _, _| ());
    let host = ListenerHost { unmap: Some(unmap), ..Default::default() };
    let listener = w.registers.listener(Some(&device), host).unwrap();
    let everything = w.registers.listener(None, ListenerHost::default()).unwrap();
    let routes = w.registers.routes(8, |routes| drop(routes.drain())).unwrap();
    let also = (routes.clone(), device.clone()); // what a callback has
    let changed: Box<dyn Fn(u32) + Send + Sync> =
        Box::new(move |_| assert!(also.0.drain().is_ok() && also.1.id() == 8));
    let host = IoapicHost { changed: Some(changed), ..Default::default() };
    let ioapic = w.registers.ioapic(&IoapicConfig::default(), host).unwrap();
    routes.set(1, Source::Pin(&ioapic, 3)).unwrap();
    routes.set(2, Source::Msi(8, 0xfee0_00b0, 0)).unwrap();
    let host = VhostHost { send: Some(Box::new(|_| Taken::Later)), expired: None };
    let vhost = w.registers.vhost(&device, None, &VhostConfig::default(), host).unwrap();
    vhost.miss(IOVA, Access::READ).unwrap();
    let _ = w.invalidate(0); // waits for the mapping and the backend
    let _ = w.submit(3 | 8 << 32, 0x7fff_ffff_ffff_f001); // and for the device
    let dirty = w.iommu.dirty(Some(&device), 0, 0xfffff).unwrap();
    let gone = w.ram.gone.clone();
    let World { ram, vm, iommu, registers, .. } = w;
    let parts: Parts = vec![
        ("vm", Box::new((ram, vm))),
        ("iommu", Box::new(iommu)),
        ("registers", Box::new(registers)),
        ("device", Box::new(device)),
        ("channel", Box::new(channel)),
        ("mapping", Box::new(mapping)),
        ("listener", Box::new(listener)),
        ("listener of all", Box::new(everything)),
        ("routes", Box::new(routes)),
        ("ioapic", Box::new(ioapic)),
        ("vhost", Box::new(vhost)),
        ("dirty", Box::new(dirty)),
    ];
    (parts, gone)
}
fn nesting() -> (Parts, Arc<AtomicBool>) {
    let mut w = Smmu::new();
    let host = NestingHost {
        install: Some(Box::new(|_, _, _| true)),
        mode: Some(Box::new(|_, _, _| ())),
        invalidate: Some(Box::new(|_, _, _| 1)),
    };
    let group = w.registers.nesting(host).unwrap();
    let member = w.registers.nest(&group, &w.device, None).unwrap();
    let gone = w.ram.gone.clone();
    let Smmu { ram, registers, device, .. } = w;
    let parts: Parts = vec![
        ("ram", Box::new(ram)),
        ("registers", Box::new(registers)),
        ("device", Box::new(device)),
        ("group", Box::new(group)),
        ("member", Box::new(member)),
    ];
    (parts, gone)
}
fn backend() -> (Parts, Arc<AtomicBool>) {
    let mut iotlb = Iotlb::new(&IotlbConfig::default(), IotlbHost::default()).unwrap();
    let ram = Ram::new(4096);
    let gone = ram.gone.clone();
    let _ = iotlb.set_memory(vec![(0x1000, ram)]).unwrap();
    let (a, b) = (iotlb.reader().unwrap(), iotlb.reader().unwrap());
    (vec![("iotlb", Box::new(iotlb)), ("reader", Box::new(a)), ("another", Box::new(b))], gone)
}
fn controllers() -> (Parts, Arc<AtomicBool>) {
    let ram = Ram::new(4096);
    let gone = ram.gone.clone();
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_region(0, ram, false).unwrap();
    let config = RvicConfig { cpus: 1, ..Default::default() };
    let rvic = Rvic::new(&vm, &config, &[], RvicHost::default()).unwrap();
    let host = RvidHost { signal: Some(Box::new(|_, _, _| ())) };
    let rvid = Rvid::new(&vm, &config, &[], host).unwrap();
    (vec![("vm", Box::new(vm)), ("rvic", Box::new(rvic)), ("rvid", Box::new(rvid))], gone)
}
/// With a section that was forgotten, and an invalidation that waits for it: nobody revokes the view.
fn views() -> (Parts, Arc<AtomicBool>) {
    let mut o = Owner::new(None);
    let mut view = o.view();
    let section = view.enter().unwrap();
    assert_eq!(o.ask(&section, IOVA, read_write()), Ok(Outcome::Done));
    std::mem::forget(section);
    assert_eq!(o.w.invalidate(0), Progress::Pending);
    let gone = o.w.ram.gone.clone();
    let Owner { w, device, viewer, .. } = o;
    let World { ram, vm, iommu, registers, .. } = w;
    let parts: Parts = vec![
        ("vm", Box::new((ram, vm, iommu))),
        ("registers", Box::new(registers)),
        ("device", Box::new(device)),
        ("viewer", Box::new(viewer)),
        ("view", Box::new(view)),
    ];
    (parts, gone)
}
const ALL: [fn() -> (Parts, Arc<AtomicBool>); 5] = [remapping, nesting, backend, controllers, views];

#[test]
fn every_order_of_drops() {
    let mut random = 1u64;
    for make in ALL {
        let count = make().0.len();
        // every permutation of few; of many, each first one with each last one
        let orders = if count <= 5 { (1..=count).product() } else { count * (count - 1) };
        for order in 0..orders {
            let (mut parts, gone) = make();
            let mut rest = order;
            let last = if count > 5 { Some(parts.remove((order / count + order % count + 1) % count)) } else { None };
            while !parts.is_empty() {
                let at = rest % parts.len();
                rest /= parts.len();
                if count > 5 && rest == 0 {
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    rest = (random >> 33) as usize;
                }
                drop(parts.remove(at));
            }
            drop(last);
            assert!(gone.load(Ordering::SeqCst), "order {order} of {count}: something is left");
        }
    }
}

#[test]
fn whatever_is_forgotten() {
    for make in ALL {
        for at in 0..make().0.len() {
            let (mut parts, gone) = make();
            let (name, part) = parts.remove(at);
            std::mem::forget(part);
            drop(parts);
            // what is left stands on memory that is still there
            assert!(!gone.load(Ordering::SeqCst), "{name}: its memory is gone");
        }
    }
}

#[test]
fn dropped_by_another_thread_while_registers_are_in_use() {
    for _ in 0..20 {
        let mut w = World::with(CM, 0, MemoryCallbacks::default());
        w.map(0, 0x20000, 3);
        let device = w.iommu.device(plain(8)).unwrap();
        let parts: Vec<Box<dyn Any + Send>> = vec![
            Box::new(w.registers.listener(Some(&device), ListenerHost::default()).unwrap()),
            Box::new(w.registers.routes(8, |_| ()).unwrap()),
            Box::new(w.registers.ioapic(&IoapicConfig::default(), IoapicHost::default()).unwrap()),
            Box::new(device),
        ];
        let gone = w.ram.gone.clone();
        std::thread::scope(|s| {
            s.spawn(move || parts.into_iter().for_each(drop));
            for _ in 0..20 {
                let _ = w.invalidate(0);
            }
        });
        let _ = w.registers.run();
        assert!(w.iommu.device(plain(8)).is_ok(), "the id is free again");
        drop(w);
        assert!(gone.load(Ordering::SeqCst));
    }
}

#[test]
fn what_a_callback_has_captured_panics_when_it_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let _alone = COUNTING.lock().unwrap();
    let mut w = World::new();
    let device = w.iommu.device(plain(8)).unwrap();
    let slot: Arc<std::sync::Mutex<Option<Listener>>> = Arc::default();
    let (bomb, it) = (Bomb, slot.clone());
    let mode: Box<dyn Fn(&DeviceRef, Mode) + Send + Sync> = Box::new(move |_, _| {
        let _captured = &bomb;
        drop(it.lock().unwrap().take());
    });
    *slot.lock().unwrap() =
        Some(w.registers.listener(None, ListenerHost { mode: Some(mode), ..Default::default() }).unwrap());
    let before = panics();
    let _ = w.registers.reset().unwrap(); // the listener drops itself, and with it the bomb
    let _ = w.registers.run().unwrap();
    assert_eq!(panics() - before, 1);
    let unmap: Box<dyn Fn(&DeviceRef, Pasids, u64, u64) + Send + Sync> = Box::new(|_, _, _, _| ());
    let host = ListenerHost { unmap: Some(unmap), ..Default::default() };
    let _next = w.registers.listener(Some(&device), host).unwrap();
    let _ = w.registers.flush().unwrap();
}
