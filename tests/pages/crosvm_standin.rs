// SPDX-License-Identifier: BSD-3-Clause
//! As much of crosvm's interface as the glue of docs/crosvm.md uses, declared anew.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
macro_rules! bail {
    ($($what:tt)*) => { return Err(format!($($what)*).into()) };
}
pub(crate) use bail;

/// An eventfd.
pub struct Event(Arc<AtomicBool>);
impl Event {
    pub fn new() -> Result<Event> {
        Ok(Event(Arc::default()))
    }
    pub fn try_clone(&self) -> Result<Event> {
        Ok(Event(self.0.clone()))
    }
    pub fn signal(&self) -> Result<()> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
    /// Whether it was signaled since it was last asked.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

pub struct Executor;
impl Executor {
    pub fn new() -> Result<Executor> {
        Ok(Executor)
    }
}
pub struct EventAsync(pub Event);
impl EventAsync {
    pub fn new(event: Event, _ex: &Executor) -> Result<EventAsync> {
        Ok(EventAsync(event))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection(u8);
impl Protection {
    pub fn read() -> Protection {
        Protection(1)
    }
    pub fn write() -> Protection {
        Protection(2)
    }
    pub fn read_write() -> Protection {
        Protection(3)
    }
    pub fn allows(&self, other: &Protection) -> bool {
        self.0 & other.0 == other.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestAddress(pub u64);
impl GuestAddress {
    pub fn offset(self) -> u64 {
        self.0
    }
}
pub struct MemoryRegionInformation {
    pub guest_addr: GuestAddress,
    pub size: usize,
    pub host_addr: usize,
}
#[derive(Clone)]
pub struct GuestMemory(pub Arc<crate::common::Ram>);
impl GuestMemory {
    pub fn regions(&self) -> impl Iterator<Item = MemoryRegionInformation> {
        use virtiommu::HostMemory;
        let (size, host_addr) = (self.0.bytes() as usize, self.0.host().as_ptr() as usize);
        std::iter::once(MemoryRegionInformation { guest_addr: GuestAddress(0), size, host_addr })
    }
}

pub type RawDescriptor = i32;
pub trait AsRawDescriptors {
    fn as_raw_descriptors(&self) -> Vec<RawDescriptor>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemRegion {
    pub gpa: GuestAddress,
    pub len: u64,
    pub prot: Protection,
}
pub struct MappingInfo {
    pub iova: u64,
    pub gpa: GuestAddress,
    pub size: u64,
    pub prot: Protection,
}
pub enum RemoveMapResult {
    Success(Option<EventAsync>),
    OverlapFailure,
}
#[derive(Debug, PartialEq, Eq)]
pub enum AddMapResult {
    Ok,
    OverlapFailure,
}
pub trait MemoryMapper: Send {
    fn add_map(&mut self, new_map: MappingInfo) -> Result<AddMapResult>;
    fn remove_map(&mut self, iova_start: u64, size: u64) -> Result<RemoveMapResult>;
    fn get_mask(&self) -> Result<u64>;
    fn supports_detach(&self) -> bool;
    fn reset_domain(&mut self) -> Option<EventAsync>;
    fn id(&self) -> u32;
    fn start_export_session(&mut self, ex: &Executor) -> Result<Event>;
    fn export(&mut self, iova: u64, size: u64) -> Result<Vec<MemRegion>>;
    fn release(&mut self, iova: u64, size: u64) -> Result<()>;
}
