// SPDX-License-Identifier: BSD-3-Clause
//! A guest with memory, a VT-d unit, and tables that map four pages.
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::{null_mut, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use virtiommu::*;

pub struct Ram {
    base: NonNull<u8>,
    bytes: usize,
    pub gone: Arc<AtomicBool>,
}
// SAFETY: memory that is accessed atomically, or by the library.
unsafe impl Send for Ram {}
// SAFETY: as above.
unsafe impl Sync for Ram {}
// SAFETY: it is mapped until drop().
unsafe impl HostMemory for Ram {
    fn host(&self) -> NonNull<u8> {
        self.base
    }
    fn bytes(&self) -> u64 {
        self.bytes as u64
    }
}
impl Ram {
    fn map(at: *mut u8, bytes: usize, file: Option<&File>, writable: bool) -> *mut u8 {
        let prot = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let flags = if file.is_some() { libc::MAP_SHARED } else { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS };
        let (flags, fd) = (flags | if at.is_null() { 0 } else { libc::MAP_FIXED }, file.map_or(-1, |f| f.as_raw_fd()));
        // SAFETY: at a place that the kernel chooses, or one that is ours.
        let base = unsafe { libc::mmap(at.cast(), bytes, prot, flags, fd, 0) };
        assert_ne!(base, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        base.cast()
    }
    fn at(base: *mut u8, bytes: usize) -> Arc<Ram> {
        Arc::new(Ram { base: NonNull::new(base).unwrap(), bytes, gone: Arc::default() })
    }
    pub fn new(bytes: usize) -> Arc<Ram> {
        Ram::at(Ram::map(null_mut(), bytes, None, true), bytes)
    }
    pub fn of(file: &File, bytes: usize, writable: bool) -> Arc<Ram> {
        Ram::at(Ram::map(null_mut(), bytes, Some(file), writable), bytes)
    }
    /// Private memory, and behind it a file.
    pub fn and(own: usize, file: &File, bytes: usize) -> Arc<Ram> {
        let base = Ram::map(null_mut(), own + bytes, None, true);
        // SAFETY: it is as long as both.
        Ram::map(unsafe { base.add(own) }, bytes, Some(file), true);
        Ram::at(base, own + bytes)
    }
    fn word(&self, gpa: u64) -> &AtomicU64 {
        assert!(gpa % 8 == 0 && gpa as usize + 8 <= self.bytes);
        // SAFETY: inside, aligned, and accessed atomically by everybody.
        unsafe { &*(self.base.as_ptr().add(gpa as usize) as *const AtomicU64) }
    }
    pub fn put(&self, gpa: u64, value: u64) {
        self.word(gpa).store(value, Ordering::Release)
    }
    pub fn get(&self, gpa: u64) -> u64 {
        self.word(gpa).load(Ordering::Acquire)
    }
}
impl Drop for Ram {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        // SAFETY: of map().
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
/// A file in memory, which other processes can map.
pub fn memory_file(bytes: usize) -> File {
    // SAFETY: the name is a string; the descriptor is ours.
    let file = unsafe { File::from_raw_fd(libc::memfd_create(b"virtiommu\0".as_ptr().cast(), libc::MFD_CLOEXEC)) };
    file.set_len(bytes as u64).unwrap();
    file
}

/// Of tests that count [`panics`].
pub static COUNTING: Mutex<()> = Mutex::new(());

#[derive(Default)]
pub struct Seen {
    pub works: AtomicUsize,
    pub msis: Mutex<Vec<(u64, u32)>>,
    pub messages: Mutex<Vec<String>>,
}
pub fn host(seen: &Arc<Seen>) -> Host {
    let (a, b, c) = (seen.clone(), seen.clone(), seen.clone());
    Host {
        msi: Some(Box::new(move |address, data| a.msis.lock().unwrap().push((address, data)))),
        work: Some(Box::new(move || {
            b.works.fetch_add(1, Ordering::SeqCst);
        })),
        message: Some(Box::new(move |text| c.messages.lock().unwrap().push(text.into()))),
        ..Default::default()
    }
}

pub const IOVA: u64 = 0x4000_0000;
pub const CM: u64 = 1 << 7; // CAP: caching mode
pub const DT: u64 = 1 << 2; // ECAP: device TLBs

pub struct World {
    pub ram: Arc<Ram>,
    pub vm: Vm,
    pub iommu: Iommu,
    pub registers: Registers,
    pub seen: Arc<Seen>,
    tail: u64,
    pub waits: u32,
}
pub fn read_write() -> Access {
    Access::READ | Access::WRITE
}
pub fn plain(id: u32) -> DeviceConfig<'static> {
    DeviceConfig { id, ..Default::default() }
}
pub fn told(id: u32, invalidate: Box<dyn Fn(&Invalidation) -> Taken + Send + Sync>) -> DeviceConfig<'static> {
    DeviceConfig { host: DeviceHost { invalidate: Some(invalidate), ..Default::default() }, ..plain(id) }
}
impl World {
    pub fn new() -> World {
        World::with(0, 0, MemoryCallbacks::default())
    }
    /// Root at 0x1000, contexts 0x2000, tables 0x3000 to 0x6000, queue 0x7000, interrupts 0x8000, status 0x9000.
    pub fn with(cap: u64, ecap: u64, memory: MemoryCallbacks) -> World {
        let seen = Arc::new(Seen::default());
        let (host, config) = (host(&seen), VmConfig { memory, ..Default::default() });
        let limits = Limits { channel_entries: 64, tlb_entries: 512, ..Default::default() };
        World::of(Ram::new(1 << 20), config, cap, ecap, &limits, host, seen)
    }
    pub fn of(
        ram: Arc<Ram>, config: VmConfig, cap: u64, ecap: u64, limits: &Limits, host: Host, seen: Arc<Seen>,
    ) -> World {
        let vm = Vm::new(config).unwrap();
        vm.add_region(0, ram.clone(), false).unwrap();
        let present = VtdConfig::present();
        let config = VtdConfig { cap: present.cap | cap, ecap: present.ecap | ecap, ..present };
        let (iommu, mut registers) = Iommu::vtd(&vm, &config, limits, host).unwrap();
        ram.put(0x1000, 0x2001);
        let with_iotlb = if ecap & DT != 0 { 4 } else { 0 };
        for rid in [8u64, 0x10] {
            ram.put(0x2000 + rid * 16, 0x3001 | with_iotlb);
            ram.put(0x2008 + rid * 16, 2 | 7 << 8);
        }
        ram.put(0x3000, 0x4003);
        ram.put(0x4008, 0x5003);
        ram.put(0x5000, 0x6003);
        ram.put(0x8050, 1 | 0x51 << 16 | 3 << 40);
        ram.put(0x8058, 1 << 18 | 8);
        for (offset, bytes, value) in [
            (0x20, 8, 0x1000),
            (0x18, 4, 1 << 30),
            (0x90, 8, 0x7000),
            (0x18, 4, 1 << 26),
            (0xb8, 8, 0x8007),
            (0x18, 4, 1 << 26 | 1 << 24),
            (0x18, 4, 1 << 31 | 1 << 26 | 1 << 25),
        ] {
            assert_eq!(registers.write(offset, bytes, value), Ok(Progress::Done));
        }
        assert_eq!(registers.read(0x1c, 4), Ok(0xc700_0000));
        World { ram, vm, iommu, registers, seen, tail: 0, waits: 0 }
    }
    pub fn map(&self, page: u64, gpa: u64, bits: u64) {
        self.ram.put(0x6000 + page * 8, gpa | bits)
    }
    /// One descriptor, and a wait.
    pub fn submit(&mut self, lo: u64, hi: u64) -> Progress {
        self.waits += 1;
        for (lo, hi) in [(lo, hi), (5 | 1 << 5 | u64::from(self.waits) << 32, 0x9000)] {
            self.ram.put(0x7000 + self.tail * 16, lo);
            self.ram.put(0x7008 + self.tail * 16, hi);
            self.tail = (self.tail + 1) % 256;
        }
        self.registers.write(0x88, 8, self.tail << 4).unwrap()
    }
    pub fn told(&self) -> bool {
        self.ram.get(0x9000) as u32 == self.waits
    }
    pub fn invalidate(&mut self, page: u64) -> Progress {
        self.submit(2 | 3 << 4 | 7 << 16, IOVA + page * 4096)
    }
}

/// An SMMUv3 that a host can nest: stream table at 0x20000, command queue 0x30000, event queue 0x60000; stream 1 has a first stage, whose
/// context descriptor is at 0x40000 (IHI 0070, 5.2, 6.3).
pub struct Smmu {
    pub ram: Arc<Ram>,
    pub registers: Registers,
    pub device: Device,
    tail: u32,
}
impl Smmu {
    pub fn new() -> Smmu {
        let host_idr = Smmuv3Config::present().idr;
        Smmu::with(&Smmuv3Config::default().fit(&host_idr).unwrap(), DeviceHost::default())
    }
    pub fn with(config: &Smmuv3Config, host: DeviceHost) -> Smmu {
        let ram = Ram::new(1 << 20);
        let vm = Vm::new(VmConfig::default()).unwrap();
        vm.add_region(0, ram.clone(), false).unwrap();
        let (iommu, mut registers) = Iommu::smmuv3(&vm, config, &Limits::default(), Host::default()).unwrap();
        ram.put(0x20040, 0xb | 0x40000); // STE 1: V, S1 only
        for (offset, bytes, value) in [
            (0x80, 8, 0x20000),
            (0x88, 4, 4),
            (0x90, 8, 0x30000 | 6),
            (0xa0, 8, 0x60000 | 6),
            (0x20, 4, 0xc),
            (0x20, 4, 0xd),
        ] {
            let _ = registers.write(offset, bytes, value).unwrap();
        }
        let device = iommu.device(DeviceConfig { host, ..plain(1) }).unwrap();
        Smmu { ram, registers, device, tail: 0 }
    }
    /// A command, and CMD_SYNC.
    pub fn command(&mut self, lo: u64, hi: u64) {
        for (lo, hi) in [(lo, hi), (0x46, 0)] {
            let at = 0x30000 + u64::from(self.tail % 64) * 16;
            self.ram.put(at, lo);
            self.ram.put(at + 8, hi);
            self.tail = (self.tail + 1) % 128;
        }
        let _ = self.registers.write(0x98, 4, self.tail.into()).unwrap();
        let _ = self.registers.run();
    }
}
