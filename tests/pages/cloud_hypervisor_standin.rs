// SPDX-License-Identifier: BSD-3-Clause
//! As much of cloud-hypervisor's interface, and of the crates it uses, as the glue of docs/cloud-hypervisor.md needs, declared anew.
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

pub trait DmaRemapping {
    fn translate_gva(&self, id: u32, addr: u64, size: u64) -> io::Result<u64>;
    fn translate_gpa(&self, id: u32, addr: u64, size: u64) -> io::Result<u64>;
}
pub trait ExternalDmaMapping: Send + Sync {
    fn map(&self, iova: u64, gpa: u64, size: u64) -> Result<(), io::Error>;
    fn unmap(&self, iova: u64, size: u64) -> Result<(), io::Error>;
}

#[derive(Clone, Default)]
pub struct EventFd(Arc<AtomicU64>);
impl EventFd {
    pub fn write(&self, count: u64) -> io::Result<()> {
        self.0.fetch_add(count, Ordering::SeqCst);
        Ok(())
    }
    pub fn take(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

pub struct GuestAddress(pub u64);
/// Its one region.
#[derive(Clone)]
pub struct GuestMemoryMmap(pub Arc<crate::common::Ram>);
impl GuestMemoryMmap {
    pub fn iter(&self) -> impl Iterator<Item = &GuestMemoryMmap> {
        std::iter::once(self)
    }
    pub fn start_addr(&self) -> GuestAddress {
        GuestAddress(0)
    }
    pub fn len(&self) -> u64 {
        virtiommu::HostMemory::bytes(&*self.0)
    }
    pub fn as_ptr(&self) -> *mut u8 {
        virtiommu::HostMemory::host(&*self.0).as_ptr()
    }
}
