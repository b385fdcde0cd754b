// SPDX-License-Identifier: BSD-3-Clause
//! Translations, sections, DMA, memory, order of drops.
use crate::common::*;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use virtiommu::*;

#[test]
fn thread_bounds() {
    fn send<T: Send>() {}
    fn sync<T: Send + Sync>() {}
    sync::<Vm>();
    sync::<Iommu>();
    sync::<Device>();
    sync::<DeviceSection<'_>>();
    sync::<Mapping>();
    sync::<Viewer>();
    send::<View>();
    send::<ViewSection<'_>>();
    send::<Registers>();
    send::<Channel>();
    send::<Section<'_>>();
}

#[test]
fn translate_and_copy() {
    let w = World::new();
    w.map(0, 0x20000, 3);
    w.map(1, 0x30000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    let mut buffer = Buffer::new(4);
    let section = channel.enter().unwrap();
    let a = section.translate(IOVA + 0xff0, 0x20, Access::WRITE, &mut buffer).unwrap();
    assert_eq!((a.end, a.fragments.len(), a.next), (End::All, 2, IOVA + 0x1010));
    assert_eq!(a.fragments[0].memory().unwrap().write(0, &[7; 64]), 16);
    assert_eq!(a.fragments[1].memory().unwrap().write(8, &[9; 4]), 4);
    let mut back = [0; 7];
    assert_eq!(a.fragments[0].memory().unwrap().read(9, &mut back), 7);
    assert_eq!(back, [7; 7]);
    drop(section);
    assert_eq!((w.ram.get(0x20ff8), w.ram.get(0x30008)), (0x0707_0707_0707_0707, 0x0909_0909));
}

#[test]
fn list_of_requests() {
    let w = World::new();
    w.map(0, 0x20000, 3);
    w.map(1, 0x30000, 1);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    let mut buffer = Buffer::new(8);
    let section = channel.enter().unwrap();
    let want = |iova, access| Request { iova, bytes: 16, access };
    let list = [want(IOVA, Access::WRITE), want(IOVA + 0x1000, Access::READ), want(IOVA + 0x1000, Access::WRITE)];
    let answers = section.translate_list(&list, &mut buffer).unwrap();
    let told: Vec<_> = answers.iter().map(|a| (a.end, a.fragments.first().map(Fragment::gpa))).collect();
    let refused = End::Fault { reason: 5, zero: false };
    assert_eq!(told, [(End::All, Some(0x20000)), (End::All, Some(0x30000)), (refused, None)]);
}

#[test]
fn fault_is_an_answer_and_is_explained() {
    let mut w = World::new();
    w.map(0, 0x20000, 1);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    let mut buffer = Buffer::new(4);
    let section = channel.enter().unwrap();
    let a = section.translate(IOVA, 16, Access::WRITE, &mut buffer).unwrap();
    assert_eq!((a.end, a.next), (End::Fault { reason: 5, zero: false }, IOVA));
    assert_eq!(section.translate(IOVA, 0, Access::READ, &mut buffer).err(), Some(Error::Invalid));
    assert_eq!(section.translate(u64::MAX, 2, Access::READ, &mut buffer).err(), Some(Error::Invalid));
    assert_eq!(section.translate(IOVA, 1, Access::READ, &mut Buffer::new(0)).err(), Some(Error::Invalid));
    drop(section);
    assert_eq!(w.registers.read(0x34, 4), Ok(2));
    assert_eq!((w.iommu.faults(5), w.iommu.statistics().unwrap().faults), (1, 1));
    assert!(w.iommu.reason_text(5).contains("write"), "{}", w.iommu.reason_text(5));
    let mut seen = vec![];
    let outcome = channel.explain(IOVA, Access::WRITE, |step| {
        seen.push(step);
        true
    });
    assert_eq!(outcome, Ok(Outcome::Fault));
    assert!(seen.iter().any(|s| s.reason == 5) && seen[0].gpa == Some(0x1000));
    assert_eq!(device.explain(None, IOVA, Access::READ, false, |_| false), Ok(Outcome::More));
    let caught = catch_unwind(AssertUnwindSafe(|| device.explain(None, IOVA, Access::READ, false, |_| panic!("step"))));
    assert!(caught.is_err());
}

#[test]
fn section_holds_back_invalidation() {
    let mut w = World::new();
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    let mut buffer = Buffer::new(1);
    let section = channel.enter().unwrap();
    let a = section.translate(IOVA, 8, Access::WRITE, &mut buffer).unwrap();
    w.map(0, 0, 0);
    assert_eq!(w.invalidate(0), Progress::Pending);
    assert!(!w.told());
    assert_eq!(a.fragments[0].memory().unwrap().write(0, &[1]), 1); // still ours
    let works = w.seen.works.load(Ordering::SeqCst);
    drop(section);
    assert_eq!(w.seen.works.load(Ordering::SeqCst), works + 1);
    assert_eq!(w.registers.run(), Ok(Progress::Done));
    assert!(w.told());
}

#[test]
fn device_sections_overlap() {
    let mut w = World::new();
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let (a, b) = (device.enter().unwrap(), device.enter().unwrap());
    let (mut x, mut y) = (Buffer::new(1), Buffer::new(1));
    let one = a.translate(None, IOVA, 8, Access::READ, &mut x).unwrap();
    let two = b.translate(None, IOVA + 8, 8, Access::READ, &mut y).unwrap();
    assert_eq!((one.fragments[0].gpa(), two.fragments[0].gpa()), (0x20000, 0x20008));
    assert_eq!(w.invalidate(0), Progress::Pending);
    drop(a);
    assert_eq!(w.registers.run(), Ok(Progress::Pending));
    std::thread::scope(|s| s.spawn(move || drop(b)).join().unwrap());
    assert_eq!(w.registers.run(), Ok(Progress::Done));
}

#[test]
fn verbs() {
    let w = World::new();
    w.map(0, 0x20000, 3);
    w.map(1, 0x30000, 1);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    channel.write(IOVA + 0xff8, &[1; 8]).unwrap();
    assert_eq!(channel.write(IOVA + 0xff8, &[2; 16]), Err(Refused { done: 8, why: Why::Fault }));
    assert_eq!(channel.load::<u32>(IOVA + 0xff8), Ok(0x0202_0202));
    channel.store(IOVA, 0x1234_5678_9abc_def0u64).unwrap();
    assert_eq!(channel.compare_exchange(IOVA, 0u64, 1), Ok(0x1234_5678_9abc_def0));
    assert_eq!(channel.compare_exchange(IOVA, 0x1234_5678_9abc_def0u64, 1), Ok(0x1234_5678_9abc_def0));
    assert_eq!(device.dma(None).load::<u64>(IOVA), Ok(1));
    assert_eq!(device.dma(None).privileged().load::<u8>(IOVA), Ok(1));
    let section = channel.enter().unwrap();
    let mut back = [0; 4];
    section.read(IOVA + 0x1000, &mut back).unwrap();
    assert_eq!(section.store(IOVA + 0x2000, 0u8).unwrap_err().why, Why::Fault);
    drop(section);
    w.map(2, 0x7000_0000, 3); // no such memory
    assert_eq!(channel.load::<u64>(IOVA + 0x2000).unwrap_err().why, Why::Unreachable);
    assert_eq!(channel.load::<u64>(IOVA + 0x2000).unwrap_err().to_string(), "Unreachable after 0 bytes");
}

#[test]
fn mapping_outlives_its_channel() {
    let dirty = std::sync::Arc::new(AtomicU64::new(0));
    let count = dirty.clone();
    let memory = MemoryCallbacks {
        dirty: Some(Box::new(move |_, bytes| {
            count.fetch_add(bytes, Ordering::SeqCst);
        })),
        ..Default::default()
    };
    let mut w = World::with(0, 0, memory);
    w.map(0, 0x20000, 3);
    w.map(1, 0x40000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let channel = device.channel(None).unwrap();
    let map = channel.map(IOVA + 0x800, 0x1000, read_write(), 4).unwrap();
    assert_eq!(channel.map(IOVA, 0x2000, Access::READ, 1).unwrap().rest(), Some(Why::More));
    drop((channel, device));
    assert_eq!(w.invalidate(0), Progress::Pending);
    let parts: Vec<_> = map.parts().map(|(gpa, memory)| (gpa, memory.bytes(), memory.write(0, &[5; 8]))).collect();
    assert_eq!(parts, [(0x20800, 0x800, 8), (0x40000, 0x800, 8)]);
    dirty.store(0, Ordering::SeqCst);
    map.unmap(0x808).unwrap();
    assert_eq!(dirty.load(Ordering::SeqCst), 0x808);
    assert_eq!(w.registers.run(), Ok(Progress::Done));
    assert_eq!((w.ram.get(0x20800), w.ram.get(0x40000)), (0x0505_0505_0505_0505, 0x0505_0505_0505_0505));
}

#[test]
fn what_is_forgotten_is_safe() {
    let mut w = World::new();
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    std::mem::forget(channel.enter().unwrap());
    assert_eq!(w.invalidate(0), Progress::Pending);
    drop(channel.enter().unwrap()); // closes the one that was forgotten
    assert_eq!(w.registers.run(), Ok(Progress::Done));
    std::mem::forget(channel.enter().unwrap());
    drop(channel);
    assert_eq!(w.registers.run(), Ok(Progress::Done));
    std::mem::forget(device.enter().unwrap());
    let gone = w.ram.gone.clone();
    drop((device, w));
    assert!(!gone.load(Ordering::SeqCst), "a section that nobody closes may be using it");
}

#[test]
fn every_drop_order() {
    for order in 0..120 {
        let w = World::new();
        let device = w.iommu.device(plain(8)).unwrap();
        let channel = device.channel(None).unwrap();
        let gone = w.ram.gone.clone();
        let World { ram, vm, iommu, registers, .. } = w;
        let mut parts: Vec<Box<dyn std::any::Any>> =
            vec![Box::new((ram, vm)), Box::new(iommu), Box::new(registers), Box::new(device), Box::new(channel)];
        let mut rest = order;
        while !parts.is_empty() {
            let at = rest % parts.len();
            rest /= parts.len().max(1);
            drop(parts.remove(at));
        }
        assert!(gone.load(Ordering::SeqCst));
    }
}

#[test]
fn memory_stays_until_it_is_quiet() {
    let w = World::new();
    let more = Ram::new(4096);
    let gone = more.gone.clone();
    w.vm.add_region(0x10_0000, more, false).unwrap();
    assert_eq!(w.vm.add_region(0x10_0000, Ram::new(4096), false), Err(Error::Exists));
    w.map(0, 0x10_0000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    let mut buffer = Buffer::new(1);
    let section = channel.enter().unwrap();
    let a = section.translate(IOVA, 8, Access::WRITE, &mut buffer).unwrap();
    w.vm.replace_region(0x10_0000, Ram::new(4096), true).unwrap();
    w.vm.remove_region(0x10_0000).unwrap();
    assert_eq!(w.vm.quiesce(), Ok(Progress::Pending));
    assert!(!gone.load(Ordering::SeqCst));
    a.fragments[0].memory().unwrap().write(0, &[1]);
    drop(section);
    w.vm.wait().unwrap();
    assert!(gone.load(Ordering::SeqCst));
    assert_eq!(w.vm.remove_region(0x10_0000), Err(Error::NotFound));
}

#[test]
fn panics_are_answers() {
    let _alone = COUNTING.lock().unwrap();
    let memory = MemoryCallbacks { read: Some(Box::new(|_, _| panic!("read"))), ..Default::default() };
    let mut w = World::with(0, DT, memory);
    w.ram.put(0x4010, 0x1000_0003); // a table outside the regions
    let invalidate = Box::new(|_: &Invalidation| -> Taken { panic!("invalidate") });
    let device = w.iommu.device(told(8, invalidate)).unwrap();
    let before = panics();
    let refused = device.channel(None).unwrap().load::<u8>(0x8000_0000).unwrap_err();
    assert_eq!(refused.why, Why::Fault);
    let _ = w.submit(3 | 8 << 32, 0x7fff_ffff_ffff_f001);
    let _ = w.registers.run();
    assert_eq!(w.registers.read(0x34, 4).unwrap() & 0x40, 0x40, "the guest sees a time-out");
    assert_eq!(panics() - before, 2);
}

#[test]
fn device_that_is_dropped_in_its_callback() {
    let mut w = World::with(0, DT, MemoryCallbacks::default());
    let slot: std::sync::Arc<std::sync::Mutex<Option<Device>>> = Default::default();
    let it = slot.clone();
    let invalidate = Box::new(move |_: &Invalidation| {
        *it.lock().unwrap() = None;
        Taken::Done
    });
    *slot.lock().unwrap() = Some(w.iommu.device(told(8, invalidate)).unwrap());
    assert!(w.iommu.find_device(8).is_ok());
    let _ = w.submit(3 | 8 << 32, 0x7fff_ffff_ffff_f001);
    let _ = w.registers.run();
    assert_eq!(w.iommu.find_device(8).err(), Some(Error::NotFound));
    w.iommu.device(plain(8)).unwrap(); // the id is free again
}

#[test]
fn ids_are_given_and_found() {
    let w = World::new();
    let (a, b) = (w.iommu.device(plain(8)).unwrap(), w.iommu.device(plain(16)).unwrap());
    assert_eq!(w.iommu.device(plain(8)).err(), Some(Error::Exists));
    assert_eq!(a.set_id(16), Err(Error::Exists));
    w.iommu.set_ids(&[(&a, 16), (&b, 8)]).unwrap();
    assert!(w.iommu.find_device(8).unwrap() == b && a.id() == 16);
    a.set_id(DeviceConfig::NO_ID).unwrap();
    assert_eq!(w.iommu.find_device(16).err(), Some(Error::NotFound));
}

#[test]
fn save_and_restore() {
    let mut w = World::new();
    let state = w.registers.save().unwrap();
    let mut other = World::new();
    assert_eq!(other.registers.reset(), Ok(Progress::Done));
    assert!(other.registers.restore(&state).is_ok());
    let _ = other.registers.run();
    assert_eq!(other.registers.read(0x1c, 4), Ok(0xc700_0000));
    let short = State(state.0[..state.0.len() - 1].to_vec());
    assert_eq!(other.registers.restore(&short), Err(Error::State));
    #[cfg(feature = "serde")]
    {
        let travels = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&travels).unwrap(), state);
    }
}

#[test]
fn two_threads_and_moving_pages() {
    let mut w = World::new();
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|s| {
        for _ in 0..2 {
            let mut channel = device.channel(None).unwrap();
            let (stop, done) = (&stop, &done);
            s.spawn(move || {
                let mut buffer = Buffer::new(1);
                while !stop.load(Ordering::Relaxed) {
                    let section = channel.enter().unwrap();
                    let a = section.translate(IOVA, 64, Access::WRITE, &mut buffer).unwrap();
                    a.fragments[0].memory().unwrap().write(0, &[0xaa; 64]);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for i in 0..200u64 {
            let (new, old) = if i & 1 == 0 { (0x30000, 0x20000) } else { (0x20000, 0x30000) };
            w.map(0, new, 3);
            let mut step = w.invalidate(0);
            while step == Progress::Pending {
                std::thread::yield_now();
                step = w.registers.run().unwrap();
            }
            assert!(w.told());
            w.ram.put(old, 0);
            std::thread::yield_now();
            assert_eq!(w.ram.get(old), 0, "a write after the guest was told");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(done.load(Ordering::Relaxed) > 0);
}

#[test]
fn every_engine() {
    let w = World::new();
    let (vm, limits) = (&w.vm, Limits::default());
    let seen = &w.seen;
    let made = [
        Iommu::amdvi(vm, &AmdviConfig::present(), &limits, host(seen)).unwrap(),
        Iommu::smmuv3(vm, &Smmuv3Config::present(), &limits, host(seen)).unwrap(),
        Iommu::riscv(vm, &RiscvConfig::present(), &limits, host(seen)).unwrap(),
        Iommu::virtio(vm, &VirtioConfig::default(), &limits, host(seen), VirtioHost::default()).unwrap(),
    ];
    assert_eq!(made.each_ref().map(|m| m.0.engine()), ["amdvi", "smmuv3", "riscv", "virtio"]);
    assert!(made.iter().all(|m| m.0.register_bytes() > 0 && m.1.iommu().engine() == m.0.engine()));
    assert_eq!(made[0].0.amdvi_capability(0x4000).unwrap()[1] & 0xffff_c001, 0x4001);
    made[0].0.amdvi_set_msi(&AmdviMsi { enabled: 1, address: 0xfee0_0000, ..Default::default() }).unwrap();
    let bad = VtdConfig { cap: u64::MAX, ecap: u64::MAX, ..Default::default() };
    assert!(Iommu::vtd(vm, &bad, &limits, host(seen)).is_err());
    assert!(!seen.messages.lock().unwrap().is_empty());
}

/// Requests of a virtio-iommu driver (5.13.6).
fn virtio(kind: u8, words: &[u32]) -> Vec<u8> {
    let mut request = vec![kind, 0, 0, 0];
    request.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    request
}

/// A request at 0x6000 and its status at 0x6100, in guest memory.
fn parts(ram: &Ram) -> (Part, Part) {
    let vm = Vm::new(VmConfig::default()).unwrap();
    let copy = Shadow(ram.host());
    vm.add_region(0, std::sync::Arc::new(copy), false).unwrap();
    let made = Iommu::virtio(&vm, &VirtioConfig::default(), &Limits::default(), Host::default(), VirtioHost::default());
    let (iommu, mut r) = made.unwrap();
    assert_eq!(r.write(36, 1, 1), Ok(Progress::Done)); // config.bypass
    let device = iommu.device(plain(1)).unwrap();
    let section = device.enter().unwrap();
    let (mut a, mut b) = (Buffer::new(1), Buffer::new(1));
    let request = section.translate(None, 0x6000, 28, Access::READ, &mut a).unwrap();
    let status = section.translate(None, 0x6100, 4, Access::WRITE, &mut b).unwrap();
    // SAFETY: the test keeps the memory.
    unsafe { (Part::new(request.fragments[0].memory().unwrap()), Part::new(status.fragments[0].memory().unwrap())) }
}
struct Shadow(std::ptr::NonNull<u8>);
// SAFETY: a pointer to memory that is accessed by everybody.
unsafe impl Send for Shadow {}
// SAFETY: as above.
unsafe impl Sync for Shadow {}
// SAFETY: the test keeps the memory.
unsafe impl HostMemory for Shadow {
    fn host(&self) -> std::ptr::NonNull<u8> {
        self.0
    }
    fn bytes(&self) -> u64 {
        1 << 20
    }
}

#[test]
fn virtio_requests() {
    let ram = Ram::new(1 << 20);
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_region(0, ram.clone(), false).unwrap();
    let done = std::sync::Arc::new(std::sync::Mutex::new(vec![]));
    let told = done.clone();
    let complete = Box::new(move |token, answer: &[u8]| told.lock().unwrap().push((token, answer.to_vec())));
    let calls = VirtioHost { complete: Some(complete), event: None };
    let (iommu, mut r) =
        Iommu::virtio(&vm, &VirtioConfig::default(), &Limits::default(), Host::default(), calls).unwrap();
    let regions = [Reserved::new(0xfee0_0000, 0xfeef_ffff, true)];
    let endpoint = Endpoint { regions: &regions, page_size_mask: 0 };
    let device = iommu.device(DeviceConfig { virtio: Some(endpoint), ..plain(1) }).unwrap();
    assert_eq!(r.virtio_request_copied(&virtio(1, &[1, 1, 0, 0]), 4, 1), Ok(Some(vec![0; 4])));
    let map = virtio(3, &[1, 0x10000, 0, 0x10fff, 0, 0x5000, 0, 3]);
    assert_eq!(r.virtio_request_copied(&map, 4, 2), Ok(Some(vec![0; 4])));
    let mut channel = device.channel(None).unwrap();
    let mut buffer = Buffer::new(1);
    let section = channel.enter().unwrap();
    let a = section.translate(0x10010, 16, Access::WRITE, &mut buffer).unwrap();
    assert_eq!(a.fragments[0].gpa(), 0x5010);
    let unmap = virtio(4, &[1, 0x10000, 0, 0x10fff, 0, 0]);
    assert_eq!(r.virtio_request_copied(&unmap, 4, 3), Ok(None)); // the section is open
    drop(section);
    assert_eq!(r.run(), Ok(Progress::Done));
    assert_eq!(*done.lock().unwrap(), [(3, vec![0; 4])]);
    assert_eq!(channel.load::<u8>(0x10010).unwrap_err().why, Why::Fault);
    // two requests that are pending with one token: each has its own buffers
    done.lock().unwrap().clear();
    let map = |page: u32| virtio(3, &[1, page, 0, page + 0xfff, 0, 0x5000, 0, 3]);
    let unmap = |page: u32| virtio(4, &[1, page, 0, page + 0xfff, 0, 0]);
    for page in [0x20000, 0x30000] {
        assert_eq!(r.virtio_request_copied(&map(page), 4, 4), Ok(Some(vec![0; 4])));
    }
    for (n, byte) in unmap(0x20000).chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..byte.len()].copy_from_slice(byte);
        ram.put(0x6000 + 8 * n as u64, u64::from_le_bytes(word));
    }
    let section = channel.enter().unwrap();
    let mut of = |page| {
        let a = section.translate(page, 8, Access::WRITE, &mut buffer).unwrap();
        assert_eq!(a.end, End::All);
    };
    of(0x20000);
    of(0x30000);
    let (request, status) = parts(&ram);
    assert_eq!(r.virtio_request(&[request], &[status], 7), Ok((4, Progress::Pending)));
    assert_eq!(r.virtio_request_copied(&unmap(0x30000), 4, 7), Ok(None));
    drop(section);
    assert_eq!(r.run(), Ok(Progress::Done));
    assert_eq!(*done.lock().unwrap(), [(7, vec![]), (7, vec![0; 4])]);
    assert!(iommu.virtio_event().unwrap().is_some() && iommu.virtio_event().unwrap().is_none());
    assert_eq!(r.virtio_set_features(0), Ok(Progress::Done));
    assert_eq!(r.virtio_reset(), Ok(Progress::Done));
}

#[test]
fn pages_that_devices_write() {
    let mut w = World::new();
    w.map(0, 0x20000, 3);
    w.map(1, 0x30000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let mut channel = device.channel(None).unwrap();
    channel.store(IOVA, 1u8).unwrap();
    let mut dirty = w.iommu.dirty(Some(&device), 0, 0xfffff).unwrap();
    let mut collect = |bitmap: &mut [u64]| {
        let mut outcome = dirty.collect(bitmap);
        while outcome == Ok(Outcome::More) {
            outcome = dirty.collect(bitmap);
        }
        outcome
    };
    let mut bitmap = [0u64; 4];
    assert_eq!(collect(&mut bitmap[..3]), Err(Error::NoSpace));
    assert_eq!((collect(&mut bitmap), bitmap), (Ok(Outcome::Done), [0; 4]));
    channel.store(IOVA, 1u8).unwrap();
    channel.store(IOVA + 0x1000, 1u8).unwrap();
    assert_eq!((collect(&mut bitmap), bitmap), (Ok(Outcome::Done), [1 << 32 | 1 << 48, 0, 0, 0]));
    bitmap = [0; 4];
    let section = channel.enter().unwrap();
    section.store(IOVA, 1u8).unwrap();
    assert_eq!(collect(&mut bitmap), Ok(Outcome::Pending), "it may still be writing");
    drop(section);
    assert_eq!((collect(&mut bitmap), bitmap[0]), (Ok(Outcome::Done), 1 << 32));
    assert_eq!(w.iommu.dirty(None, 1, 2).err(), Some(Error::Invalid));
    let gone = w.ram.gone.clone();
    std::mem::forget(channel.enter().unwrap()); // stopping has to wait
    let _ = w.registers.run();
    drop((dirty, device, channel, w));
    assert!(gone.load(Ordering::SeqCst));
}
