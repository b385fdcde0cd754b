// SPDX-License-Identifier: BSD-3-Clause
//! Every callback panics, one row each: what the guest sees then is the safe answer, or the process ends.
use crate::common::*;
use crate::others;
use crate::views::Owner;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use virtiommu::*;

fn boom<T>() -> T {
    panic!("on purpose")
}
/// A device and its World; its page is mapped.
fn mapped(cap: u64, ecap: u64, memory: MemoryCallbacks, host: DeviceHost) -> (World, Device) {
    let w = World::with(cap, ecap, memory);
    w.map(0, 0x20000, 3);
    let device = w.iommu.device(DeviceConfig { host, ..plain(8) }).unwrap();
    (w, device)
}
fn plainly() -> (World, Device) {
    mapped(CM, 0, MemoryCallbacks::default(), DeviceHost::default())
}
fn virtio(host: VirtioHost) -> (Iommu, Registers, Vm) {
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_region(0, Ram::new(1 << 20), false).unwrap();
    let (config, limits) = (VirtioConfig::default(), Limits::default());
    let (iommu, registers) = Iommu::virtio(&vm, &config, &limits, Host::default(), host).unwrap();
    (iommu, registers, vm)
}
fn request(r: &mut Registers, kind: u8, words: &[u32]) -> Option<u8> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    r.virtio_request_copied(&bytes, 4, 9).unwrap().map(|answer| answer[0])
}
fn hosted(host: Host) -> (World, Iommu, Registers) {
    let w = World::new();
    let (iommu, registers) = Iommu::vtd(&w.vm, &VtdConfig::present(), &Limits::default(), host).unwrap();
    (w, iommu, registers)
}
fn elsewhere(memory: MemoryCallbacks) -> (World, Device) {
    let (w, device) = mapped(0, 0, memory, DeviceHost::default());
    w.map(0, 0x7000_0000, 3);
    (w, device)
}
fn ioapic(w: &mut World, host: IoapicHost) -> Ioapic {
    let config = IoapicConfig { flags: sys::VIOMMU_IOAPIC_LOGICAL_LINES, source: 8, ..Default::default() };
    w.registers.ioapic(&config, host).unwrap()
}
fn program(ioapic: &Ioapic) {
    for (index, value) in [(0x15, 5 << 17 | 1 << 16), (0x14, 1 << 15 | 0x51)] {
        ioapic.write(0, 4, index).unwrap();
        ioapic.write(0x10, 4, value).unwrap();
    }
}
fn tce(host: TceHost) -> (Iommu, Registers) {
    let vm = Vm::new(VmConfig::default()).unwrap();
    let (tce, mut r) = Iommu::tce(&vm, &TceConfig::default(), &Limits::default(), Host::default(), host).unwrap();
    let window = TceWindow { liobn: 1, page_shift: 12, start: 0, entries: 0x100 };
    let pe = sys::viommu_tce_pe { number: 1, flags: sys::VIOMMU_TCE_PE_DDW, buid: 7, window, ..Default::default() };
    r.tce_add_pe(&TcePe { pe, liobns: &[2] }).unwrap();
    (tce, r)
}
fn vhost(send: bool) -> (World, Device, Vhost) {
    let (mut w, device) = plainly();
    let send: Option<Box<dyn Fn(&IotlbMessage) -> Taken + Send + Sync>> = if send {
        Some(Box::new(|m| if u32::from(m.type_) == sys::VIOMMU_IOTLB_INVALIDATE { boom() } else { Taken::Done }))
    } else {
        Some(Box::new(|_| boom()))
    };
    let vhost = w.registers.vhost(&device, None, &VhostConfig::default(), VhostHost { send, expired: None }).unwrap();
    (w, device, vhost)
}
/// Name, and what must hold.
const ANSWERED: &[(&str, fn())] = &[
    ("memory.read: there is no such memory", || {
        let (_w, d) = elsewhere(MemoryCallbacks { read: Some(Box::new(|_, _| boom())), ..Default::default() });
        assert_eq!(d.dma(None).load::<u8>(IOVA).unwrap_err().why, Why::Unreachable);
    }),
    ("memory.write: there is no such memory", || {
        let (_w, d) = elsewhere(MemoryCallbacks { write: Some(Box::new(|_, _| boom())), ..Default::default() });
        assert_eq!(d.dma(None).store(IOVA, 1u8).unwrap_err().why, Why::Unreachable);
    }),
    ("memory.swap: there is no such memory", || {
        let (_w, d) = elsewhere(MemoryCallbacks { swap: Some(Box::new(|_, _, _| boom())), ..Default::default() });
        assert_eq!(d.dma(None).compare_exchange(IOVA, 0u64, 1).unwrap_err().why, Why::Unreachable);
    }),
    ("host.msi: the fault is recorded all the same", || {
        let (w, iommu, mut r) = hosted(Host { msi: Some(Box::new(|_, _| boom())), ..Default::default() });
        for (offset, bytes, value) in
            [(0x20, 8, 0x1000), (0x18, 4, 1 << 30), (0x40, 4, 0xfee0_0000), (0x38, 4, 0), (0x18, 4, 1 << 31)]
        {
            let _ = r.write(offset, bytes, value).unwrap();
        }
        let d = iommu.device(plain(9)).unwrap();
        assert_eq!(d.dma(None).load::<u8>(0).unwrap_err().why, Why::Fault);
        assert_eq!(r.read(0x34, 4), Ok(2));
        drop(w);
    }),
    ("host.work: what is pending is still there", || {
        let (_w, iommu, mut r) = hosted(Host { work: Some(Box::new(|| boom())), ..Default::default() });
        let host = ListenerHost { mode: Some(Box::new(|_, _| ())), ..Default::default() };
        let _listener = r.listener(None, host).unwrap();
        let _device = iommu.device(plain(9)).unwrap();
        assert!(r.run().is_ok());
    }),
    ("host.message: the configuration is refused", || {
        let w = World::new();
        let host = Host { message: Some(Box::new(|_| boom())), ..Default::default() };
        let bad = VtdConfig { cap: u64::MAX, ecap: u64::MAX, ..Default::default() };
        assert!(Iommu::vtd(&w.vm, &bad, &Limits::default(), host).is_err());
    }),
    ("host.now: the clock stands still", || {
        let (_w, _iommu, mut r) = hosted(Host { now: Some(Box::new(|| boom())), ..Default::default() });
        assert_eq!(r.run(), Ok(Progress::Done));
    }),
    ("host.trace: the fault is an answer", || {
        let (_w, iommu, mut r) = hosted(Host { trace: Some(Box::new(|_| boom())), ..Default::default() });
        let _ = r.write(0x20, 8, 0x1000).unwrap();
        let _ = r.write(0x18, 4, 1 << 30).unwrap();
        let _ = r.write(0x18, 4, 1 << 31).unwrap();
        assert_eq!(iommu.device(plain(9)).unwrap().dma(None).load::<u8>(0).unwrap_err().why, Why::Fault);
    }),
    ("host.line: the queue goes on", || {
        let w = World::new();
        let present = RiscvConfig::present();
        let wired = RiscvConfig { capabilities: present.capabilities & !(3 << 28) | 1 << 28, ..present };
        let host = Host { line: Some(Box::new(|_, _| boom())), ..Default::default() };
        let (iommu, mut r) = Iommu::riscv(&w.vm, &wired, &Limits::default(), host).unwrap();
        let _ = r.write(8, 4, 2).unwrap(); // fctl: wired
        let _ = r.write(40, 8, 0x40 << 10 | 3).unwrap(); // fqb
        let _ = r.write(0x4c, 4, 3).unwrap(); // fqcsr: on, interrupts
        let _ = iommu.device(plain(9)).unwrap().dma(None).load::<u8>(0);
        assert_eq!(r.read(0x34, 4), Ok(1), "a record in the fault queue");
    }),
    ("device.invalidate: the guest is told of a time-out", || {
        let host = DeviceHost { invalidate: Some(Box::new(|_| boom())), ..Default::default() };
        let (mut w, _d) = mapped(0, DT, MemoryCallbacks::default(), host);
        let _ = w.submit(3 | 8 << 32, 0x7fff_ffff_ffff_f001);
        let _ = w.registers.run();
        assert_eq!(w.registers.read(0x34, 4).unwrap() & 0x40, 0x40);
    }),
    ("device.page_response: the request stays refused", || {
        let w = World::new();
        let (limits, present) = (Limits::default(), Smmuv3Config::present());
        let mut idr = present.idr;
        idr[0] |= 1 << 10 | 1 << 16; // ATS, PRI
        let made = Iommu::smmuv3(&w.vm, &Smmuv3Config { idr, ..present }, &limits, Host::default());
        let (iommu, _r) = made.unwrap();
        let host = DeviceHost { page_response: Some(Box::new(|_| boom())), ..Default::default() };
        let d = iommu.device(DeviceConfig { host, ..plain(1) }).unwrap();
        let request = PageRequest { last: true, access: Access::READ, ..Default::default() };
        assert_eq!(d.request_page(&request), Ok(false));
    }),
    ("device.resume: the request has ended", || {
        let present = Smmuv3Config::present();
        let mut idr = present.idr;
        idr[0] &= !(3 << 24); // STALL_MODEL: both
        idr[5] |= 4 << 16; // STALL_MAX
        let host = DeviceHost { resume: Some(Box::new(|_, _| boom())), ..Default::default() };
        let mut w = Smmu::with(&Smmuv3Config { idr, ..present }, host);
        // CD: V, AA64, A, R, S, T0SZ 16, EPD1, IPS 5, ASID 5; an empty table
        w.ram.put(0x40000, 1 << 31 | 1 << 41 | 7 << 44 | 16 | 1 << 30 | 5 << 32 | 5 << 48);
        w.ram.put(0x40008, 0x50000);
        w.ram.put(0x40018, 0xff);
        let end = |w: &Smmu| {
            let section = w.device.enter().unwrap();
            section.translate(None, 0x7000, 8, Access::READ, &mut Buffer::new(1)).unwrap().end
        };
        assert!(matches!(end(&w), End::Stalled(_)));
        w.command(0x45 | 1 << 32, 0); // CMD_STALL_TERM
        assert!(matches!(end(&w), End::Stalled(_)), "the next one waits, and the guest goes on");
    }),
    ("lpis.lpi: it is pending", || {
        let host = LpisHost { lpi: Some(Box::new(|_, _, _, _| boom())), vlpi: None };
        let mut w = others::its_with(false, host, ItsHost::default());
        w.map();
        assert!(w.its.0.remap_msi(Sender::Id(1), others::BASE + 0x10040, 3).is_ok());
        assert_eq!(w.lpis.0.lpi(1, 8193).unwrap().pending, 1);
    }),
    ("lpis.vlpi: it is pending", || {
        let host = LpisHost { vlpi: Some(Box::new(|_, _, _, _, _| boom())), lpi: None };
        let mut w = others::its_with(true, host, ItsHost::default());
        w.map();
        w.ram.put(0x80000, 0x81); // vINTID 8192: enabled
        w.command([0x29, 0, 1 << 63, 0x90000 | 15]); // VMAPP
        w.command([0x2a | 1 << 32, 0, 1023 << 32 | 8192, 0]); // VMAPTI
        for (offset, value) in [(0x20070, 0x80000 | 15), (0x20078, 1 << 63 | 0x90000)] {
            let _ = w.lpis.1.write(offset, 8, value).unwrap();
        }
        assert!(w.its.0.remap_msi(Sender::Id(1), others::BASE + 0x10040, 0).is_ok());
        assert_eq!(w.lpis.0.vlpi(0, 8192).unwrap().pending, 1);
    }),
    ("its.error: the command is skipped", || {
        let host = ItsHost { error: Some(Box::new(|_, _| boom())) };
        let mut w = others::its_with(false, LpisHost::default(), host);
        w.command([0xa | 9 << 32, 0, 0, 0]);
        w.map();
        assert!(matches!(w.its.0.resolve_msi(Sender::Id(1), others::BASE + 0x10040, 3), Ok(Remapped::Message(_))));
    }),
    ("listener.map: the guest's request fails", || {
        let (iommu, mut r, _vm) = virtio(VirtioHost::default());
        let _d = iommu.device(plain(1)).unwrap();
        let _l =
            r.listener(None, ListenerHost { map: Some(Box::new(|_, _, _| boom())), ..Default::default() }).unwrap();
        assert_eq!(request(&mut r, 1, &[1, 1, 0, 0]), Some(0));
        assert_ne!(request(&mut r, 3, &[1, 0x10000, 0, 0x10fff, 0, 0x5000, 0, 3]), Some(0));
    }),
    ("virtio.event: the record waits", || {
        let (iommu, _r, _vm) = virtio(VirtioHost { event: Some(Box::new(|| boom())), complete: None });
        assert_eq!(iommu.device(plain(1)).unwrap().dma(None).load::<u8>(0).unwrap_err().why, Why::Fault);
        assert!(iommu.virtio_event().unwrap().is_some());
    }),
    ("virtio.complete: the mapping is gone", || {
        let (iommu, mut r, _vm) = virtio(VirtioHost { complete: Some(Box::new(|_, _| boom())), event: None });
        let d = iommu.device(plain(1)).unwrap();
        let _ = (request(&mut r, 1, &[1, 1, 0, 0]), request(&mut r, 3, &[1, 0x10000, 0, 0x10fff, 0, 0x5000, 0, 3]));
        let section = d.enter().unwrap();
        let _ = section.translate(None, 0x10000, 1, Access::READ, &mut Buffer::new(1)).unwrap();
        assert_eq!(request(&mut r, 4, &[1, 0x10000, 0, 0x10fff, 0, 0]), None);
        drop(section);
        assert_eq!(r.run(), Ok(Progress::Done));
        assert!(d.dma(None).load::<u8>(0x10000).is_err());
    }),
    ("ioapic.deliver: the interrupt is lost", || {
        let (mut w, _d) = plainly();
        let ioapic = ioapic(&mut w, IoapicHost { deliver: Some(Box::new(|_, _| boom())), ..Default::default() });
        program(&ioapic);
        assert_eq!(ioapic.set_line(2, true), Ok(()));
    }),
    ("ioapic.acknowledged: it is acknowledged", || {
        let (mut w, _d) = plainly();
        let ioapic = ioapic(&mut w, IoapicHost { acknowledged: Some(Box::new(|_| boom())), ..Default::default() });
        program(&ioapic);
        ioapic.set_line(2, true).unwrap();
        assert_eq!(ioapic.eoi(0x51), Ok(()));
    }),
    ("iotlb.miss: it is missing", || {
        let host = IotlbHost { miss: Some(Box::new(|_, _| boom())), work: None };
        let mut reader = Iotlb::new(&IotlbConfig::default(), host).unwrap().reader().unwrap();
        let section = reader.enter().unwrap();
        assert_eq!(section.lookup(0, 1, Access::READ, &mut Buffer::new(1)).unwrap().end, End::Missing);
    }),
    ("iotlb.work: it is synced", || {
        let host = IotlbHost { work: Some(Box::new(|| boom())), miss: None };
        let mut iotlb = Iotlb::new(&IotlbConfig::default(), host).unwrap();
        let mut reader = iotlb.reader().unwrap();
        let section = reader.enter().unwrap();
        assert_eq!(iotlb.invalidate(0, 4095), Ok(Progress::Pending));
        drop(section);
        assert_eq!(iotlb.synced(), Ok(Progress::Done));
    }),
    ("vhost.send of an update: it was not sent", || {
        let (w, _d, vhost) = vhost(false);
        assert!(vhost.miss(IOVA, Access::READ).is_err());
        drop(w);
    }),
    ("vhost.send of an invalidation: the guest waits", || {
        let (mut w, _d, vhost) = vhost(true);
        assert_eq!(vhost.miss(IOVA, Access::READ), Ok(Outcome::Done));
        assert_eq!(w.invalidate(0), Progress::Pending);
        assert_eq!(w.registers.run(), Ok(Progress::Pending));
        assert!(!w.told());
        vhost.fail().unwrap();
        assert_eq!(w.registers.run(), Ok(Progress::Done));
        assert!(w.told());
    }),
    ("vhost.expired: nothing is complete", || {
        let clock = std::sync::atomic::AtomicU64::new(1);
        let now = Some(Box::new(move || clock.fetch_add(1000, std::sync::atomic::Ordering::SeqCst)) as Box<_>);
        let (w, iommu, mut r) = hosted(Host { now, ..Default::default() });
        let _ = r.write(0x20, 8, 0x1000).unwrap();
        let _ = r.write(0x18, 4, 1 << 30).unwrap();
        let _ = r.write(0x18, 4, 1 << 31).unwrap();
        w.map(0, 0x20000, 3);
        let d = iommu.device(plain(8)).unwrap();
        let host = VhostHost { send: Some(Box::new(|_| Taken::Later)), expired: Some(Box::new(|| boom())) };
        let config = VhostConfig { deadline: 1, ..Default::default() };
        let vhost = r.vhost(&d, None, &config, host).unwrap();
        assert_eq!(vhost.miss(IOVA, Access::READ), Ok(Outcome::Done));
        for _ in 0..3 {
            let _ = r.run().unwrap();
        }
        assert_eq!(vhost.statistics().map(|s| (s.outstanding, s.expired)), Ok((1, 1)));
    }),
    ("viewer.expired: nothing is complete", || {
        let mut o = Owner::new(Some(Box::new(|| boom())));
        let mut view = o.view();
        let section = view.enter().unwrap();
        assert_eq!(o.ask(&section, IOVA, Access::WRITE), Ok(Outcome::Done));
        assert_eq!(o.w.invalidate(0), Progress::Pending);
        assert_eq!(o.later(), Progress::Pending);
        assert_eq!((o.later(), o.w.told()), (Progress::Pending, false));
    }),
    ("tce.fault: the DMA is refused", || {
        let (tce, _r) = tce(TceHost { fault: Some(Box::new(|_| boom())), ..Default::default() });
        assert_eq!(tce.device(plain(1)).unwrap().dma(None).load::<u8>(0).unwrap_err().why, Why::Fault);
    }),
    ("tce.owns: it is not the partition's", || {
        let (_tce, mut r) = tce(TceHost { owns: Some(Box::new(|_, _| boom())), ..Default::default() });
        let mut registers = [0x20, 1, 0, 0x5003, 0, 0];
        assert_eq!(r.tce_hcall(&mut registers, 1), Ok(Progress::Done));
        assert_eq!(registers[0] as i64, -4);
    }),
    ("tce.window: it does not come", || {
        let (_tce, mut r) =
            tce(TceHost { window: Some(Box::new(|_, w, _| w.liobn == 1 || boom())), ..Default::default() });
        let mut created = [0; 4];
        let create = [0, 0, 7, 12, 20];
        assert_eq!(r.tce_rtas(sys::VIOMMU_TCE_RTAS_CREATE, &create, &mut created, 7), Ok(Progress::Done));
        assert_eq!((created[0], r.tce_windows(1).unwrap().len()), (u32::MAX, 1));
    }),
    ("tce.complete: the entry is gone", || {
        let vm_host = TceHost {
            complete: Some(Box::new(|_, _| boom())),
            owns: Some(Box::new(|_, _| true)),
            ..Default::default()
        };
        let (tce, mut r) = tce(vm_host);
        let d = tce.device(plain(1)).unwrap();
        assert_eq!(r.tce_hcall(&mut [0x20, 1, 0, 0x5003, 0, 0], 1), Ok(Progress::Done));
        let section = d.enter().unwrap();
        let _ = section.translate(None, 0, 1, Access::READ, &mut Buffer::new(1)).unwrap();
        assert_eq!(r.tce_hcall(&mut [0x20, 1, 0, 0, 0, 0], 2), Ok(Progress::Pending));
        drop(section);
        assert_eq!(r.run(), Ok(Progress::Done));
        assert_eq!(d.dma(None).load::<u8>(0).unwrap_err().why, Why::Fault);
    }),
    ("rvic.kick, rvic.sample, rvid.signal: nothing is signalled", || {
        let vm = Vm::new(VmConfig::default()).unwrap();
        let config = RvicConfig { cpus: 2, untrusted: 32, ..Default::default() };
        let host = RvicHost { kick: Some(Box::new(|_| boom())), sample: Some(Box::new(|_, _| boom())) };
        let rvic = Rvic::new(&vm, &config, &[], host).unwrap();
        let rvid = Rvid::new(&vm, &config, &[], RvidHost { signal: Some(Box::new(|_, _, _| boom())) }).unwrap();
        let call = |function: u64, a, b| rvic.hypercall(1, &mut [0xc500_0200 + function, a, b, 0]).unwrap();
        call(2, 0, 0);
        call(5, 1, 3);
        let before = panics();
        rvic.signal(1, 3, true, 0).unwrap();
        assert_eq!((panics() - before, rvic.can_signal(1)), (1, Ok(true)));
        call(8, 1, 3);
        call(10, 3, 0);
        assert_eq!(rvic.can_signal(1), Ok(false), "the level was not read");
        let _ = rvid.hypercall(&mut [0xc500_0101, 4, 1, 40]);
        rvid.input(4, true).unwrap();
        assert_eq!(rvic.can_signal(1), Ok(false));
    }),
    ("nesting.install: the requester is blocked", || {
        let mut w = Smmu::new();
        let modes = std::sync::Arc::new(std::sync::Mutex::new(vec![]));
        let told = modes.clone();
        let host = NestingHost {
            install: Some(Box::new(|_, _, _| boom())),
            mode: Some(Box::new(move |_, _, mode| told.lock().unwrap().push(mode))),
            invalidate: Some(Box::new(|_, _, _| 0)),
        };
        let group = w.registers.nesting(host).unwrap();
        let _member = w.registers.nest(&group, &w.device, None).unwrap();
        assert_eq!(modes.lock().unwrap().last(), Some(&Mode::Block));
    }),
    ("nesting.invalidate: the guest's command fails", || {
        let mut w = Smmu::new();
        let host = NestingHost {
            install: Some(Box::new(|_, _, _| true)),
            mode: Some(Box::new(|_, _, _| ())),
            invalidate: Some(Box::new(|_, _, _| boom())),
        };
        let group = w.registers.nesting(host).unwrap();
        let _member = w.registers.nest(&group, &w.device, None).unwrap();
        w.command(0x10, 0); // CMD_TLBI_NH_ALL
        assert_ne!(w.registers.read(0x60, 4).unwrap() & 1, 0, "GERROR.CMDQ_ERR");
    }),
];

#[test]
fn panics_are_answered() {
    let _alone = COUNTING.lock().unwrap();
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains("on purpose") {
            eprintln!("{text}");
        }
    }));
    for (name, row) in ANSWERED {
        let before = panics();
        eprintln!("{name}");
        row();
        assert!(panics() > before, "{name}: it was not called");
    }
}

/// A thread's own section is at hand in its callbacks, too.
#[test]
fn a_channel_is_not_used_from_inside() {
    use std::cell::OnceCell;
    thread_local! {
        static MINE: OnceCell<Section<'static>> = const { OnceCell::new() };
        static INSIDE: OnceCell<DmaResult<()>> = const { OnceCell::new() };
    }
    let read: Box<dyn Fn(u64, &mut [u8]) -> bool + Send + Sync> = Box::new(|_, _| {
        let again = MINE.with(|mine| mine.get().unwrap().read(IOVA, &mut [0; 4]));
        INSIDE.with(|inside| inside.set(again)).is_ok()
    });
    let (_w, d) = elsewhere(MemoryCallbacks { read: Some(read), ..Default::default() });
    let channel = Box::leak(Box::new(d.channel(None).unwrap()));
    let busy = Err(Refused { done: 0, why: Why::Error(Error::Busy) });
    MINE.with(|mine| {
        assert!(mine.set(channel.enter().unwrap()).is_ok());
        assert_eq!(mine.get().unwrap().read(IOVA, &mut [0; 4]), Ok(()));
    });
    assert_eq!(INSIDE.with(|inside| inside.get().copied()), Some(busy));
}

/// Callbacks without a safe answer.
const FATAL: &[(&str, fn())] = &[
    ("memory.dirty", || {
        let memory = MemoryCallbacks { dirty: Some(Box::new(|_, _| boom())), ..Default::default() };
        let (_w, d) = mapped(0, 0, memory, DeviceHost::default());
        let _ = d.dma(None).store(IOVA, 1u8);
    }),
    ("listener.unmap", || {
        let (mut w, _d) = plainly();
        let host = ListenerHost { unmap: Some(Box::new(|_, _, _, _| boom())), ..Default::default() };
        let _l = w.registers.listener(None, host).unwrap();
        let _ = w.invalidate(0);
    }),
    ("listener.mode", || {
        let (mut w, _d) = plainly();
        let host = ListenerHost { mode: Some(Box::new(|_, _| boom())), ..Default::default() };
        let _l = w.registers.listener(None, host);
    }),
    ("listener.interrupts", || {
        let (mut w, _d) = plainly();
        let host = ListenerHost { interrupts: Some(Box::new(|_, _, _| boom())), ..Default::default() };
        let _l = w.registers.listener(None, host).unwrap();
        let _ = w.submit(4, 0);
    }),
    ("listener.complete", || {
        let (mut w, _d) = plainly();
        let unmap: Box<dyn Fn(&DeviceRef, Pasids, u64, u64) + Send + Sync> = Box::new(|_, _, _, _| ());
        let host = ListenerHost { complete: Some(Box::new(|| boom())), unmap: Some(unmap), ..Default::default() };
        let _l = w.registers.listener(None, host).unwrap();
        let _ = w.invalidate(0);
    }),
    ("routes.changed", || {
        let (mut w, _d) = plainly();
        let routes = w.registers.routes(8, |_| boom()).unwrap();
        let _ = routes.set(1, Source::Msi(8, 0xfee0_00b0, 0)).unwrap();
        w.ram.put(0x8050, 0);
        let _ = w.submit(4, 0);
    }),
    ("ioapic.changed", || {
        let (mut w, _d) = plainly();
        let ioapic = ioapic(&mut w, IoapicHost { changed: Some(Box::new(|_| boom())), ..Default::default() });
        program(&ioapic);
    }),
    ("nesting.mode", || {
        let mut w = Smmu::new();
        w.ram.put(0x20040, 1); // STE 1: abort
        w.command(0x3 | 1 << 32, 1); // CMD_CFGI_STE
        let host = NestingHost {
            install: Some(Box::new(|_, _, _| true)),
            mode: Some(Box::new(|_, _, _| boom())),
            invalidate: Some(Box::new(|_, _, _| 0)),
        };
        let group = w.registers.nesting(host).unwrap();
        let _ = w.registers.nest(&group, &w.device, None);
    }),
];

#[test]
fn what_has_no_safe_answer_ends_the_process() {
    const ROW: &str = "VIRTIOMMU_FATAL_ROW";
    if let Ok(row) = std::env::var(ROW) {
        FATAL.iter().find(|f| f.0 == row).unwrap().1();
        return; // and the parent says that it should not have
    }
    for (name, _) in FATAL {
        let mut me = Command::new(std::env::current_exe().unwrap());
        me.args(["--exact", "callbacks::what_has_no_safe_answer_ends_the_process"])
            .env(ROW, name)
            .env("RUST_BACKTRACE", "0");
        let out = me.output().unwrap();
        assert_eq!(out.status.signal(), Some(6), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
