// SPDX-License-Identifier: BSD-3-Clause
//! The shapes of the traits that VMMs have for IOMMUs, written anew, each in full on this crate: what a VMM's own trait
//! takes is as long as what is here.
use crate::common::*;
use std::io;
use std::sync::{Arc, Mutex};
use virtiommu::*;

fn refused() -> io::Error {
    io::Error::from(io::ErrorKind::PermissionDenied)
}

// ---- a platform that hides the IOMMU from a virtio device (cloud-hypervisor) ----

/// Untranslated to guest-physical, and back.
trait AccessPlatform: Send + Sync {
    fn translate_gva(&self, base: u64, size: u64) -> io::Result<u64>;
    fn translate_gpa(&self, base: u64, size: u64) -> io::Result<u64>;
}
/// The same, of several devices.
trait DmaRemapping: Send + Sync {
    fn translate_gva(&self, id: u32, addr: u64, size: u64) -> io::Result<u64>;
    fn translate_gpa(&self, id: u32, addr: u64, size: u64) -> io::Result<u64>;
}

struct Platform(Device);
impl Platform {
    /// One answer for the range: it has to be contiguous. Virtqueues are, which is what this is asked for.
    fn contiguous(&self, base: u64, size: u64, access: Access) -> io::Result<u64> {
        let section = self.0.enter()?;
        let mut buffer = Buffer::new(2);
        let a = section.translate(None, base, size, access, &mut buffer)?;
        match a.fragments {
            [one] if a.end == End::All => Ok(one.gpa()),
            _ => Err(refused()),
        }
    }
}
impl AccessPlatform for Platform {
    fn translate_gva(&self, base: u64, size: u64) -> io::Result<u64> {
        self.contiguous(base, size, read_write())
    }
    fn translate_gpa(&self, base: u64, size: u64) -> io::Result<u64> {
        let mut first = 0;
        while let Some(found) = self.0.find_iova(None, base, &mut first, u64::MAX)? {
            if self.contiguous(found.iova, size, Access::READ | Access::QUIET).ok() == Some(base) {
                return Ok(found.iova);
            }
        }
        Err(refused())
    }
}
struct Remapping(Iommu);
impl DmaRemapping for Remapping {
    fn translate_gva(&self, id: u32, addr: u64, size: u64) -> io::Result<u64> {
        Platform(self.0.find_device(id)?).translate_gva(addr, size)
    }
    fn translate_gpa(&self, id: u32, addr: u64, size: u64) -> io::Result<u64> {
        Platform(self.0.find_device(id)?).translate_gpa(addr, size)
    }
}

#[test]
fn access_platform_and_dma_remapping() {
    let w = World::new();
    w.map(0, 0x20000, 3);
    w.map(1, 0x21000, 3);
    w.map(2, 0x30000, 1);
    let _device = w.iommu.device(plain(8)).unwrap();
    let remapping: Box<dyn DmaRemapping> = Box::new(Remapping(w.iommu.clone()));
    let platform: Box<dyn AccessPlatform> = Box::new(Platform(w.iommu.find_device(8).unwrap()));
    assert_eq!(platform.translate_gva(IOVA + 0x10, 0x1800).unwrap(), 0x20010);
    assert_eq!(remapping.translate_gva(8, IOVA + 0x10, 0x1800).unwrap(), 0x20010);
    assert!(platform.translate_gva(IOVA + 0x1000, 0x1001).is_err(), "not contiguous, and not writable");
    assert!(remapping.translate_gva(9, IOVA, 1).is_err(), "no such device");
    assert_eq!(platform.translate_gpa(0x21008, 8).unwrap(), IOVA + 0x1008);
    assert_eq!(remapping.translate_gpa(8, 0x20800, 0x1000).unwrap(), IOVA + 0x800);
    assert!(platform.translate_gpa(0x40000, 1).is_err() && platform.translate_gpa(0x21008, 0x1000).is_err());
}

// ---- an IOMMU of the host that nests (cloud-hypervisor's backend for iommufd) ----

#[derive(Clone, Debug, PartialEq, Eq)]
enum Translation {
    Stage([u64; 2]),
    Bypass,
    Block,
}
trait PhysicalIommu: Send + Sync {
    fn set_translation(&self, id: u32, pasid: Option<u32>, translation: Translation) -> io::Result<()>;
    /// How many were taken.
    fn invalidate(&self, commands: &[[u64; 2]]) -> usize;
}
/// What the library hands over goes to the backend.
fn nest(backend: &Arc<dyn PhysicalIommu>) -> NestingHost {
    let (a, b, c) = (backend.clone(), backend.clone(), backend.clone());
    NestingHost {
        install: Some(Box::new(move |device, pasid, stage| {
            let words = [stage.data[0], stage.data[1]];
            a.set_translation(device.id(), pasid, Translation::Stage(words)).is_ok()
        })),
        mode: Some(Box::new(move |device, pasid, mode| {
            let to = if mode == Mode::Bypass { Translation::Bypass } else { Translation::Block };
            let done = b.set_translation(device.id(), pasid, to);
            done.expect("a host that cannot block may not go on");
        })),
        invalidate: Some(Box::new(move |_, _, entries| match entries {
            NestedEntries::Smmuv3(commands) => c.invalidate(commands) as u32,
            NestedEntries::Vtd(_) => 0,
        })),
    }
}

#[derive(Default)]
struct Iommufd {
    set: Mutex<Vec<(u32, Translation)>>,
    commands: Mutex<Vec<[u64; 2]>>,
}
impl PhysicalIommu for Iommufd {
    fn set_translation(&self, id: u32, _: Option<u32>, translation: Translation) -> io::Result<()> {
        self.set.lock().unwrap().push((id, translation));
        Ok(())
    }
    fn invalidate(&self, commands: &[[u64; 2]]) -> usize {
        self.commands.lock().unwrap().extend(commands);
        commands.len()
    }
}

#[test]
fn physical_iommu() {
    let mut w = Smmu::new();
    let host = Arc::new(Iommufd::default());
    let backend: Arc<dyn PhysicalIommu> = host.clone();
    let group = w.registers.nesting(nest(&backend)).unwrap();
    let member = w.registers.nest(&group, &w.device, None).unwrap();
    assert_eq!(*host.set.lock().unwrap(), [(1, Translation::Stage([0x4000b, 0]))]);
    assert_eq!(w.registers.nest(&group, &w.device, None).err(), Some(Error::Exists));
    w.command(0x10, 0); // CMD_TLBI_NH_ALL
    assert!(host.commands.lock().unwrap().iter().any(|c| c[0] & 0xff == 0x10));
    w.ram.put(0x20040, 1); // STE: abort
    w.command(0x3 | 1 << 32, 1); // CMD_CFGI_STE
    assert_eq!(host.set.lock().unwrap().last(), Some(&(1, Translation::Block)));
    w.ram.put(0x20040, 9); // bypass
    w.command(0x3 | 1 << 32, 1);
    assert_eq!(host.set.lock().unwrap().last(), Some(&(1, Translation::Bypass)));
    w.device.report_event(&[0x10 | 1 << 32, 0, 0x1234_5000, 0]).unwrap(); // F_TRANSLATION
    assert_eq!(w.device.report_event(&[0; 3]), Err(Error::Invalid));
    drop(group);
    w.command(0x3 | 1 << 32, 1); // the member keeps its group
    let count = host.set.lock().unwrap().len();
    drop(member);
    w.ram.put(0x20040, 1);
    w.command(0x3 | 1 << 32, 1);
    assert_eq!(host.set.lock().unwrap().len(), count, "nothing is handed over any more");
    let present = VtdConfig::present();
    assert!(present.fit(present.cap, 0).is_err(), "a host without scalable mode");
}

// ---- a translator and a remapper (OpenVMM) ----

trait Translator: Send + Sync {
    fn max_iova(&self) -> u64;
    /// Guest-physical ranges that are next to each other for the device.
    fn translate(&self, iova: u64, bytes: u64, write: bool) -> io::Result<Vec<(u64, u64)>>;
}
trait SignalMsi: Send + Sync {
    fn signal_msi(&self, source: Option<u32>, address: u64, data: u32);
}

struct Behind(Device, u64);
impl Translator for Behind {
    fn max_iova(&self) -> u64 {
        self.1
    }
    fn translate(&self, iova: u64, bytes: u64, write: bool) -> io::Result<Vec<(u64, u64)>> {
        let (mut at, end, mut ranges) = (iova, iova.checked_add(bytes).ok_or_else(refused)?, vec![]);
        let access = if write { Access::WRITE } else { Access::READ };
        let section = self.0.enter()?;
        let mut buffer = Buffer::new(4);
        while at < end {
            let a = section.translate(None, at, end - at, access, &mut buffer)?;
            ranges.extend(a.fragments.iter().map(|f| (f.gpa(), f.bytes())));
            at = match a.end {
                End::All | End::More => a.next,
                _ => return Err(refused()),
            };
        }
        Ok(ranges)
    }
}
/// Whoever sends a message to `inner` through the IOMMU.
struct Remapper {
    iommu: Iommu,
    device: Device,
    inner: Arc<dyn SignalMsi>,
}
impl SignalMsi for Remapper {
    fn signal_msi(&self, source: Option<u32>, address: u64, data: u32) {
        let sender = source.map_or(Sender::Unknown, Sender::Id);
        let Ok(_section) = self.device.enter() else { return }; // from the question until it is delivered
        if let Ok(Remapped::Message(m)) = self.iommu.remap_msi(sender, address, data) {
            self.inner.signal_msi(source, m.address, m.data);
        }
    }
}
#[derive(Default)]
struct Apic(Mutex<Vec<(u64, u32)>>);
impl SignalMsi for Apic {
    fn signal_msi(&self, _: Option<u32>, address: u64, data: u32) {
        self.0.lock().unwrap().push((address, data));
    }
}

#[test]
fn translator_and_remapper() {
    let mut w = World::new();
    for page in 0..8 {
        w.map(page, 0x20000 + page * 0x2000, if page == 7 { 1 } else { 3 });
    }
    let device = w.iommu.device(plain(8)).unwrap();
    let mgaw = w.registers.read(8, 8).unwrap() >> 16 & 0x3f;
    let translator: Box<dyn Translator> = Box::new(Behind(device.clone(), (2 << mgaw) - 1));
    assert!(translator.max_iova() >= 1 << 38);
    let ranges = translator.translate(IOVA + 0x800, 0x6800, true).unwrap();
    assert_eq!((ranges.len(), ranges[0], ranges[6]), (7, (0x20800, 0x800), (0x2c000, 0x1000)));
    assert!(translator.translate(IOVA, 0x8000, true).is_err());
    assert!(translator.translate(IOVA, 0x8000, false).is_ok() && translator.translate(u64::MAX, 2, false).is_err());
    let apic = Arc::new(Apic::default());
    let signal: Arc<dyn SignalMsi> = Arc::new(Remapper { iommu: w.iommu.clone(), device, inner: apic.clone() });
    for source in [Some(8), Some(9), None] {
        signal.signal_msi(source, 0xfee0_00b0, 0);
    }
    assert_eq!(*apic.0.lock().unwrap(), [(0xfee0_3000, 0x4051)], "of the right source only");
}

// ---- a memory mapper (crosvm) ----

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MappingInfo {
    iova: u64,
    gpa: u64,
    size: u64,
    write: bool,
}
#[derive(Debug, PartialEq, Eq)]
enum AddMapResult {
    Ok,
    OverlapFailure,
}
trait MemoryMapper: Send {
    fn add_map(&mut self, map: MappingInfo) -> io::Result<AddMapResult>;
    /// True: it is gone. False: somebody still uses it, and `complete` will say when it is.
    fn remove_map(&mut self, iova: u64, size: u64) -> io::Result<bool>;
    fn get_mask(&mut self) -> io::Result<u64>;
    fn translate(&self, iova: u64, size: u64) -> io::Result<Vec<(u64, u64)>>;
}

/// A domain of the library's virtio-iommu, with one endpoint.
struct Mapper {
    registers: Registers,
    endpoint: Device,
}
impl Mapper {
    fn new(vm: &Vm, calls: VirtioHost) -> Mapper {
        let (config, limits) = (VirtioConfig::default(), Limits::default());
        let (iommu, registers) = Iommu::virtio(vm, &config, &limits, Host::default(), calls).unwrap();
        let endpoint = iommu.device(plain(1)).unwrap();
        let mut mapper = Mapper { registers, endpoint };
        assert_eq!(mapper.request(1, &[1, 1 << 32]).unwrap(), Some(0)); // ATTACH: domain 1, endpoint 1
        mapper
    }
    /// The status (5.13.6), once it is complete.
    fn request(&mut self, kind: u8, words: &[u64]) -> io::Result<Option<u8>> {
        let mut bytes = vec![kind, 0, 0, 0];
        match kind {
            1 => bytes.extend([1u32, 1, 0, 0].iter().flat_map(|w| w.to_le_bytes())),
            _ => {
                bytes.extend(1u32.to_le_bytes());
                bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
                let end = if kind == 3 { bytes.len() - 4 } else { bytes.len() };
                bytes.truncate(end);
            }
        }
        if kind == 4 {
            bytes.extend([0; 4]);
        }
        Ok(self.registers.virtio_request_copied(&bytes, 4, 1)?.map(|answer| answer[0]))
    }
}
impl MemoryMapper for Mapper {
    fn add_map(&mut self, m: MappingInfo) -> io::Result<AddMapResult> {
        let last = m.size.checked_sub(1).and_then(|more| m.iova.checked_add(more)).ok_or_else(refused)?;
        match self.request(3, &[m.iova, last, m.gpa, if m.write { 3 } else { 1 }])? {
            Some(0) => Ok(AddMapResult::Ok),
            Some(4) => Ok(AddMapResult::OverlapFailure), // INVAL: 5.13.6.5.2
            _ => Err(refused()),
        }
    }
    fn remove_map(&mut self, iova: u64, size: u64) -> io::Result<bool> {
        let last = size.checked_sub(1).and_then(|more| iova.checked_add(more)).ok_or_else(refused)?;
        match self.request(4, &[iova, last])? {
            None => Ok(false),
            Some(0) => Ok(true),
            Some(_) => Err(refused()),
        }
    }
    fn get_mask(&mut self) -> io::Result<u64> {
        Ok(self.registers.read(0, 8)?) // page_size_mask
    }
    fn translate(&self, iova: u64, size: u64) -> io::Result<Vec<(u64, u64)>> {
        Behind(self.endpoint.clone(), u64::MAX).translate(iova, size, false)
    }
}

#[test]
fn memory_mapper() {
    let vm = Vm::new(VmConfig::default()).unwrap();
    vm.add_region(0, Ram::new(1 << 20), false).unwrap();
    let complete = Arc::new(Mutex::new(0));
    let told = complete.clone();
    let calls = VirtioHost { complete: Some(Box::new(move |_, _| *told.lock().unwrap() += 1)), event: None };
    let mut mapper = Mapper::new(&vm, calls);
    assert_eq!(mapper.get_mask().unwrap(), !0xfff);
    let map = MappingInfo { iova: 0x10000, gpa: 0x5000, size: 0x2000, write: true };
    assert_eq!(mapper.add_map(map).unwrap(), AddMapResult::Ok);
    assert_eq!(mapper.add_map(map).unwrap(), AddMapResult::OverlapFailure);
    let second = MappingInfo { iova: 0x12000, gpa: 0x9000, size: 0x1000, write: false };
    assert_eq!(mapper.add_map(second).unwrap(), AddMapResult::Ok);
    assert_eq!(mapper.translate(0x11000, 0x2000).unwrap(), [(0x6000, 0x1000), (0x9000, 0x1000)]);
    assert!(mapper.translate(0x12000, 0x2000).is_err() && mapper.add_map(MappingInfo { size: 0, ..map }).is_err());
    let device = mapper.endpoint.clone();
    let section = device.enter().unwrap();
    let mut buffer = Buffer::new(1);
    let _ = section.translate(None, 0x10000, 8, Access::READ, &mut buffer).unwrap();
    assert!(!mapper.remove_map(0x10000, 0x2000).unwrap(), "a device may be using it");
    drop(section);
    assert_eq!(mapper.registers.run(), Ok(Progress::Done));
    assert_eq!(*complete.lock().unwrap(), 1);
    assert!(mapper.translate(0x10000, 1).is_err() && mapper.remove_map(0x12000, 0x1000).unwrap());
}
