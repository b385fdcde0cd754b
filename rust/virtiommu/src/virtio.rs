// SPDX-License-Identifier: BSD-3-Clause
//! virtio-iommu: requests, events, endpoints.
use crate::*;

config! {
    /// How to create a virtio-iommu.
    VirtioConfig = viommu_virtio_config {
        features: u64, page_size_mask: u64, input_first: u64, input_last: u64, gpa_last: u64, domain_first: u32,
        domain_last: u32, probe_size: u32, bypass: u32, domains: u32, mappings: u32, domain_mappings: u32, events: u32,
    }
}

callbacks! {
    /// What a virtio-iommu tells its transport.
    VirtioHost: virtio_on of viommu_virtio_config {
        /// A fault record waits: [`Iommu::virtio_event`].
        event() guarded;
        /// A request that was pending is complete: its token, and of a copied one the answer.
        complete(token: u64) => (u64 = token, &[u8] = &[]) guarded;
    }
}

/// What C has of a virtio-iommu's callbacks: those first.
#[repr(C)]
struct Inner {
    host: VirtioHost,
    buffers: Arc<Buffers>,
}

/// A reserved region of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Reserved(sys::viommu_virtio_region);
impl Reserved {
    /// `[first, last]` is never mapped; with `msi`, writes there are interrupt messages.
    pub fn new(first: u64, last: u64, msi: bool) -> Reserved {
        let subtype = if msi { sys::VIOMMU_VIRTIO_RESV_MSI } else { sys::VIOMMU_VIRTIO_RESV_RESERVED };
        Reserved(sys::viommu_virtio_region { first, last, subtype, reserved: 0 })
    }
}

/// What is particular to an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endpoint<'a> {
    /// Reserved regions.
    pub regions: &'a [Reserved],
    /// Page sizes its mappings have to be multiples of; 0: as the IOMMU.
    pub page_size_mask: u64,
}
impl Endpoint<'_> {
    pub(crate) fn raw(&self) -> sys::viommu_virtio_endpoint {
        sys::viommu_virtio_endpoint {
            region_count: u32::try_from(self.regions.len()).unwrap_or(u32::MAX),
            regions: self.regions.as_ptr().cast(),
            page_size_mask: self.page_size_mask,
            ..sized!(viommu_virtio_endpoint)
        }
    }
}

/// A part of a request's buffer, which is guest memory.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Part(sys::viommu_part);
impl Part {
    /// Guest memory, such as of a [`Fragment`](crate::Fragment).
    ///
    /// # Safety
    /// It stays mapped until the request is complete: if it is pending, until the `complete` callback.
    pub unsafe fn new(memory: HostSlice<'_>) -> Part {
        Part(sys::viommu_part { base: memory.as_ptr().cast(), bytes: memory.bytes() })
    }
}

impl Iommu {
    /// Creates a virtio-iommu without endpoints, as after a reset of the machine.
    pub fn virtio(
        vm: &Vm, config: &VirtioConfig, limits: &Limits, host: Host, virtio: VirtioHost,
    ) -> Result<(Iommu, Registers)> {
        let virtio = Arc::new(Inner { host: virtio, buffers: Arc::default() });
        let (iommu, mut registers) = create(vm, host, limits, vec![virtio.clone()], |vm, host, limits, raw| {
            let config = virtio.host.given(config.raw());
            let config = sys::viommu_virtio_config { complete: Some(on_complete), host, limits, ..config };
            // SAFETY: viommu_virtio_new(): "Any thread, any time"; everything is copied, and the IOMMU keeps callbacks.
            unsafe { sys::viommu_virtio_new(vm, &config, raw) }
        })?;
        registers.buffers = virtio.buffers.clone();
        Ok((iommu, registers))
    }
    /// Takes the oldest fault record that waits, for a buffer of the event queue.
    pub fn virtio_event(&self) -> Result<Option<[u8; sys::VIOMMU_VIRTIO_EVENT_BYTES as usize]>> {
        let mut event = [0; sys::VIOMMU_VIRTIO_EVENT_BYTES as usize];
        // SAFETY: viommu_virtio_event(): "Any thread, any time"; there is room for a record.
        match done(unsafe { sys::viommu_virtio_event(self.raw(), event.as_mut_ptr().cast(), event.len() as u32) }) {
            Ok(()) => Ok(Some(event)),
            Err(Error::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

// "One at a time per handle": call().
calls! { Registers, me: &mut Self => me;
    /// The driver has accepted features.
    virtio_set_features(accepted: u64) -> Result<Progress> = progress, viommu_virtio_set_features;
    /// Reset of the virtio device.
    virtio_reset() -> Result<Progress> = progress, viommu_virtio_reset;
}
impl Registers {
    /// Executes a request whose buffer is guest memory: the used length, and whether it is complete.
    pub fn virtio_request(&mut self, readable: &[Part], writable: &[Part], token: u64) -> Result<(u32, Progress)> {
        let kept = Kept { token, from: vec![], to: vec![], used: 0 };
        let (written, done) = self.request(kept, readable, writable)?;
        Ok((written, if done.is_some() { Progress::Done } else { Progress::Pending }))
    }
    /// Executes a request that the VMM has copied: what is to be copied to the guest, if it is complete; otherwise the
    /// `complete` callback has it.
    pub fn virtio_request_copied(&mut self, request: &[u8], room: usize, token: u64) -> Result<Option<Vec<u8>>> {
        let mut kept = Kept { token, from: request.to_vec(), to: vec![0; room], used: room };
        let part = |of: &mut Vec<u8>| Part(sys::viommu_part { base: of.as_mut_ptr().cast(), bytes: of.len() as u64 });
        let (readable, writable) = ([part(&mut kept.from)], [part(&mut kept.to)]);
        let (written, done) = self.request(kept, &readable, &writable)?;
        Ok(done.map(|mut kept| {
            kept.to.truncate(written as usize);
            kept.to
        }))
    }
    /// What is kept stays until C has answered, whatever panics meanwhile; it is given back if C has.
    fn request(&mut self, kept: Kept, readable: &[Part], writable: &[Part]) -> Result<(u32, Option<Kept>)> {
        let (r, w, mut written) = (count(readable.len())?, count(writable.len())?, 0);
        let mut all = lock(&self.buffers);
        all.0 += 1;
        let token = all.0;
        all.1.insert(token, kept);
        drop(all);
        // SAFETY: viommu_virtio_request(): "One at a time per handle": call(); parts are as Part::new() wants them.
        let result = self.call(|iommu| unsafe {
            let (from, to) = (readable.as_ptr().cast(), writable.as_ptr().cast());
            sys::viommu_virtio_request(iommu, from, r, to, w, token, &mut written)
        });
        let (progress, mut all) = (progress(result), lock(&self.buffers));
        if progress == Ok(Progress::Pending) {
            if let Some(kept) = all.1.get_mut(&token) {
                kept.used = kept.used.min(written as usize);
            }
            return Ok((written, None));
        }
        let kept = all.1.remove(&token);
        progress.map(|_| (written, kept))
    }
    /// Describes an endpoint, before the guest runs.
    pub fn virtio_set_endpoint(&mut self, device: &Device, endpoint: &Endpoint<'_>) -> Result<()> {
        device.behind(&self.inner)?;
        // SAFETY: viommu_virtio_set_endpoint(): "One at a time per handle": call(); copied.
        done(self.call(|_| unsafe { sys::viommu_virtio_set_endpoint(device.raw(), &endpoint.raw()) }))
    }
}

unsafe extern "C" fn on_complete(o: *mut c_void, token: u64) {
    // SAFETY: given() of callbacks that the IOMMU keeps.
    let inner = unsafe { &*(o as *const Inner) };
    let kept = lock(&inner.buffers).1.remove(&token);
    if let (Some(kept), Some(complete)) = (kept, &inner.host.complete) {
        guarded((), || complete(kept.token, &kept.to[..kept.used]))
    }
}
