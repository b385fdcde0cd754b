// SPDX-License-Identifier: BSD-3-Clause
//! Device IOTLBs of vhost and vhost-user: the VMM's side, the device's side, and the messages between them.
use crate::*;
use std::marker::PhantomData;

/// A message, decoded; `type_`: `sys::VIOMMU_IOTLB_*`.
pub use crate::sys::viommu_iotlb_msg as IotlbMessage;
/// What a connection has done.
pub use crate::sys::viommu_vhost_statistics as VhostStatistics;

/// Forms of a message on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum IotlbForm {
    /// The kernel's `struct vhost_msg`.
    V1 = sys::VIOMMU_IOTLB_FORM_V1,
    /// The kernel's `struct vhost_msg_v2`.
    V2 = sys::VIOMMU_IOTLB_FORM_V2,
    /// A vhost-user payload.
    User = sys::VIOMMU_IOTLB_FORM_USER,
}
impl IotlbForm {
    /// Encodes a message.
    pub fn encode(self, message: &IotlbMessage) -> Result<Vec<u8>> {
        let mut to = vec![0u8; sys::VIOMMU_IOTLB_BYTES_MAX as usize];
        // SAFETY: viommu_iotlb_encode(): "Any thread, any time"; there is room.
        let bytes =
            written(&mut to, |to, max, n| unsafe { sys::viommu_iotlb_encode(message, self as u32, to, max, n) })?;
        to.truncate(bytes);
        Ok(to)
    }
    /// Decodes a message of an untrusted peer.
    pub fn decode(self, from: &[u8]) -> Result<IotlbMessage> {
        let (mut message, bytes) = (IotlbMessage::default(), count(from.len())?);
        // SAFETY: viommu_iotlb_decode(): "Any thread, any time"; `from` has that many bytes.
        done(unsafe { sys::viommu_iotlb_decode(self as u32, from.as_ptr().cast(), bytes, &mut message) })?;
        Ok(message)
    }
}

config! {
    /// How to create a device IOTLB.
    IotlbConfig = viommu_iotlb_config { ranges: u32, misses: u32 }
}
callbacks! {
    /// What a device IOTLB asks of its backend.
    IotlbHost: iotlb_on of viommu_iotlb_config {
        /// A translation is missing, or lacks a permission: send a miss. From lookups.
        miss(iova: u64, access: u32) => (u64 = iova, Access = Access(access)) guarded;
        /// [`Iotlb::synced`] may be done now. When a section is closed.
        work() guarded;
    }
}

/// Memory of the VMM's at its address there.
type Shared = (u64, Arc<dyn HostMemory>);
struct Backend {
    _host: Arc<IotlbHost>,
    /// What the VMM has shared, and what it had and may still be in use.
    memory: Mutex<(Vec<Shared>, Vec<Shared>)>,
}
type IotlbInner = Owned<sys::viommu_iotlb, Backend>;

/// What a backend has of the VMM's IOMMU, for the thread that takes the VMM's messages.
pub struct Iotlb {
    inner: Arc<IotlbInner>,
    _not_sync: OneThread,
}
impl Iotlb {
    /// Creates a device IOTLB.
    pub fn new(config: &IotlbConfig, host: IotlbHost) -> Result<Iotlb> {
        let host = Arc::new(host);
        let raw = host.given(config.raw());
        let keep = Backend { _host: host, memory: Mutex::default() };
        // SAFETY: viommu_iotlb_new(): "Any thread, any time"; callbacks are kept.
        let inner = Owned::new(keep, sys::viommu_iotlb_free, |to| unsafe { sys::viommu_iotlb_new(&raw, to) })?;
        Ok(Iotlb { inner: Arc::new(inner), _not_sync: PhantomData })
    }
    /// The VMM shares other memory: at which of its addresses, and which. What was known is forgotten; the memory of
    /// before is dropped when [`Iotlb::synced`] is done.
    pub fn set_memory(&mut self, memory: Vec<(u64, Arc<dyn HostMemory>)>) -> Result<Progress> {
        let _ = self.invalidate(0, u64::MAX)?;
        let mut all = lock(&self.inner.keep.memory);
        let old = std::mem::replace(&mut all.0, memory);
        all.1.extend(old);
        drop(all);
        self.synced()
    }
    /// Acts upon a message of the VMM's. [`Progress::Pending`]: acknowledge it when [`Iotlb::synced`] is done.
    pub fn take(&mut self, message: &IotlbMessage) -> Result<Progress> {
        let last = message.size.checked_sub(1).and_then(|more| message.iova.checked_add(more));
        match u32::from(message.type_) {
            sys::VIOMMU_IOTLB_UPDATE => self.update(message, last.ok_or(Error::Invalid)?).map(|()| Progress::Done),
            sys::VIOMMU_IOTLB_INVALIDATE => self.invalidate(message.iova, last.ok_or(Error::Invalid)?),
            sys::VIOMMU_IOTLB_BATCH_BEGIN | sys::VIOMMU_IOTLB_BATCH_END => Ok(Progress::Done),
            _ => Err(Error::Invalid),
        }
    }
    fn update(&mut self, m: &IotlbMessage, last: u64) -> Result<()> {
        let all = lock(&self.inner.keep.memory);
        let inside = |memory: &&Shared| {
            let offset = m.uaddr.checked_sub(memory.0);
            offset.is_some_and(|offset| offset <= memory.1.bytes() && m.size <= memory.1.bytes() - offset)
        };
        let (base, memory) = all.0.iter().find(inside).ok_or(Error::NotFound)?;
        // SAFETY: the offset is inside. viommu_iotlb_insert(): "One at a time per handle": `&mut self`; the memory
        // stays until no section can be using it.
        done(unsafe {
            let host = memory.host().as_ptr().add((m.uaddr - base) as usize).cast();
            self.inner.call(|raw| sys::viommu_iotlb_insert(raw, m.iova, last, host, 0, m.perm.into()))
        })
    }
    /// Whether every section that was open at the last invalidation has closed.
    pub fn synced(&mut self) -> Result<Progress> {
        // SAFETY: viommu_iotlb_synced(): "One at a time per handle": `&mut self`.
        let progress = progress(self.inner.call(|raw| unsafe { sys::viommu_iotlb_synced(raw) }))?;
        if progress == Progress::Done {
            let gone = std::mem::take(&mut lock(&self.inner.keep.memory).1);
            drop(gone);
        }
        Ok(progress)
    }
    /// Creates a reader, for one queue thread.
    pub fn reader(&self) -> Result<IotlbReader> {
        // SAFETY: viommu_iotlb_reader_new(): "Any thread, any time".
        let new = |to: &mut _| self.inner.call(|iotlb| unsafe { sys::viommu_iotlb_reader_new(iotlb, to) });
        Alone::new(self.inner.clone(), reader_free, new).map(|raw| IotlbReader { raw })
    }
}
// "One at a time per handle": `&mut self`.
calls! { Iotlb, me: &mut Self => me.inner;
    /// Forgets `[first, last]`; [`Progress::Pending`]: acknowledge that when [`Iotlb::synced`] is done.
    invalidate(first: u64, last: u64) -> Result<Progress> = progress, viommu_iotlb_invalidate;
    /// The VMM has refused a miss, if there is a way to learn it.
    refused(iova: u64, access: Access => access.0) -> Result<()> = done, viommu_iotlb_refused;
}

/// One queue thread's way to look translations up. It may move to another thread.
pub struct IotlbReader {
    raw: Alone<sys::viommu_iotlb_reader, Arc<IotlbInner>>,
}
sections! {
    /// An open section of a reader; as [`Section`].
    IotlbSection of IotlbReader(viommu_iotlb_reader, |_, _| ())
        = viommu_iotlb_enter, viommu_iotlb_leave, viommu_iotlb_reader_free as reader_free
}
impl IotlbSection<'_> {
    /// Looks a range up. [`End::Missing`](crate::End::Missing): ask again when the VMM has answered.
    pub fn lookup<'s, 'b>(
        &'s self, iova: u64, bytes: u64, access: Access, buffer: &'b mut Buffer,
    ) -> Result<Answer<'s, 'b>> {
        let (first, last, access) = (iova, request(iova, bytes, sys::VIOMMU_NO_PASID, access)?.last, access.0);
        // SAFETY: viommu_iotlb_lookup(): "One at a time per handle": a section is not Sync; it is open for 's.
        unsafe {
            answer(buffer, |to, max, a| {
                self.raw.call(|raw| sys::viommu_iotlb_lookup(raw, first, last, access, to, max, a))
            })
        }
    }
}

config! {
    /// How to connect a backend.
    VhostConfig = viommu_vhost_config { asid: u32, reach: u64, ahead: u64, ranges: u32, deadline: u64 }
}
callbacks! {
    /// What a connection asks of the VMM.
    VhostHost: vhost_on of viommu_vhost_config {
        /// Sends a message. If an invalidation fails, or this panics, the connection is broken: the guest's
        /// invalidations do not complete until [`Vhost::fail`], or until it is dropped.
        send(message: *const IotlbMessage) => (&IotlbMessage = &*message) guarded -> Taken as c_int = Taken::raw, -1;
        /// A message was not acknowledged in time: stop the backend, then [`Vhost::fail`].
        expired() guarded;
    }
}
/// A backend's connection to an IOMMU. When the last clone is dropped the backend must not use any more what it was sent.
#[derive(Clone)]
pub struct Vhost(Arc<(Held<sys::viommu_vhost, VhostHost>, Mutex<()>)>);
impl Registers {
    /// Connects a backend to a device behind the IOMMU.
    pub fn vhost(
        &mut self, device: &Device, pasid: Option<u32>, config: &VhostConfig, host: VhostHost,
    ) -> Result<Vhost> {
        device.behind(&self.inner)?;
        let host = Arc::new(host);
        let raw = sys::viommu_vhost_config { pasid: pasid_out(pasid), ..config.raw() };
        let raw = host.given(raw);
        // SAFETY: viommu_vhost_new(): "One at a time per handle of the IOMMU": hold().
        let held =
            self.hold(host, sys::viommu_vhost_free, |_, to| unsafe { sys::viommu_vhost_new(device.raw(), &raw, to) })?;
        Ok(Vhost(Arc::new((held, Mutex::new(())))))
    }
}
impl Vhost {
    /// Answers a miss; [`Outcome::Fault`](crate::Outcome::Fault): refused and recorded. [`Error::Busy`]: it is being
    /// answered another one, ask again.
    pub fn miss(&self, iova: u64, access: Access) -> Result<Outcome> {
        let _alone = match self.0 .1.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(Error::Busy),
            other => other,
        };
        // SAFETY: viommu_vhost_miss(): "One at a time per handle": under the lock.
        check(self.0 .0.call(|raw| unsafe { sys::viommu_vhost_miss(raw, iova, access.0) }))
    }
}
// "Any thread, any time".
calls! { Vhost, me: &Self => me.0 .0;
    /// The backend has acted upon so many more messages.
    acknowledged(count: u32) -> Result<()> = done, viommu_vhost_acknowledged;
    /// Invalidates what the backend has of guest memory: after `Vm::remove_region()`, before `Vm::quiesce()`.
    forget_gpa(first: u64, last: u64) -> Result<Progress> = progress, viommu_vhost_forget_gpa;
    /// The backend is dead, and uses nothing any more.
    fail() -> Result<()> = done, viommu_vhost_fail;
    /// Its counters.
    statistics() -> Result<VhostStatistics> = fill(sized!(viommu_vhost_statistics)), viommu_vhost_get_statistics;
}
