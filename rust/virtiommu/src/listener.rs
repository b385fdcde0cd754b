// SPDX-License-Identifier: BSD-3-Clause
//! Who is told what has changed, or is mapped: shadowing for VFIO, replays.
use crate::*;

values! {
    /// How requests of a device are treated as a whole.
    Mode: u32 {
        /// Every request is refused.
        Block = VIOMMU_MODE_BLOCK,
        /// Addresses are not translated.
        Bypass = VIOMMU_MODE_BYPASS,
        /// Addresses are translated through tables.
        Translate = VIOMMU_MODE_TRANSLATE
    }
}

/// Which requests are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pasids {
    /// Those without a PASID.
    None,
    /// Those with this one.
    One(u32),
    /// All of them.
    Any,
}
fn pasids(pasid: u32) -> Pasids {
    match pasid {
        sys::VIOMMU_ANY_PASID => Pasids::Any,
        _ => pasid_in(pasid).map_or(Pasids::None, Pasids::One),
    }
}

/// A range that is mapped, contiguous in guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// First untranslated address.
    pub iova: u64,
    /// First guest-physical address.
    pub gpa: u64,
    /// How long it is.
    pub bytes: u64,
    /// What the tables grant.
    pub access: Access,
    /// Where a region has it, for system calls (VFIO, iommufd), or null. The VM's memory stays as long as no region is
    /// removed and [`Vm::quiesce`](crate::Vm::quiesce) called.
    pub host: *mut u8,
}
impl Mapped {
    /// # Safety
    /// C's fragment is there during the call.
    unsafe fn of(iova: u64, fragment: *const sys::viommu_fragment) -> Mapped {
        // SAFETY: see above.
        let f = unsafe { &*fragment };
        Mapped { iova, gpa: f.gpa, bytes: f.length, access: Access(f.perm), host: f.host.cast() }
    }
}

callbacks! {
    /// Who wants to be told, from calls on the registers, one at a time. If one that takes something away panics, the
    /// process aborts: nobody else would forget it.
    ListenerHost: listener_on of viommu_listener_config {
        /// Translations of `[first, last]` have changed or gone: forget them; shadows replay the range.
        unmap(device: *mut sys::viommu_device, pasid: u32, first: u64, last: u64)
             => (&DeviceRef = DeviceRef::of(device), Pasids = pasids(pasid), u64 = first, u64 = last) vital;
        /// What requests without PASID are subject to.
        mode(device: *mut sys::viommu_device, mode: u32)
             => (&DeviceRef = DeviceRef::of(device), Mode = Mode::of(mode).unwrap_or(Mode::Block)) vital;
        /// Interrupt table entries `[first, last]` may have changed: of a requester, or of all.
        interrupts(source: u32, first: u32, last: u32)
             => (Option<u32> = (source != sys::VIOMMU_ANY_SOURCE).then_some(source), u32 = first, u32 = last) vital;
        /// The guest is about to be told that the above is complete.
        complete() vital;
        /// A range is mapped that was not (virtio-iommu, TCE): for a PASID or without; false: it cannot be, and the
        /// guest's request fails. So it does after a panic.
        map(device: *mut sys::viommu_device, pasid: u32, iova: u64, fragment: *const sys::viommu_fragment)
             => (&DeviceRef = DeviceRef::of(device), Option<u32> = pasid_in(pasid), &Mapped = &Mapped::of(iova, fragment))
            guarded -> bool as c_int = taken, sys::VIOMMU_FAULT;
    }
}
pub(crate) fn taken(ok: bool) -> c_int {
    if ok {
        sys::VIOMMU_OK
    } else {
        sys::VIOMMU_FAULT
    }
}

/// It listens until it is dropped; if it is dropped during a call on the registers, until that ends.
pub struct Listener(Held<sys::viommu_listener, ListenerHost>);
impl Registers {
    /// Adds a listener: of one device, or of all, also those that come later. It may be called before this returns.
    pub fn listener(&mut self, device: Option<&Device>, host: ListenerHost) -> Result<Listener> {
        device.map_or(Ok(()), |device| device.behind(&self.inner))?;
        let (host, of) = (Arc::new(host), device.map_or(ptr::null_mut(), |device| device.raw()));
        let config = host.given(sized!(viommu_listener_config));
        // SAFETY: viommu_listener_new(): "One at a time per handle": hold().
        let held = self.hold(host, sys::viommu_listener_free, |iommu, raw| unsafe {
            sys::viommu_listener_new(iommu, of, &config, raw)
        })?;
        Ok(Listener(held))
    }
    /// Switches `unmap` off and on. What it missed is lost: forget everything, and replay after switching it on.
    pub fn enable_unmap(&mut self, listener: &Listener, on: bool) -> Result<()> {
        Arc::ptr_eq(&listener.0.iommu, &self.inner).then_some(()).ok_or(Error::Invalid)?;
        // SAFETY: viommu_listener_enable(): "One at a time per handle": call().
        done(self.call(|_| unsafe { listener.0.call(|raw| sys::viommu_listener_enable(raw, on.into())) }))
    }
}

impl DeviceRef {
    /// Reports every mapping in `[*first, last]`, in order; false: it is not taken, and reported again next time. With
    /// [`Outcome::More`], go on from `*first`; [`Outcome::Fault`]: the device is blocked. `budget` is of table entries;
    /// 0: the default.
    pub fn replay(
        &self, pasid: Option<u32>, first: &mut u64, last: u64, budget: u32, mut mapped: impl FnMut(&Mapped) -> bool,
    ) -> Result<Outcome> {
        unsafe extern "C" fn on_mapped(o: *mut c_void, iova: u64, fragment: *const sys::viommu_fragment) -> c_int {
            // SAFETY: of resuming(), below; the fragment is there during the call.
            unsafe { resume(o, Mapped::of(iova, fragment)) }
        }
        let pasid = pasid_out(pasid);
        // SAFETY: viommu_replay(): "Any thread, any time"; the callback is for the time of the call.
        let call = |o| unsafe { sys::viommu_replay(self.raw(), pasid, first, last, budget, Some(on_mapped), o) };
        resuming(|m: Mapped| mapped(&m), call)
    }
    /// Looks for an address in `[*first, last]` that is translated to a guest-physical one: the address, how many bytes
    /// follow alike, and what is permitted. `*first`
    /// is then where to go on.
    pub fn find_iova(
        &self, pasid: Option<u32>, gpa: u64, first: &mut u64, last: u64,
    ) -> Result<Option<sys::viommu_reverse>> {
        let mut found = sys::viommu_reverse::default();
        loop {
            // SAFETY: viommu_find_iova(): "Any thread, any time".
            let result =
                unsafe { sys::viommu_find_iova(self.raw(), pasid_out(pasid), gpa, first, last, 0, &mut found) };
            match check(result) {
                Ok(Outcome::Done) => return Ok(Some(found)),
                Ok(Outcome::Fault) | Err(Error::NotFound) => return Ok(None),
                Ok(Outcome::More) => {}
                other => return other.and(Err(Error::Internal)),
            }
        }
    }
}
