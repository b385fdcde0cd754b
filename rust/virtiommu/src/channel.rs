// SPDX-License-Identifier: BSD-3-Clause
//! Channels, sections, and what a translation answers.
use crate::*;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering};

/// One thread's way to DMA as (device, PASID), with a cache of its own: it may move to another thread, and is not
/// shared. Its DMA functions are in dma.rs.
pub struct Channel {
    pub(crate) raw: Alone<sys::viommu_channel, Arc<DeviceInner>>,
    pasid: u32,
    pub(crate) access: Access,
}

impl Device {
    /// Creates a channel.
    pub fn channel(&self, pasid: Option<u32>) -> Result<Channel> {
        let pasid = pasid_out(pasid);
        // SAFETY: viommu_channel_new(): "Any thread, any time".
        let new = |to: &mut _| unsafe { sys::viommu_channel_new(self.raw(), pasid, to) };
        Alone::new(self.0.clone(), channel_free, new).map(|raw| Channel { raw, pasid, access: Access(0) })
    }
}

impl Channel {
    pub(crate) fn call(&self, f: impl FnOnce(*mut sys::viommu_channel) -> c_int) -> c_int {
        self.raw.call(f)
    }
    /// Whether DMA claims privileged mode.
    pub fn set_privileged(&mut self, privileged: bool) {
        self.access = Access(if privileged { sys::VIOMMU_PRIV } else { 0 });
    }
    /// The device whose requests these are.
    pub fn device(&self) -> Device {
        Device(Arc::clone(&self.raw.keep))
    }
    /// As [`DeviceRef::explain`], with the channel's own cache.
    pub fn explain(&self, iova: u64, access: Access, step: impl FnMut(Step) -> bool) -> Result<Outcome> {
        let (request, flags) = (request(iova, 1, self.pasid, access)?, sys::VIOMMU_EXPLAIN_CACHES);
        // SAFETY: viommu_channel_explain(): "One at a time per handle": a channel is not Sync.
        explain(step, |f, o| self.call(|raw| unsafe { sys::viommu_channel_explain(raw, &request, flags, Some(f), o) }))
    }
}
sections! {
    /// An open section: as long as it lives, the guest is not told that an invalidation is complete which concerns what
    /// was looked up in it. It has the functions of its channel. Sections are short: one transfer, or a burst.
    Section of Channel(viommu_channel, |_, _| ()) = viommu_enter, viommu_leave, viommu_channel_free as channel_free
}

/// An open section of a device, for any thread: several may be open, and overlap.
pub struct DeviceSection<'d> {
    device: &'d DeviceRef,
    section: sys::viommu_section,
}
// SAFETY: viommu_device_enter(): "it may be moved, and closed by another thread"; it is closed by drop() only.
unsafe impl Send for DeviceSection<'_> {}
// SAFETY: viommu_device_translate(): "Any thread, any time"; nothing else is done with a shared one.
unsafe impl Sync for DeviceSection<'_> {}
impl DeviceRef {
    /// Opens a section, for callers that translate without a channel.
    pub fn enter(&self) -> Result<DeviceSection<'_>> {
        let mut section = sys::viommu_section::default();
        // SAFETY: viommu_device_enter(): "Any thread, any time".
        done(unsafe { sys::viommu_device_enter(self.raw(), &mut section) })?;
        Ok(DeviceSection { device: self, section })
    }
}
impl Drop for DeviceSection<'_> {
    fn drop(&mut self) {
        // SAFETY: viommu_device_leave(): "Any thread, any time; one at a time per section".
        unsafe { sys::viommu_device_leave(&mut self.section) };
    }
}

/// A range in one piece of guest memory. The guest writes there at any time, and so there are no references to it:
/// bytes are copied.
#[derive(Clone, Copy)]
pub struct HostSlice<'s> {
    base: *mut u8,
    bytes: u64,
    readable: bool,
    writable: bool,
    _section: PhantomData<&'s ()>,
}
impl<'s> HostSlice<'s> {
    /// # Safety
    /// There are so many bytes at base, mapped for as long as `'s`.
    pub(crate) unsafe fn new(base: *mut u8, bytes: u64, readable: bool, writable: bool) -> HostSlice<'s> {
        HostSlice { base, bytes, readable, writable, _section: PhantomData }
    }
    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// For system calls such as preadv(2): valid as long as what it came from.
    pub fn as_ptr(&self) -> *mut u8 {
        self.base
    }
    fn room(&self, offset: u64, wanted: usize, permitted: bool) -> usize {
        if !permitted || offset >= self.bytes {
            return 0;
        }
        wanted.min(usize::try_from(self.bytes - offset).unwrap_or(usize::MAX))
    }
    /// Copies from guest memory: how many bytes.
    pub fn read(&self, offset: u64, to: &mut [u8]) -> usize {
        let bytes = self.room(offset, to.len(), self.readable);
        // SAFETY: room() has bounded it; see new().
        unsafe { copy(self.base.add(offset as usize * usize::from(bytes > 0)), to.as_mut_ptr(), bytes) };
        bytes
    }
    /// Copies to guest memory: how many bytes.
    pub fn write(&self, offset: u64, from: &[u8]) -> usize {
        let bytes = self.room(offset, from.len(), self.writable);
        // SAFETY: room() has bounded it; see new(). `from` is only read.
        unsafe { copy(from.as_ptr() as *mut u8, self.base.add(offset as usize * usize::from(bytes > 0)), bytes) };
        bytes
    }
}

/// Copies by relaxed atomic accesses, since others write there: words where both sides are aligned.
///
/// # Safety
/// Both are valid for so many bytes.
unsafe fn copy(from: *mut u8, to: *mut u8, bytes: usize) {
    let mut at = 0;
    while at < bytes {
        // SAFETY: at + 8 <= bytes and both are aligned, or at < bytes. What is not guest memory is the caller's alone.
        unsafe {
            let (f, t) = (from.add(at), to.add(at));
            if bytes - at >= 8 && (f as usize | t as usize) % 8 == 0 {
                let word = (*f.cast::<AtomicU64>()).load(Ordering::Relaxed);
                (*t.cast::<AtomicU64>()).store(word, Ordering::Relaxed);
                at += 8;
            } else {
                (*t.cast::<AtomicU8>()).store((*f.cast::<AtomicU8>()).load(Ordering::Relaxed), Ordering::Relaxed);
                at += 1;
            }
        }
    }
}

/// A contiguous piece of an answer.
#[repr(transparent)]
pub struct Fragment<'s>(sys::viommu_fragment, PhantomData<&'s ()>);
impl<'s> Fragment<'s> {
    /// First guest-physical address.
    pub fn gpa(&self) -> u64 {
        self.0.gpa
    }
    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.0.length
    }
    /// All that the tables grant.
    pub fn permission(&self) -> Access {
        Access(self.0.perm)
    }
    /// It may be written now: dirty is recorded.
    pub fn is_writable(&self) -> bool {
        self.permission().has(Access::WRITE) && self.0.flags & sys::VIOMMU_FRAGMENT_CLEAN == 0
    }
    /// Its memory, where a region has it, as long as the section is open.
    pub fn memory(&self) -> Option<HostSlice<'s>> {
        let readable = self.permission().has(Access::READ);
        // SAFETY: the library's pointer is good for that many bytes until the section is closed, which 's ends with.
        let memory = unsafe { HostSlice::new(self.0.host.cast(), self.0.length, readable, self.is_writable()) };
        (!self.0.host.is_null()).then_some(memory)
    }
}

/// Why an answer ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All is covered.
    All,
    /// The buffer was not enough, or 65536 pages have been looked at: go on from `next`.
    More,
    /// Refused at `next`, and recorded.
    Fault {
        /// The architecture's reason; 0: blocked.
        reason: u16,
        /// The device is not told of an error: reads are 0.
        zero: bool,
    },
    /// An interrupt message.
    Interrupt,
    /// Of a backend's [`Iotlb`](crate::Iotlb): it has been asked for. Of a [`View`](crate::View): the owner is to be.
    Missing,
    /// It waits for the guest: [`DeviceHost::resume`] will be called with this token.
    Stalled(u64),
}

/// What came of a request.
pub struct Answer<'s, 'b> {
    /// They cover everything before `next`.
    pub fragments: &'b [Fragment<'s>],
    /// First address that is not covered.
    pub next: u64,
    /// Why.
    pub end: End,
    /// The naturally aligned block of this size around the first address is translated alike.
    pub extent_lg2: u32,
}

/// A range that a device wants to access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// First address.
    pub iova: u64,
    /// How many.
    pub bytes: u64,
    /// What for.
    pub access: Access,
}

/// Room for fragments, used again from request to request.
pub struct Buffer(Vec<sys::viommu_fragment>);
// SAFETY: plain memory; pointers in it are used through Fragment only.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}
impl Buffer {
    /// Room for so many.
    pub fn new(fragments: usize) -> Buffer {
        Buffer(vec![sys::viommu_fragment::default(); fragments])
    }
}

pub(crate) fn request(iova: u64, bytes: u64, pasid: u32, access: Access) -> Result<sys::viommu_request> {
    let last = bytes.checked_sub(1).and_then(|more| iova.checked_add(more)).ok_or(Error::Invalid)?;
    let access = u16::try_from(access.0).map_err(|_| Error::Invalid)?;
    Ok(sys::viommu_request { first: iova, last, pasid, access, type_: sys::VIOMMU_AT_UNTRANSLATED as u16 })
}

/// Makes an answer of what `call` left in the buffer; its fragments are good for 's.
///
/// # Safety
/// `call` translates with a section open that lasts for 's.
pub(crate) unsafe fn answer<'s, 'b>(
    buffer: &'b mut Buffer, call: impl FnOnce(*mut sys::viommu_fragment, u32, &mut sys::viommu_answer) -> i32,
) -> Result<Answer<'s, 'b>> {
    let mut raw = sys::viommu_answer::default();
    let max = u32::try_from(buffer.0.len()).unwrap_or(u32::MAX);
    let outcome = check(call(buffer.0.as_mut_ptr(), max, &mut raw))?;
    told(&buffer.0[..raw.count as usize], &raw, outcome)
}

/// The same of a list: the answers of those that are covered, and of the first one that is not.
///
/// # Safety
/// As answer(); there is an answer of C's for each request.
pub(crate) unsafe fn answers<'s, 'b>(
    buffer: &'b mut Buffer, requests: &[Request], pasid: u32,
    call: impl FnOnce(
        *const sys::viommu_request,
        u32,
        *mut sys::viommu_fragment,
        u32,
        *mut sys::viommu_answer,
        &mut u32,
    ) -> i32,
) -> Result<Vec<Answer<'s, 'b>>> {
    let raw: Result<Vec<_>> = requests.iter().map(|r| request(r.iova, r.bytes, pasid, r.access)).collect();
    let (raw, mut done) = (raw?, 0);
    let mut answers = vec![sys::viommu_answer::default(); raw.len()];
    let (count, max) = (raw.len() as u32, u32::try_from(buffer.0.len()).unwrap_or(u32::MAX));
    let last = check(call(raw.as_ptr(), count, buffer.0.as_mut_ptr(), max, answers.as_mut_ptr(), &mut done))?;
    let (mut rest, answered) = (&buffer.0[..], done as usize + usize::from(last != Outcome::Done));
    let each = answers.iter().take(answered).enumerate();
    each.map(|(n, a)| {
        let (fragments, others) = rest.split_at(a.count as usize);
        rest = others;
        told(fragments, a, if n < done as usize { Outcome::Done } else { last })
    })
    .collect()
}

/// An answer in Rust's words; its fragments are the section's for 's.
pub(crate) fn told<'s, 'b>(
    fragments: &'b [sys::viommu_fragment], a: &sys::viommu_answer, outcome: Outcome,
) -> Result<Answer<'s, 'b>> {
    Ok(Answer {
        // SAFETY: Fragment is transparent; who calls this has a section open for 's.
        fragments: unsafe { std::slice::from_raw_parts(fragments.as_ptr().cast(), fragments.len()) },
        next: a.next,
        end: match outcome {
            Outcome::Done => End::All,
            Outcome::More => End::More,
            Outcome::Fault => End::Fault { reason: a.reason, zero: a.flags & sys::VIOMMU_ANSWER_ZERO != 0 },
            Outcome::Interrupt => End::Interrupt,
            Outcome::Stalled => End::Stalled(a.token),
            Outcome::Pending | Outcome::Missing => End::Missing,
            Outcome::Unreachable => return Err(Error::Internal),
        },
        extent_lg2: a.extent_lg2,
    })
}

translations!(Section<'_>: viommu_translate, viommu_translate_list);
impl DeviceSection<'_> {
    /// Translates a request with any PASID, with the shared TLB only.
    pub fn translate<'s, 'b>(
        &'s self, pasid: Option<u32>, iova: u64, bytes: u64, access: Access, buffer: &'b mut Buffer,
    ) -> Result<Answer<'s, 'b>> {
        let (raw, request) = (self.device.raw(), request(iova, bytes, pasid_out(pasid), access)?);
        // SAFETY: viommu_device_translate(): "Any thread, any time"; the section is open for 's.
        unsafe { answer(buffer, |to, max, a| sys::viommu_device_translate(raw, &request, to, max, a)) }
    }
}
