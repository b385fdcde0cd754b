// SPDX-License-Identifier: BSD-3-Clause
//! Listeners, replays, vhost on both sides.
use crate::common::*;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use virtiommu::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Unmap(u32, Pasids, u64, u64),
    Mode(u32, Mode),
    Interrupts(Option<u32>),
    Complete,
    Map(u64, u64, u64),
}
fn listening(log: &Arc<Mutex<Vec<Told>>>) -> ListenerHost {
    let (a, b, c, d, e) = (log.clone(), log.clone(), log.clone(), log.clone(), log.clone());
    ListenerHost {
        unmap: Some(Box::new(move |device, pasids, first, last| {
            a.lock().unwrap().push(Told::Unmap(device.id(), pasids, first, last))
        })),
        mode: Some(Box::new(move |device, mode| b.lock().unwrap().push(Told::Mode(device.id(), mode)))),
        interrupts: Some(Box::new(move |source, _, _| c.lock().unwrap().push(Told::Interrupts(source)))),
        complete: Some(Box::new(move || d.lock().unwrap().push(Told::Complete))),
        map: Some(Box::new(move |_, _, m| {
            e.lock().unwrap().push(Told::Map(m.iova, m.gpa, m.bytes));
            !m.host.is_null()
        })),
    }
}

#[test]
fn listener_shadows() {
    let mut w = World::with(CM, 0, MemoryCallbacks::default());
    w.map(0, 0x20000, 3);
    w.map(1, 0x21000, 3);
    w.map(3, 0x30000, 1);
    let device = w.iommu.device(plain(8)).unwrap();
    let log = Arc::new(Mutex::new(vec![]));
    let listener = w.registers.listener(None, listening(&log)).unwrap();
    assert_eq!(*log.lock().unwrap(), [Told::Mode(8, Mode::Translate), Told::Complete]);
    let (mut first, mut seen) = (0, vec![]);
    let all = |m: &Mapped, to: &mut Vec<(u64, u64, u64, bool)>| {
        to.push((m.iova, m.gpa, m.bytes, m.access.has(Access::WRITE)));
        true
    };
    assert_eq!(device.replay(None, &mut first, u64::MAX >> 1, 0, |m| all(m, &mut seen)), Ok(Outcome::Done));
    assert_eq!(seen, [(IOVA, 0x20000, 0x2000, true), (IOVA + 0x3000, 0x30000, 0x1000, false)]);
    first = 0;
    assert_eq!(device.replay(None, &mut first, u64::MAX >> 1, 0, |_| false), Ok(Outcome::More));
    assert_eq!(first, IOVA, "what is not taken is reported again");
    log.lock().unwrap().clear();
    w.map(1, 0, 0);
    assert_eq!(w.invalidate(1), Progress::Done);
    assert_eq!(*log.lock().unwrap(), [Told::Unmap(8, Pasids::None, IOVA + 0x1000, IOVA + 0x1fff), Told::Complete]);
    let _ = w.submit(4, 0);
    assert!(log.lock().unwrap().contains(&Told::Interrupts(None)));
    w.registers.enable_unmap(&listener, false).unwrap();
    log.lock().unwrap().clear();
    w.map(0, 0, 0);
    let _ = w.invalidate(0);
    assert!(log.lock().unwrap().is_empty());
    drop(listener);
    let _ = w.registers.reset();
    assert!(log.lock().unwrap().is_empty());
}

#[test]
fn listener_of_another_iommu_is_refused() {
    let (mut a, mut b) = (World::new(), World::new());
    let device = a.iommu.device(plain(8)).unwrap();
    assert_eq!(b.registers.listener(Some(&device), ListenerHost::default()).err(), Some(Error::Invalid));
    let listener = a.registers.listener(Some(&device), ListenerHost::default()).unwrap();
    assert_eq!(b.registers.enable_unmap(&listener, false), Err(Error::Invalid));
    let send = VhostHost::default();
    assert_eq!(b.registers.vhost(&device, None, &VhostConfig::default(), send).err(), Some(Error::Invalid));
}

#[test]
fn listener_that_is_dropped_in_its_callback() {
    let mut w = World::with(CM, 0, MemoryCallbacks::default());
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let slot: Arc<Mutex<Option<Listener>>> = Arc::default();
    let (it, count) = (slot.clone(), Arc::new(Mutex::new(0)));
    let counted = count.clone();
    let unmap: Box<dyn Fn(&DeviceRef, Pasids, u64, u64) + Send + Sync> = Box::new(move |_, _, _, _| {
        *counted.lock().unwrap() += 1;
        drop(it.lock().unwrap().take());
    });
    let host = ListenerHost { unmap: Some(unmap), ..Default::default() };
    *slot.lock().unwrap() = Some(w.registers.listener(Some(&device), host).unwrap());
    for _ in 0..2 {
        let _ = w.invalidate(0);
    }
    assert_eq!(*count.lock().unwrap(), 1);
    drop(device);
    assert!(w.iommu.device(plain(8)).is_ok(), "the listener is gone, and so is its device");
}

#[test]
fn virtio_guest_maps_through_a_listener() {
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_region(0, Ram::new(1 << 20), false).unwrap();
    let (host, virtio) = (Host::default(), VirtioHost::default());
    let (iommu, mut r) = Iommu::virtio(&vm, &VirtioConfig::default(), &Limits::default(), host, virtio).unwrap();
    let device = iommu.device(plain(1)).unwrap();
    let log = Arc::new(Mutex::new(vec![]));
    let _listener = r.listener(None, listening(&log)).unwrap();
    assert!(device.id() == 1 && log.lock().unwrap().contains(&Told::Mode(1, Mode::Block)));
    let mut request = |kind: u8, words: &[u32]| {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        r.virtio_request_copied(&bytes, 4, 1).unwrap().unwrap()[0]
    };
    assert_eq!(request(1, &[1, 1, 0, 0]), 0);
    assert_eq!(request(3, &[1, 0x10000, 0, 0x10fff, 0, 0x5000, 0, 3]), 0);
    assert!(log.lock().unwrap().contains(&Told::Map(0x10000, 0x5000, 0x1000)));
    assert_ne!(request(3, &[1, 0x20000, 0, 0x20fff, 0, 0x7000_0000, 0, 3]), 0, "the listener has refused it");
}

/// A connection whose messages wait in a queue.
fn connect(w: &mut World, device: &Device) -> (Vhost, Arc<Mutex<Vec<IotlbMessage>>>) {
    let queue: Arc<Mutex<Vec<IotlbMessage>>> = Arc::default();
    let to = queue.clone();
    let send: Box<dyn Fn(&IotlbMessage) -> Taken + Send + Sync> = Box::new(move |message| {
        to.lock().unwrap().push(*message);
        Taken::Later
    });
    let host = VhostHost { send: Some(send), expired: None };
    (w.registers.vhost(device, None, &VhostConfig::default(), host).unwrap(), queue)
}

#[test]
fn vhost_from_end_to_end() {
    let mut w = World::new();
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let (vhost, queue) = connect(&mut w, &device);
    let misses = Arc::new(Mutex::new(vec![]));
    let missed = misses.clone();
    let miss: Box<dyn Fn(u64, Access) + Send + Sync> = Box::new(move |iova, a| missed.lock().unwrap().push((iova, a)));
    let mut iotlb = Iotlb::new(&IotlbConfig::default(), IotlbHost { miss: Some(miss), work: None }).unwrap();
    let uaddr = w.ram.host().as_ptr() as u64;
    assert_eq!(iotlb.set_memory(vec![(uaddr, w.ram.clone())]), Ok(Progress::Done));
    let mut reader = iotlb.reader().unwrap();
    let mut buffer = Buffer::new(2);
    let section = reader.enter().unwrap();
    assert_eq!(section.lookup(IOVA, 8, Access::WRITE, &mut buffer).unwrap().end, End::Missing);
    drop(section);
    for (iova, access) in std::mem::take(&mut *misses.lock().unwrap()) {
        assert_eq!(vhost.miss(iova, access), Ok(Outcome::Done));
    }
    for message in std::mem::take(&mut *queue.lock().unwrap()) {
        // as it travels
        let bytes = IotlbForm::User.encode(&message).unwrap();
        assert_eq!((bytes.len(), IotlbForm::User.decode(&bytes)), (32, Ok(message)));
        assert_eq!(iotlb.take(&IotlbForm::User.decode(&bytes).unwrap()), Ok(Progress::Done));
        vhost.acknowledged(1).unwrap();
    }
    let section = reader.enter().unwrap();
    let a = section.lookup(IOVA + 16, 8, Access::WRITE, &mut buffer).unwrap();
    assert_eq!((a.end, a.fragments[0].memory().unwrap().write(0, &[6; 8])), (End::All, 8));
    w.map(0, 0, 0);
    assert_eq!(w.invalidate(0), Progress::Pending);
    let message = queue.lock().unwrap().pop().unwrap();
    assert_eq!(u32::from(message.type_), sys::VIOMMU_IOTLB_INVALIDATE);
    assert_eq!(iotlb.take(&message), Ok(Progress::Pending));
    drop(section);
    assert_eq!(iotlb.synced(), Ok(Progress::Done));
    assert_eq!(w.registers.run(), Ok(Progress::Pending));
    vhost.acknowledged(1).unwrap();
    assert_eq!(vhost.acknowledged(1), Err(Error::Invalid));
    assert_eq!(w.registers.run(), Ok(Progress::Done));
    assert!(w.told() && w.ram.get(0x20010) == 0x0606_0606_0606_0606);
    let statistics = vhost.statistics().unwrap();
    assert_eq!((statistics.misses, statistics.updates, statistics.invalidations), (1, 1, 1));
    assert_eq!(vhost.miss(IOVA, Access::READ), Ok(Outcome::Fault));
    assert_eq!(vhost.forget_gpa(0, u64::MAX), Ok(Progress::Done));
}

#[test]
fn messages_of_a_peer_are_not_trusted() {
    let mut iotlb = Iotlb::new(&IotlbConfig::default(), IotlbHost::default()).unwrap();
    let ram = Ram::new(8192);
    let _ = iotlb.set_memory(vec![(0x10000, ram)]).unwrap();
    let update = |uaddr, size| IotlbMessage { iova: 0, size, uaddr, perm: 3, type_: 2, ..Default::default() };
    for (uaddr, size, result) in [
        (0x10000, 8192, Ok(Progress::Done)),
        (0x11fff, 1, Ok(Progress::Done)),
        (0x11fff, 2, Err(Error::NotFound)),
        (0xffff, 2, Err(Error::NotFound)),
        (0x12000, 1, Err(Error::NotFound)),
        (u64::MAX, 1, Err(Error::NotFound)),
        (0x10000, u64::MAX, Err(Error::NotFound)),
        (0x10000, 0, Err(Error::Invalid)),
    ] {
        assert_eq!(iotlb.take(&update(uaddr, size)), result, "{uaddr:#x} {size:#x}");
    }
    assert_eq!(iotlb.take(&IotlbMessage { type_: 1, ..update(0x10000, 1) }), Err(Error::Invalid));
    assert_eq!(IotlbForm::V2.decode(&[0; 71]), Err(Error::Invalid));
    assert_eq!(IotlbForm::V1.encode(&update(1, 0)), Err(Error::Invalid));
}

#[test]
fn memory_of_a_backend_stays_until_it_is_quiet() {
    let mut iotlb = Iotlb::new(&IotlbConfig::default(), IotlbHost::default()).unwrap();
    let ram = Ram::new(4096);
    let gone = ram.gone.clone();
    let _ = iotlb.set_memory(vec![(0x10000, ram)]).unwrap();
    let update = IotlbMessage { iova: 0, size: 4096, uaddr: 0x10000, perm: 3, type_: 2, ..Default::default() };
    assert_eq!(iotlb.take(&update), Ok(Progress::Done));
    let mut reader = iotlb.reader().unwrap();
    let mut buffer = Buffer::new(1);
    std::mem::forget(reader.enter().unwrap()); // and is closed by the next one
    let section = reader.enter().unwrap();
    let a = section.lookup(0, 8, Access::READ, &mut buffer).unwrap();
    assert_eq!(iotlb.set_memory(vec![]), Ok(Progress::Pending));
    let is_gone = || gone.load(std::sync::atomic::Ordering::SeqCst);
    assert!(!is_gone() && a.fragments[0].memory().unwrap().read(0, &mut [0; 8]) == 8);
    drop(section);
    assert_eq!(iotlb.synced(), Ok(Progress::Done));
    assert!(is_gone());
}

#[test]
fn vhost_that_is_dropped_while_it_sends() {
    let mut w = World::new();
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(plain(8)).unwrap();
    let slot: Arc<Mutex<Option<Vhost>>> = Arc::default();
    let (it, weak) = (slot.clone(), Arc::new(OnceLock::<Weak<Mutex<Option<Vhost>>>>::new()));
    weak.set(Arc::downgrade(&it)).unwrap();
    let send: Box<dyn Fn(&IotlbMessage) -> Taken + Send + Sync> = Box::new(move |_| {
        let me = weak.get().and_then(Weak::upgrade);
        if let Some(vhost) = me.as_ref().and_then(|slot| slot.lock().unwrap().take()) {
            assert_eq!(vhost.miss(IOVA, Access::READ), Err(Error::Busy), "it is sending");
        }
        Taken::Done
    });
    let host = VhostHost { send: Some(send), expired: None };
    let vhost = w.registers.vhost(&device, None, &VhostConfig::default(), host).unwrap();
    *slot.lock().unwrap() = Some(vhost.clone());
    assert_eq!(vhost.miss(IOVA, Access::WRITE), Ok(Outcome::Done));
    let gone = w.ram.gone.clone();
    drop((vhost, device, it, slot, w));
    assert!(gone.load(std::sync::atomic::Ordering::SeqCst), "everything is freed");
}
