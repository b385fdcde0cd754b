// SPDX-License-Identifier: BSD-3-Clause
//! Arm's ITS and RVIC, TCE tables of POWER.
use crate::common::*;
use std::sync::{Arc, Mutex};
use virtiommu::*;

pub const BASE: u64 = 0x8080000;
pub struct Its {
    pub ram: Arc<Ram>,
    pub lpis: (Iommu, Registers),
    pub its: (Iommu, Registers),
    told: Arc<Mutex<Vec<(u32, u32, bool)>>>,
    errors: Arc<Mutex<Vec<u32>>>,
    tail: u64,
}
/// Two redistributors with EnableLPIs: configuration at 0x40000, pending at 0x50000 and 0x60000. An ITS: queue 0x10000,
/// devices 0x20000, collections 0x30000 (IHI 0069H, 12.11 and 12.19).
fn its() -> Its {
    let (told, errors): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>) = Default::default();
    let (t, e) = (told.clone(), errors.clone());
    let lpi: Box<dyn Fn(u32, u32, u32, bool) + Send + Sync> =
        Box::new(move |cpu, intid, _, pending| t.lock().unwrap().push((cpu, intid, pending)));
    let host = ItsHost { error: Some(Box::new(move |code, _| e.lock().unwrap().push(code))) };
    Its { told, errors, ..its_with(false, LpisHost { lpi: Some(lpi), vlpi: None }, host) }
}
/// With `v4`: vPE table 0x38000, vPE 0's configuration 0x80000 and pending table 0x90000.
pub fn its_with(v4: bool, lpis: LpisHost, host: ItsHost) -> Its {
    let ram = Ram::new(1 << 20);
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_region(0, ram.clone(), false).unwrap();
    let (flags, vpes, typer) = if v4 { (sys::VIOMMU_LPIS_V4, 1, 0x1ef73 | 1 << 37) } else { (0, 0, 0) };
    let (config, limits) = (LpisConfig { cpus: 2, flags, vpes, ..Default::default() }, Limits::default());
    let mut lpis = Iommu::lpis(&vm, &config, &limits, Host::default(), lpis).unwrap();
    let config = ItsConfig { base: BASE, typer, ..Default::default() };
    let mut its = Iommu::its(&vm, &lpis.0, &config, &limits, Host::default(), host).unwrap();
    if v4 {
        assert_eq!(its.1.write(0x110, 8, 1 << 63 | 0x38000), Ok(Progress::Done));
    }
    for cpu in 0..2u64 {
        let at = cpu << 18;
        assert_eq!(lpis.1.write(at | 0x70, 8, 0x40000 | 15), Ok(Progress::Done));
        assert_eq!(lpis.1.write(at | 0x78, 8, 0x50000 + (cpu << 16) | 1 << 62), Ok(Progress::Done));
        let _ = lpis.1.write(at, 4, 1);
        while lpis.1.run().unwrap() == Progress::Pending {}
    }
    ram.put(0x40000, u64::from_le_bytes([0xa1; 8])); // INTIDs 8192 to 8199: enabled
    for (offset, value) in [(0x80, 1 << 63 | 0x10000), (0x100, 1 << 63 | 0x20000), (0x108, 1 << 63 | 0x30000), (0, 1)] {
        assert_eq!(its.1.write(offset, 8, value), Ok(Progress::Done));
    }
    Its { ram, lpis, its, told: Arc::default(), errors: Arc::default(), tail: 0 }
}
impl Its {
    pub fn command(&mut self, words: [u64; 4]) {
        for (n, word) in words.into_iter().enumerate() {
            self.ram.put(0x10000 + self.tail + 8 * n as u64, word);
        }
        self.tail = (self.tail + 32) % 4096;
        let _ = self.its.1.write(0x88, 8, self.tail).unwrap();
    }
    pub fn map(&mut self) {
        self.command([8 | 1 << 32, 4, 1 << 63 | 0x70000, 0]); // MAPD
        self.command([9, 0, 1 << 63 | 1 << 16 | 2, 0]); // MAPC: collection 2 at redistributor 1
        self.command([0xa | 1 << 32, 3 | 8193 << 32, 2, 0]); // MAPTI
        assert!(self.errors.lock().unwrap().is_empty());
    }
}

#[test]
fn its_delivers_and_travels() {
    let mut w = its();
    w.map();
    let doorbell = BASE + 0x10040;
    let Remapped::Message(m) = w.its.0.remap_msi(Sender::Id(1), doorbell, 3).unwrap() else { panic!() };
    assert_eq!((m.kind, m.intid, m.cpu), (sys::VIOMMU_MSI_KIND_LPI, 8193, 1));
    assert_eq!(*w.told.lock().unwrap(), [(1, 8193, true)]);
    assert_eq!(w.lpis.0.lpi(1, 8193).map(|l| (l.pending, l.enabled, l.priority)), Ok((1, 1, 0xa0)));
    assert_eq!(w.lpis.0.lpi_acknowledge(1, 8193), Ok(()));
    assert_eq!(w.lpis.0.lpi_acknowledge(1, 8193), Err(Error::NotFound));
    assert_eq!(w.its.0.remap_msi(Sender::Id(1), doorbell, 4), Ok(Remapped::Refused(7)));
    w.command([0xa | 9 << 32, 3 | 8193 << 32, 2, 0]); // of a device that is not mapped
    assert_eq!(*w.errors.lock().unwrap(), [0x010a04]);
    assert_eq!(w.lpis.0.vlpi(0, 8192), Err(Error::Unsupported));
    assert_eq!(w.lpis.0.vlpi_acknowledge(0, 8192), Err(Error::Unsupported));

    // by its tables, into another ITS
    assert_eq!((w.its.1.its_save_tables(), w.lpis.1.lpis_save_pending()), (Ok(true), Ok(true)));
    assert_eq!(w.its.1.its_restore_tables(), Err(Error::Busy), "it is enabled");
    assert_eq!(w.its.1.write(0, 4, 0), Ok(Progress::Done));
    assert!(matches!(w.its.1.its_restore_tables(), Ok(Some(_))));
    while w.its.1.run().unwrap() == Progress::Pending {}
    assert_eq!(w.its.1.its_set_register(0, 1), Ok(Progress::Done));
    assert!(matches!(w.its.0.resolve_msi(Sender::Id(1), doorbell, 3), Ok(Remapped::Message(_))));
    // by state
    let state = (w.lpis.1.save().unwrap(), w.its.1.save().unwrap());
    let mut other = its();
    assert!(other.lpis.1.restore(&state.0).is_ok() && other.its.1.restore(&state.1).is_ok());
    assert!(matches!(other.its.0.resolve_msi(Sender::Id(1), doorbell, 3), Ok(Remapped::Message(_))));
    assert_eq!(other.its.1.restore(&state.0).err(), Some(Error::State));
}

#[test]
fn its_keeps_its_lpis() {
    for order in 0..6 {
        let w = its();
        let gone = w.ram.gone.clone();
        let mut parts: Vec<Box<dyn std::any::Any>> = vec![Box::new(w.ram), Box::new(w.lpis), Box::new(w.its)];
        drop(parts.remove(order % 3));
        drop(parts.remove(order / 3));
        drop(parts);
        assert!(gone.load(std::sync::atomic::Ordering::SeqCst));
    }
    let (w, other) = (its(), Vm::new(VmConfig::default()).unwrap());
    let made =
        Iommu::its(&other, &w.lpis.0, &ItsConfig::default(), &Limits::default(), Host::default(), ItsHost::default());
    assert_eq!(made.err(), Some(Error::Invalid), "LPIs of another VM");
}

#[test]
fn tce_calls() {
    let ram = Ram::new(1 << 20);
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_region(0, ram, false).unwrap();
    let (done, faults): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>) = Default::default();
    let (d, f) = (done.clone(), faults.clone());
    let host = TceHost {
        complete: Some(Box::new(move |token, status| d.lock().unwrap().push((token, status)))),
        fault: Some(Box::new(move |fault| f.lock().unwrap().push((fault.pe, fault.address, fault.reason)))),
        owns: Some(Box::new(|gpa, _| gpa >> 32 == 1)),
        window: Some(Box::new(|_, window, present| !present || window.page_shift != 16)),
    };
    let (tce, mut r) = Iommu::tce(&vm, &TceConfig::default(), &Limits::default(), Host::default(), host).unwrap();
    let window = TceWindow { liobn: 0x8000_0001, page_shift: 12, start: 0, entries: 0x10000 };
    let pe = sys::viommu_tce_pe {
        number: 1,
        flags: sys::VIOMMU_TCE_PE_DDW,
        buid: 7,
        window,
        page_sizes: 0x11000,
        ..Default::default()
    };
    let pe = TcePe { pe, liobns: &[0x8000_0002] };
    r.tce_add_pe(&pe).unwrap();
    assert_eq!(r.tce_add_pe(&pe), Err(Error::Exists));
    assert_eq!(r.tce_windows(1).unwrap().len(), 1);
    let device = tce.device(plain(1)).unwrap();
    let mut put = |ioba: u64, tce: u64, token| {
        let mut registers = [0x20, 0x8000_0001, ioba, tce, 0, 0];
        r.tce_hcall(&mut registers, token).map(|progress| (progress, registers[0] as i64))
    };
    assert_eq!(put(0x3000, 0x5003, 1), Ok((Progress::Done, 0)));
    assert_eq!(put(0x4000, 0x1_0000_0003, 2), Ok((Progress::Done, 0)), "the VMM says that it owns it");
    assert_eq!(put(0x4000, 0x2_0000_0003, 3), Ok((Progress::Done, -4)));
    let mut channel = device.channel(None).unwrap();
    channel.store(0x3010, 7u32).unwrap();
    assert_eq!(channel.load::<u8>(0x7000).unwrap_err().why, Why::Fault);
    assert_eq!(*faults.lock().unwrap(), [(1, 0x7000, 5)]);
    let section = channel.enter().unwrap();
    let mut buffer = Buffer::new(1);
    assert_eq!(section.translate(0x3000, 8, Access::WRITE, &mut buffer).unwrap().end, End::All);
    assert_eq!(put(0x3000, 0, 4).map(|p| p.0), Ok(Progress::Pending));
    drop(section);
    assert_eq!(r.run(), Ok(Progress::Done));
    assert_eq!(*done.lock().unwrap(), [(4, 0)]);
    assert_eq!(r.tce_hcall(&mut [1; 6], 5), Err(Error::NotFound));
    let mut results = [0; 6];
    let query = [0, 0, 7];
    assert_eq!(r.tce_rtas(sys::VIOMMU_TCE_RTAS_QUERY, &query, &mut results, 6), Ok(Progress::Done));
    assert_eq!((results[0], results[1]), (0, 1), "one more window can be had");
    let mut created = [0; 4];
    let create = [0, 0, 7, 16, 20];
    assert_eq!(r.tce_rtas(sys::VIOMMU_TCE_RTAS_CREATE, &create, &mut created, 7), Ok(Progress::Done));
    assert_eq!(created[0], u32::MAX, "the host refuses 64 KiB");
    assert_eq!(r.tce_remove_pe(1), Err(Error::Busy));
    drop((channel, device));
    assert_eq!(r.tce_remove_pe(1), Ok(()));
}

#[test]
fn rvic_and_rvid() {
    let vm = Vm::new(VmConfig::default()).unwrap();
    let kicks: Arc<Mutex<Vec<u32>>> = Arc::default();
    let k = kicks.clone();
    let host = RvicHost {
        kick: Some(Box::new(move |cpu| k.lock().unwrap().push(cpu))),
        sample: Some(Box::new(|_, intid| intid == 3)),
    };
    let config = RvicConfig { cpus: 2, untrusted: 32, ..Default::default() };
    let rvic = Arc::new(Rvic::new(&vm, &config, &[0, 0x100], host).unwrap());
    let wire = rvic.clone();
    let signal: Box<dyn Fn(u32, u32, bool) + Send + Sync> = Box::new(move |cpu, intid, level| {
        wire.signal(cpu, intid, level, sys::VIOMMU_RVIC_UNTRUSTED).unwrap();
    });
    let rvid = Rvid::new(&vm, &config, &[0, 0x100], RvidHost { signal: Some(signal) }).unwrap();
    assert_eq!(Rvic::new(&vm, &config, &[0], RvicHost::default()).err(), Some(Error::Invalid), "an MPIDR for each");
    let hypercall = |cpu, function: u64, a, b| {
        let mut x = [0xc500_0200 + function, a, b, 0];
        rvic.hypercall(cpu, &mut x).map(|()| x[0])
    };
    assert_eq!(hypercall(1, 2, 0, 0), Ok(0), "ENABLE");
    assert_eq!(hypercall(1, 5, 0x100, 40), Ok(0), "CLEAR_MASKED");
    let mut x = [0xc500_0101, 4, 0x100, 40]; // RVID MAP: input 4
    assert_eq!((rvid.hypercall(&mut x), x[0]), (Ok(()), 0));
    assert_eq!(rvic.can_signal(1), Ok(false));
    rvid.input(4, true).unwrap();
    assert_eq!((rvic.can_signal(1), rvic.can_signal(0)), (Ok(true), Ok(false)));
    assert!(kicks.lock().unwrap().contains(&1));
    let (state, map) = (rvic.save().unwrap(), rvid.save().unwrap());
    rvic.reset_cpu(1).unwrap();
    assert_eq!(rvic.can_signal(1), Ok(false));
    rvic.restore(&state).unwrap();
    rvid.restore(&map).unwrap();
    assert_eq!(rvic.can_signal(1), Ok(true));
    assert_eq!(rvic.restore(&map), Err(Error::State));
    assert_eq!(rvic.signal(1, 40, true, 0), Ok(()));
    assert_eq!(rvic.signal(1, 3, true, sys::VIOMMU_RVIC_UNTRUSTED), Err(Error::Invalid));
    assert_eq!(rvic.hypercall(0, &mut [0; 4]), Err(Error::NotFound));
    assert_eq!(rvic.can_signal(2), Err(Error::Invalid));
}
