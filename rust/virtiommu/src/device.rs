// SPDX-License-Identifier: BSD-3-Clause
//! Requesters behind an IOMMU.
use crate::*;
use std::ops::BitOr;
use std::sync::OnceLock;

/// The guest's answer to a page request group.
pub use crate::sys::viommu_page_response as PageResponse;

/// What a request wants to do, and what a translation permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access(pub u32);
impl Access {
    /// Read.
    pub const READ: Access = Access(sys::VIOMMU_READ);
    /// Write; together with read: an atomic operation.
    pub const WRITE: Access = Access(sys::VIOMMU_WRITE);
    /// Instruction fetch.
    pub const EXEC: Access = Access(sys::VIOMMU_EXEC);
    /// The request claims privileged mode.
    pub const PRIV: Access = Access(sys::VIOMMU_PRIV);
    /// Only a question: nothing is recorded, marked or cached.
    pub const QUIET: Access = Access(sys::VIOMMU_QUIET);
    /// Whether all of another are in it.
    pub fn has(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }
}
impl BitOr for Access {
    type Output = Access;
    fn bitor(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }
}

pub(crate) fn pasid_out(pasid: Option<u32>) -> u32 {
    pasid.unwrap_or(sys::VIOMMU_NO_PASID)
}
pub(crate) fn pasid_in(pasid: u32) -> Option<u32> {
    (pasid != sys::VIOMMU_NO_PASID).then_some(pasid)
}

/// What part of a device's translation cache must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// First address.
    pub first: u64,
    /// Last one; `u64::MAX` with first 0: everything.
    pub last: u64,
    /// Of requests with this PASID, or without.
    pub pasid: Option<u32>,
    /// Of every PASID.
    pub all_pasids: bool,
    /// For [`DeviceRef::invalidation_done`].
    pub token: u64,
}

impl Invalidation {
    fn of(i: &sys::viommu_device_invalidation) -> Invalidation {
        let all_pasids = i.flags & sys::VIOMMU_INVALIDATE_ALL_PASIDS != 0;
        Invalidation { first: i.first, last: i.last, pasid: pasid_in(i.pasid), all_pasids, token: i.token }
    }
}

values! {
    /// What has become of something that the device, or a backend, was told.
    Taken: c_int {
        /// It has been done.
        Done = VIOMMU_OK,
        /// It will be said when it has.
        Later = VIOMMU_PENDING,
        /// It has not been done, and will not be. So is a panic.
        Failed = VIOMMU_FAULT
    }
}
values! {
    /// How a stalled request ends.
    Resume: u32 {
        /// It is to be asked again.
        Retry = VIOMMU_RESUME_RETRY,
        /// It has failed.
        Abort = VIOMMU_RESUME_ABORT,
        /// Reads are 0, writes have no effect.
        Zero = VIOMMU_RESUME_ZERO
    }
}

callbacks! {
    /// What a device is told.
    DeviceHost: device_on of viommu_device_config {
        /// Its own translation cache must drop something. If this panics, it has not.
        invalidate(i: *const sys::viommu_device_invalidation) => (&Invalidation = &Invalidation::of(&*i)) guarded
            -> Taken as c_int = Taken::raw, sys::VIOMMU_FAULT;
        /// The guest answered a page request group.
        page_response(response: *const PageResponse) => (&PageResponse = &*response) guarded;
        /// The device can wait: how a request with this token ends.
        resume(token: u64, action: u32) => (u64 = token, Resume = Resume::of(action).unwrap_or(Resume::Abort)) guarded;
    }
}

/// How to create a device.
#[derive(Default)]
pub struct DeviceConfig<'a> {
    /// Requester id, StreamID or endpoint id; [`DeviceConfig::NO_ID`]: none yet.
    pub id: u32,
    /// Which part of the caches it uses.
    pub partition: u32,
    /// What it is told; with `invalidate` and `resume` it can have a cache, and wait.
    pub host: DeviceHost,
    /// Behind a virtio-iommu: what is particular to the endpoint.
    pub virtio: Option<Endpoint<'a>>,
}
impl DeviceConfig<'_> {
    /// The device has no id.
    pub const NO_ID: u32 = sys::VIOMMU_NO_ID;
}

/// What C has of a device: its callbacks first.
#[repr(C)]
struct Callbacks {
    host: DeviceHost,
    me: OnceLock<Weak<DeviceInner>>,
}

pub(crate) struct DeviceInner {
    pub(crate) raw: Raw<sys::viommu_device>,
    callbacks: Arc<Callbacks>,
    pub(crate) iommu: Arc<IommuInner>,
}
impl Drop for DeviceInner {
    fn drop(&mut self) {
        lock(&self.iommu.devices).remove(&(self.raw.get() as usize));
        let (raw, callbacks) = (self.raw.clone(), self.callbacks.clone());
        self.iommu.bury(move || {
            let _keep = &callbacks;
            // SAFETY: viommu_device_free(): "Alone": whoever uses the device holds an Arc of it. VIOMMU_EBUSY, from
            // inside a callback of it or beside a guest's request that names it: it is tried again.
            unsafe { sys::viommu_device_free(raw.get()) == sys::VIOMMU_OK }
        });
    }
}

/// A requester, for any number of threads. The methods are those of [`DeviceRef`].
#[derive(Clone)]
pub struct Device(pub(crate) Arc<DeviceInner>);
impl Deref for Device {
    type Target = DeviceRef;
    fn deref(&self) -> &DeviceRef {
        // SAFETY: the handle lives as long as the Arc; DeviceRef has no bytes of its own.
        unsafe { DeviceRef::of(self.0.raw.get()) }
    }
}
impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Iommu {
    /// Creates a requester behind the IOMMU.
    pub fn device(&self, config: DeviceConfig<'_>) -> Result<Device> {
        let DeviceConfig { id, partition, host, virtio } = config;
        let callbacks = Arc::new(Callbacks { host, me: OnceLock::new() });
        let endpoint = virtio.as_ref().map(Endpoint::raw);
        let virtio = endpoint.as_ref().map_or(ptr::null(), |e| e as *const _);
        let config = sys::viommu_device_config { id, partition, virtio, ..sized!(viommu_device_config) };
        let config = callbacks.host.given(config);
        // SAFETY: viommu_device_new(): "Any thread, any time"; callbacks live as long as the device.
        let raw = made(|to| unsafe { sys::viommu_device_new(self.raw(), &config, to) })?;
        let inner = Arc::new(DeviceInner { raw: Raw::new(raw), callbacks, iommu: self.0.clone() });
        let _ = inner.callbacks.me.set(Arc::downgrade(&inner));
        lock(&self.0.devices).insert(raw as usize, Arc::downgrade(&inner));
        Ok(Device(inner))
    }

    /// Gives several devices of this IOMMU other ids, in one step.
    pub fn set_ids(&self, devices: &[(&Device, u32)]) -> Result<()> {
        let raw: Vec<_> = devices.iter().map(|d| d.0 .0.raw.get()).collect();
        let ids: Vec<_> = devices.iter().map(|d| d.1).collect();
        // SAFETY: viommu_devices_set_ids(): "Any thread, any time"; both have as many elements.
        done(unsafe { sys::viommu_devices_set_ids(raw.as_ptr(), ids.as_ptr(), raw.len() as u32) })
    }
}

/// A page request message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Page-aligned address.
    pub address: u64,
    /// PASID, if it has one.
    pub pasid: Option<u32>,
    /// Page request group index.
    pub group: u16,
    /// What is wanted.
    pub access: Access,
    /// The last request in its group.
    pub last: bool,
}

/// One step of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Such as "context entry".
    pub what: &'static str,
    /// Where a structure was read.
    pub gpa: Option<u64>,
    /// What was read.
    pub raw: Vec<u64>,
    /// Fault reason if the step failed, else 0.
    pub reason: u32,
    /// `VIOMMU_STEP_*`.
    pub flags: u32,
}

/// Calls `call` with a C callback that gives each step to `step`; false: no more.
pub(crate) fn explain(
    step: impl FnMut(Step) -> bool,
    call: impl FnOnce(unsafe extern "C" fn(*mut c_void, *const sys::viommu_step) -> c_int, *mut c_void) -> c_int,
) -> Result<Outcome> {
    unsafe extern "C" fn on_step(o: *mut c_void, step: *const sys::viommu_step) -> c_int {
        // SAFETY: the step is there during the call, and `what` is constant.
        let (s, what) = unsafe { (&*step, CStr::from_ptr((*step).what)) };
        let step = Step {
            what: what.to_str().unwrap_or(""),
            gpa: (s.gpa != u64::MAX).then_some(s.gpa),
            raw: s.raw[..(s.words as usize).min(s.raw.len())].to_vec(),
            reason: s.reason,
            flags: s.flags,
        };
        // SAFETY: of resuming(), below.
        unsafe { resume(o, step) }
    }
    resuming(step, |o| call(on_step, o))
}

// "Any thread, any time".
calls! { DeviceRef, me: &Self => me;
    /// The id that it has now.
    id() -> u32 = identity, viommu_device_get_id;
    /// Gives it another id, or [`DeviceConfig::NO_ID`].
    set_id(id: u32) -> Result<()> = done, viommu_device_set_id;
    /// It is dead, or has been reset: it uses nothing any more of what it was told.
    fail() -> Result<()> = done, viommu_device_fail;
    /// It has dropped what an invalidation named; false: it did not answer in time.
    invalidation_done(token: u64, dropped: bool => if dropped { sys::VIOMMU_OK } else { sys::VIOMMU_FAULT })
        -> Result<()> = done, viommu_invalidation_done;
    /// The window of its partition.
    window() -> Result<Window> = fill(sized!(viommu_window)), viommu_device_get_window;
    /// Its counters.
    statistics() -> Result<Statistics> = fill(sized!(viommu_statistics)), viommu_device_get_statistics;
}

named! {
    /// A device, wherever it is known to exist: what any thread may do with it at any time, also in its callbacks.
    DeviceRef = viommu_device
}
impl DeviceRef {
    /// Keeps it from being freed; not of one that is being dropped.
    pub(crate) fn keep(&self) -> DmaResult<Arc<DeviceInner>> {
        self.upgrade().map(|d| d.0).map_err(|e| Refused { done: 0, why: Why::Error(e) })
    }
    /// The device itself, unless its last handle is gone.
    pub fn upgrade(&self) -> Result<Device> {
        // SAFETY: viommu_device_get_opaque(): "Any thread, any time": the callbacks, which the device keeps.
        let callbacks = unsafe { &*(sys::viommu_device_get_opaque(self.raw()) as *const Callbacks) };
        callbacks.me.get().and_then(Weak::upgrade).map(Device).ok_or(Error::NotFound)
    }
    /// Delivers a page request; false: it is refused.
    pub fn request_page(&self, request: &PageRequest) -> Result<bool> {
        let request = sys::viommu_page_request {
            address: request.address,
            pasid: pasid_out(request.pasid),
            group: request.group,
            access: request.access.0 as u16,
            last: request.last.into(),
            reserved: 0,
        };
        // SAFETY: viommu_request_page(): "Any thread, any time".
        granted(unsafe { sys::viommu_request_page(self.raw(), &request) })
    }
    /// DMA of the device from any thread, with the shared TLB only.
    pub fn dma(&self, pasid: Option<u32>) -> DeviceDma<'_> {
        DeviceDma { device: self, pasid: pasid_out(pasid), access: Access(0) }
    }
    /// Tells every structure that decides about an address, and with `caches` what those would have said. A panic of
    /// `step` goes on; false stops it.
    pub fn explain(
        &self, pasid: Option<u32>, iova: u64, access: Access, caches: bool, step: impl FnMut(Step) -> bool,
    ) -> Result<Outcome> {
        let request = request(iova, 1, pasid_out(pasid), access)?;
        let flags = if caches { sys::VIOMMU_EXPLAIN_CACHES } else { 0 };
        // SAFETY: viommu_explain(): "Any thread, any time"; the callback is for the time of the call.
        explain(step, |f, o| unsafe { sys::viommu_explain(self.raw(), &request, flags, Some(f), o) })
    }
}

impl Device {
    /// The IOMMU that it is behind.
    pub fn iommu(&self) -> Iommu {
        Iommu(self.0.iommu.clone())
    }
    pub(crate) fn behind(&self, iommu: &Arc<IommuInner>) -> Result<()> {
        Arc::ptr_eq(&self.0.iommu, iommu).then_some(()).ok_or(Error::Invalid)
    }
}
