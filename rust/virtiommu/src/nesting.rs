// SPDX-License-Identifier: BSD-3-Clause
//! Devices whose requests the host's IOMMU translates, with the guest's own first stage (iommufd).
use crate::*;
use std::slice::from_raw_parts;

/// Pages of a first stage that are to be forgotten.
pub use crate::sys::viommu_nested_range as NestedRange;
/// Tables that the host is to walk, as the kernel takes them.
pub use crate::sys::viommu_nested_stage as NestedStage;

/// What the host has to forget, in the guest's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NestedEntries<'a> {
    /// Of one requester's first stage.
    Vtd(&'a [NestedRange]),
    /// Commands, which name their requester.
    Smmuv3(&'a [[u64; 2]]),
}
/// # Safety
/// There are so many entries of that type for `'a`.
unsafe fn entries<'a>(kind: u32, entries: *const c_void, count: u32) -> NestedEntries<'a> {
    // SAFETY: see above; both are structures of 64-bit words.
    unsafe {
        match kind {
            sys::VIOMMU_NESTED_SMMUV3 => NestedEntries::Smmuv3(from_raw_parts(entries.cast(), count as usize)),
            sys::VIOMMU_NESTED_VTD_S1 => NestedEntries::Vtd(from_raw_parts(entries.cast(), count as usize)),
            _ => NestedEntries::Vtd(&[]), // of a later library: none of them can be taken
        }
    }
}

callbacks! {
    /// Who hands over to the host. From calls on the registers; must not call back into the IOMMU.
    NestingHost: nesting_on of viommu_nesting_config {
        /// The requester's addresses are translated by these tables from now on, and nothing of before is used any more.
        /// False, or a panic: the host refuses them, and the requester is blocked.
        install(device: *mut sys::viommu_device, pasid: u32, stage: *const NestedStage)
             => (&DeviceRef = DeviceRef::of(device), Option<u32> = pasid_in(pasid), &NestedStage = &*stage) guarded
            -> bool as c_int = taken, sys::VIOMMU_FAULT;
        /// The same without a first stage: block, bypass, or tables that no host walks. If it panics, the process aborts.
        mode(device: *mut sys::viommu_device, pasid: u32, mode: u32)
             => (&DeviceRef = DeviceRef::of(device), Option<u32> = pasid_in(pasid), Mode = Mode::of(mode).unwrap_or(Mode::Block)) vital;
        /// What the host has to forget: how many of them it has. Of the next one the guest is told that it failed; after
        /// a panic, of the first.
        invalidate(device: *mut sys::viommu_device, pasid: u32, kind: u32, list: *const c_void, count: u32)
             => (Option<&DeviceRef> = (!device.is_null()).then(|| DeviceRef::of(device)), Option<u32> = pasid_in(pasid),
                NestedEntries<'_> = entries(kind, list, count)) guarded -> u32 as u32 = |n: u32| n, 0;
    }
}

/// Requesters that one host IOMMU translates for.
pub struct Nesting(Arc<Held<sys::viommu_nesting, NestingHost>>);
/// A requester in a group, until it is dropped; the VMM blocks it first.
pub struct Nested {
    nesting: Arc<Held<sys::viommu_nesting, NestingHost>>,
    device: Raw<sys::viommu_device>,
    pasid: u32,
    iommu: Arc<IommuInner>,
}
impl Registers {
    /// Makes a group of requesters, none at first.
    pub fn nesting(&mut self, host: NestingHost) -> Result<Nesting> {
        let host = Arc::new(host);
        let config = host.given(sized!(viommu_nesting_config));
        // SAFETY: viommu_nesting_new(): "One at a time per handle": hold().
        let held = self.hold(host, sys::viommu_nesting_free, |iommu, raw| unsafe {
            sys::viommu_nesting_new(iommu, &config, raw)
        })?;
        Ok(Nesting(Arc::new(held)))
    }
    /// Adds a requester. `install` or `mode` is called before this returns.
    pub fn nest(&mut self, nesting: &Nesting, device: &Device, pasid: Option<u32>) -> Result<Nested> {
        device.behind(&self.inner)?;
        Arc::ptr_eq(&nesting.0.iommu, &self.inner).then_some(()).ok_or(Error::Invalid)?;
        let (nesting, pasid, raw) = (nesting.0.clone(), pasid_out(pasid), device.raw());
        // SAFETY: viommu_nesting_add(): "One at a time per handle": call(). It keeps the device from being freed.
        done(self.call(|_| nesting.call(|group| unsafe { sys::viommu_nesting_add(group, raw, pasid) })))?;
        Ok(Nested { nesting, device: Raw::new(raw), pasid, iommu: self.inner.clone() })
    }
}
impl Drop for Nested {
    fn drop(&mut self) {
        let (group, callbacks) = (self.nesting.call(Raw::new), self.nesting.callbacks.clone());
        let (device, pasid) = (self.device.clone(), self.pasid);
        self.iommu.bury(move || {
            let _keep = &callbacks;
            // SAFETY: viommu_nesting_remove(): "One at a time per handle": bury(). Neither group nor device can be freed
            // before this is done.
            unsafe { sys::viommu_nesting_remove(group.get(), device.get(), pasid) != sys::VIOMMU_EBUSY }
        });
    }
}
impl DeviceRef {
    /// Leaves a record of the host's in the guest's queue or registers.
    pub fn report_event(&self, record: &[u64]) -> Result<()> {
        let words = count(record.len())?;
        // SAFETY: viommu_report_event(): "Any thread, any time"; the record has that many words.
        done(unsafe { sys::viommu_report_event(self.raw(), record.as_ptr(), words) })
    }
}
