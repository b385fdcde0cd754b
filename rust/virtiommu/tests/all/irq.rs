// SPDX-License-Identifier: BSD-3-Clause
//! Interrupt messages, routes, an I/O APIC.
use crate::common::*;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use virtiommu::*;

const MSI: u64 = 0xfee0_00b0; // remappable, entry 5
fn message(remapped: Remapped) -> Message {
    match remapped {
        Remapped::Message(message) => message,
        Remapped::Refused(reason) => panic!("refused: {reason:#x}"),
    }
}

#[test]
fn messages_by_sender() {
    let w = World::new();
    let m = message(w.iommu.remap_msi(Sender::Id(8), MSI, 0).unwrap());
    assert_eq!((m.vector, m.destination, m.kind, m.index), (0x51, 3, sys::VIOMMU_MSI_KIND_MESSAGE, 5));
    for (sender, refused) in [(Sender::Id(16), true), (Sender::Unknown, true), (Sender::Trusted, false)] {
        let told = w.iommu.resolve_msi(sender, MSI, 0).unwrap();
        assert_eq!(told, if refused { Remapped::Refused(0x26) } else { Remapped::Message(m) }, "{sender:?}");
    }
    assert_eq!(w.iommu.statistics().unwrap().message_faults, 0, "resolving records nothing");
    assert_eq!(w.iommu.remap_msi(Sender::Id(16), MSI, 0), Ok(Remapped::Refused(0x26)));
    assert_eq!(w.iommu.faults(0x26), 1);
    let mut steps = vec![];
    let outcome = w.iommu.explain_msi(8, MSI, 0, true, |step| {
        steps.push(step.what);
        true
    });
    assert_eq!(outcome, Ok(Outcome::Done));
    assert!(steps.len() > 1, "{steps:?}");
}

#[test]
fn routes_are_told() {
    let mut w = World::new();
    let drained = Arc::new(Mutex::new(vec![]));
    let to = drained.clone();
    let routes = w.registers.routes(16, move |routes| to.lock().unwrap().extend(routes.drain().unwrap())).unwrap();
    assert_eq!(routes.set(3, Source::Msi(8, MSI, 0)), Ok(true));
    assert_eq!(routes.set(4, Source::Msi(8, MSI + 0x20, 0)), Ok(false), "entry 6 is not present");
    assert_eq!(routes.set(5, Source::Masked), Ok(true));
    assert_eq!(routes.set(16, Source::Masked), Err(Error::Invalid));
    let RouteState::Deliver(m) = routes.lookup(3).unwrap() else { panic!() };
    assert_eq!(m.vector, 0x51);
    assert_eq!(routes.deliver(4), Ok(Remapped::Refused(0x22)));
    assert_eq!(routes.deliver(5), Ok(Remapped::Refused(0)));
    assert_eq!(routes.statistics().unwrap().routes, 3);
    drained.lock().unwrap().clear();
    let _ = routes.drain().unwrap();
    w.ram.put(0x8050, 0); // the entry goes, and another comes
    w.ram.put(0x8060, 1 | 0x52 << 16 | 3 << 40);
    w.ram.put(0x8068, 1 << 18 | 8);
    let _ = w.submit(4, 0); // global interrupt entry cache invalidation
    while w.registers.run().unwrap() == Progress::Pending {}
    assert!(w.told());
    let mut told = drained.lock().unwrap().clone();
    told.sort_by_key(|change| change.0);
    // without caching mode an entry may become present without a word
    assert!(matches!(told[..], [(3, RouteState::Ask), (4, RouteState::Deliver(m))] if m.vector == 0x52), "{told:?}");
    routes.remove(3).unwrap();
    assert_eq!(routes.lookup(3), Err(Error::NotFound));
    assert_eq!(routes.remove(3), Err(Error::NotFound));
}

#[test]
fn ioapic_and_its_routes() {
    let mut w = World::new();
    let routes = w.registers.routes(32, |routes| drop(routes.drain())).unwrap();
    let (sent, acknowledged) = (Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(vec![])));
    let me: Arc<OnceLock<Weak<Ioapic>>> = Arc::default();
    let (s, a, it, r) = (sent.clone(), acknowledged.clone(), me.clone(), routes.clone());
    let host = IoapicHost {
        deliver: Some(Box::new(move |pin, message| s.lock().unwrap().push((pin, message.vector)))),
        changed: Some(Box::new(move |pin| {
            if let Some(ioapic) = it.get().and_then(Weak::upgrade) {
                r.set(pin, Source::Pin(&ioapic, pin)).unwrap();
            }
        })),
        acknowledged: Some(Box::new(move |pin| a.lock().unwrap().push(pin))),
    };
    let config = IoapicConfig { flags: sys::VIOMMU_IOAPIC_LOGICAL_LINES, source: 8, ..Default::default() };
    let ioapic = Arc::new(w.registers.ioapic(&config, host).unwrap());
    me.set(Arc::downgrade(&ioapic)).unwrap();
    // pin 2: remappable, entry 5, level-triggered, not masked (82093AA 3.2.4; VT-d 5.1.5.1)
    for (index, value) in [(0x15, 5 << 17 | 1 << 16), (0x14, 1 << 15 | 0x51)] {
        ioapic.write(0, 4, index).unwrap();
        ioapic.write(0x10, 4, value).unwrap();
    }
    assert_eq!(ioapic.read(0x10, 4), Ok(1 << 15 | 0x51));
    assert_eq!(ioapic.message(2).map(|m| (m.masked, m.level, m.source)), Ok((0, 1, 8)));
    assert!(matches!(routes.lookup(2), Ok(RouteState::Deliver(m)) if m.vector == 0x51));
    ioapic.set_line(2, true).unwrap();
    assert_eq!(*sent.lock().unwrap(), [(2, 0x51)]);
    ioapic.set_line(2, false).unwrap();
    ioapic.eoi(0x51).unwrap();
    assert_eq!(*acknowledged.lock().unwrap(), [2]);
    let state = ioapic.save().unwrap();
    ioapic.restore(&state).unwrap();
    assert_eq!(ioapic.restore(&State(vec![1, 2, 3])), Err(Error::State));
    assert_eq!(ioapic.set_line(24, true), Err(Error::Invalid));
}
