// SPDX-License-Identifier: BSD-3-Clause
//! As much of OpenVMM's interface as the glue of docs/openvmm.md uses, declared anew.
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::task::Context;

// ---- guestmem ----

#[derive(Clone)]
pub struct GuestMemory(pub Arc<crate::common::Ram>);
#[derive(Debug)]
pub struct GuestMemoryError;
impl GuestMemory {
    fn bytes(&self, gpa: u64, len: usize) -> Result<Vec<*mut u8>, GuestMemoryError> {
        use virtiommu::HostMemory;
        let end = gpa.checked_add(len as u64).filter(|end| *end <= self.0.bytes()).ok_or(GuestMemoryError)?;
        let base = self.0.host().as_ptr();
        Ok((gpa..end).map(|at| base.wrapping_add(at as usize)).collect())
    }
    pub fn read_at(&self, gpa: u64, to: &mut [u8]) -> Result<(), GuestMemoryError> {
        for (from, to) in self.bytes(gpa, to.len())?.into_iter().zip(to) {
            // SAFETY: inside of memory that is there.
            *to = unsafe { from.read_volatile() };
        }
        Ok(())
    }
    pub fn write_at(&self, gpa: u64, from: &[u8]) -> Result<(), GuestMemoryError> {
        for (to, from) in self.bytes(gpa, from.len())?.into_iter().zip(from) {
            // SAFETY: inside of memory that is there.
            unsafe { to.write_volatile(*from) };
        }
        Ok(())
    }
    /// Not atomic, as OpenVMM's is: this guest has one thread.
    pub fn compare_exchange<T: Copy + PartialEq>(&self, gpa: u64, old: T, new: T) -> Result<Result<T, T>, GuestMemoryError> {
        let word = self.bytes(gpa, std::mem::size_of::<T>())?[0].cast::<T>();
        // SAFETY: inside of memory that is there; the library asks for aligned words.
        let found = unsafe { word.read_volatile() };
        if found != old {
            return Ok(Err(found));
        }
        // SAFETY: as above.
        unsafe { word.write_volatile(new) };
        Ok(Ok(new))
    }
}

// ---- iommu_common, pci_core ----

#[derive(Debug)]
pub struct TranslationFault<E: Error + 'static> {
    pub iova: u64,
    pub error: E,
}
pub trait IommuTranslator: Send + Sync + 'static {
    type Error: Error + Send + Sync + 'static;
    fn max_iova(&self) -> u64;
    fn translate<R>(&self, rid: u16, iova: u64, write: bool, op: impl FnOnce(u64) -> R) -> Result<R, TranslationFault<Self::Error>>;
}
pub trait RetranslateInterrupts: Send + Sync {
    fn retranslate(&self, device_id: Option<u16>);
}
#[derive(Default)]
pub struct RetranslateInterruptsList(Mutex<Vec<Arc<dyn RetranslateInterrupts>>>);
impl RetranslateInterruptsList {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn register(&self, route: &Arc<dyn RetranslateInterrupts>) {
        self.0.lock().unwrap().push(route.clone());
    }
    pub fn unregister(&self, route: &Arc<dyn RetranslateInterrupts>) {
        self.0.lock().unwrap().retain(|other| !Arc::ptr_eq(other, route));
    }
    pub fn invalidate(&self, device_id: Option<u16>) {
        self.0.lock().unwrap().iter().for_each(|route| route.retranslate(device_id));
    }
}
pub trait InterruptRemapper: Send + Sync {
    fn remap_msi(&self, device_id: u16, address: u64, data: u32) -> Option<(u64, u32)>;
    fn register_route(&self, route: &Arc<dyn RetranslateInterrupts>);
    fn unregister_route(&self, route: &Arc<dyn RetranslateInterrupts>);
}
pub trait SignalMsi: Send + Sync {
    fn signal_msi(&self, devid: Option<u32>, address: u64, data: u32);
}

// ---- chipset_device, vmcore ----

#[derive(Debug, PartialEq, Eq)]
pub enum IoError {
    InvalidAccessSize,
}
#[derive(Debug, PartialEq, Eq)]
pub enum IoResult {
    Ok,
    Err(IoError),
}
pub trait MmioIntercept {
    fn mmio_read(&mut self, address: u64, data: &mut [u8]) -> IoResult;
    fn mmio_write(&mut self, address: u64, data: &[u8]) -> IoResult;
}
pub trait PollDevice {
    fn poll_device(&mut self, cx: &mut Context<'_>);
}
#[derive(Debug)]
pub enum RestoreError {
    InvalidSavedState(Box<dyn Error + Send + Sync>),
}
