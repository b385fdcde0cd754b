// SPDX-License-Identifier: BSD-3-Clause
//! Translations in another process: the owner's record of a view, and the view of a device process.
use crate::*;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the owner has the window of a device: map so many bytes of it, and no others, read-only into the process;
/// `device` is for [`View::new`].
pub use crate::sys::viommu_window as Window;

/// Room for the longest message, in either direction.
pub const VIEW_MESSAGE_BYTES: usize = sys::VIOMMU_VIEW_MESSAGE_BYTES as usize;

/// A view's section in a page.
fn section_at(page: &dyn HostMemory, offset: u64) -> Result<NonNull<c_void>> {
    let end = offset.checked_add(sys::VIOMMU_VIEW_SECTION_BYTES.into()).ok_or(Error::Invalid)?;
    (end <= page.bytes()).then_some(()).ok_or(Error::Invalid)?;
    // SAFETY: it lies in the page.
    Ok(unsafe { NonNull::new_unchecked(page.host().as_ptr().add(offset as usize)).cast() })
}

config! {
    /// What the owner knows of a view; `flags`: `sys::VIOMMU_VIEWER_PRIV`.
    ViewerConfig = viommu_viewer_config { flags: u32, requests: u32, deadline: u64 }
}
callbacks! {
    /// What the owner is told of a view.
    ViewerHost: viewer_on of viommu_viewer_config {
        /// A section has held somebody back for longer than the deadline. Nothing is completed by it, nor by a panic: stop
        /// the process, then [`Viewer::revoke`], not from inside.
        expired() guarded;
    }
}
thread_local! {
    static IN_EXPIRED: Cell<bool> = const { Cell::new(false) };
}
/// Inside of it nothing is revoked.
fn marked(expired: Box<dyn Fn() + Send + Sync>) -> Box<dyn Fn() + Send + Sync> {
    Box::new(move || {
        let outer = IN_EXPIRED.replace(true);
        guarded((), &expired);
        IN_EXPIRED.set(outer);
    })
}

struct Record {
    held: Held<sys::viommu_viewer, (ViewerHost, Arc<dyn HostMemory>)>,
    revoked: AtomicBool,
}
impl Drop for Record {
    fn drop(&mut self) {
        if !*self.revoked.get_mut() {
            self.held.call(|raw| lock(&self.held.iommu.abandoned).push(Raw::new(raw)));
        }
    }
}

/// The owner's record of a view. Revoke it when the process has ended: if it is dropped before, nobody has promised that,
/// and what the process holds back stays held back until the IOMMU is gone.
#[derive(Clone)]
pub struct Viewer(Arc<Record>);
impl Registers {
    /// Notes a view of a device: from now on its section holds back completions of the device's partition, and its messages are
    /// answered. The section is in `page` at `offset`, zeroed, and not given to the process yet; it is only read here.
    pub fn viewer(
        &mut self, device: &Device, pasid: Option<u32>, page: Arc<dyn HostMemory>, offset: u64, config: &ViewerConfig,
        host: ViewerHost,
    ) -> Result<Viewer> {
        device.behind(&self.inner)?;
        let section = section_at(&*page, offset)?.as_ptr();
        let kept = Arc::new((ViewerHost { expired: host.expired.map(marked) }, page));
        let raw = sys::viommu_viewer_config { pasid: pasid_out(pasid), section, ..config.raw() };
        let raw = kept.0.given(raw);
        // SAFETY: viommu_viewer_new(): "One at a time per handle of the IOMMU": hold().
        let held = self
            .hold(kept, sys::viommu_viewer_free, |_, to| unsafe { sys::viommu_viewer_new(device.raw(), &raw, to) })?;
        Ok(Viewer(Arc::new(Record { held, revoked: AtomicBool::new(false) })))
    }
}
impl Viewer {
    /// Answers a message of the view: how many bytes of the reply are to be sent; 0: none.
    /// [`Error::Invalid`]: it is no message of a view, and whoever sends such a thing may be stopped.
    pub fn serve(&self, from: &[u8], reply: &mut [u8]) -> Result<usize> {
        let bytes = count(from.len())?;
        // SAFETY: viommu_serve(): "Any thread, any time"; both are as long as is said.
        written(reply, |to, max, length| {
            self.0.held.call(|raw| unsafe { sys::viommu_serve(raw, from.as_ptr().cast(), bytes, to, max, length) })
        })
    }
    /// Promises that the process can touch guest memory no more: it has been killed and waited for. What its section
    /// held back goes on. [`Error::Busy`]: from inside `expired`.
    pub fn revoke(&self) -> Result<()> {
        (!IN_EXPIRED.get()).then_some(()).ok_or(Error::Busy)?;
        // SAFETY: viommu_view_revoke(): "Any thread, any time", but not from inside `expired`.
        done(self.0.held.call(|raw| unsafe { sys::viommu_view_revoke(raw) }))?;
        self.0.revoked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

config! {
    /// How to create a view.
    ViewConfig = viommu_view_config { entries: u32, requests: u32 }
}

/// A view, in a device process. It may move to another thread, and is not shared. Nothing allocates or makes a system call
/// but `new`, `map`, `unmap`, `translate_list` and its drop, so that a filter may forbid that afterwards. It calls nothing back. DMA
/// functions open a section of their own; see [`View::wake`] for what is owed after one.
pub struct View {
    raw: Alone<sys::viommu_view, Memory>,
    pasid: u32,
    pub(crate) access: Access,
    /// A section has closed for which the owner may be waiting.
    owed: Cell<bool>,
}
/// What a view has of memory: what is mapped, the window, the section page.
struct Memory {
    mapped: Vec<(u64, Arc<dyn HostMemory>)>,
    _window: Arc<dyn HostMemory>,
    _page: Arc<dyn HostMemory>,
}
impl View {
    /// Creates a view of a window, all of it and no more, and of a section in a page that the process may write. `device` and
    /// `pasid` are the owner's.
    pub fn new(
        window: LibraryMemory, page: Arc<dyn HostMemory>, offset: u64, device: u64, pasid: Option<u32>,
        config: &ViewConfig,
    ) -> Result<View> {
        let (pasid, window) = (pasid_out(pasid), window.0);
        let config = sys::viommu_view_config {
            window: window.host().as_ptr().cast(),
            window_bytes: window.bytes(),
            section: section_at(&*page, offset)?.as_ptr(),
            device,
            pasid,
            ..config.raw()
        };
        let keep = Memory { mapped: vec![], _window: window, _page: page };
        // SAFETY: viommu_view_new(): "Any thread, any time"; the view keeps both memories.
        let raw = Alone::new(keep, view_free, |to| unsafe { sys::viommu_view_new(&config, to) })?;
        Ok(View { raw, pasid, access: Access(0), owed: Cell::new(false) })
    }
    /// One at a time: a view is not Sync. If the call has closed a section for which somebody may be waiting, that is kept
    /// for [`View::wake`].
    pub(crate) fn call(&self, f: impl FnOnce(*mut sys::viommu_view) -> c_int) -> c_int {
        self.settle(self.raw.call(f))
    }
    fn settle(&self, result: c_int) -> c_int {
        if result != sys::VIOMMU_PENDING {
            return result;
        }
        self.owed.set(true);
        sys::VIOMMU_OK
    }
    /// Whether DMA and copies claim privileged mode, which the owner has to permit.
    pub fn set_privileged(&mut self, privileged: bool) {
        self.access = Access(if privileged { sys::VIOMMU_PRIV } else { 0 });
    }
    /// Says where this process has guest memory mapped: a part of one of the owner's regions.
    pub fn map(&mut self, gpa: u64, memory: Arc<dyn HostMemory>, readonly: bool) -> Result<()> {
        self.leave();
        let region = region(gpa, &*memory, readonly);
        // SAFETY: viommu_view_map(): "One at a time per handle": `&mut self`; the view keeps the memory.
        done(self.call(|raw| unsafe { sys::viommu_view_map(raw, &region) }))?;
        self.raw.keep.mapped.push((gpa, memory));
        Ok(())
    }
    /// Takes that back, and drops the memory.
    pub fn unmap(&mut self, gpa: u64) -> Result<()> {
        self.leave();
        // SAFETY: viommu_view_unmap(): "One at a time per handle": `&mut self`, and no section is open.
        done(self.call(|raw| unsafe { sys::viommu_view_unmap(raw, gpa) }))?;
        self.raw.keep.mapped.retain(|m| m.0 != gpa);
        Ok(())
    }
    /// If a section has closed since the last time for which the owner may be waiting: the message that says so. How long
    /// it is; 0: nothing is to be sent. The owner sees it by itself, too, when it next looks.
    pub fn wake(&self, to: &mut [u8]) -> Result<usize> {
        if !self.owed.get() {
            return Ok(0);
        }
        // SAFETY: viommu_view_wake(): "One at a time per handle": a view is not Sync.
        let bytes = written(to, |to, max, n| self.call(|raw| unsafe { sys::viommu_view_wake(raw, to, max, n) }))?;
        self.owed.set(false);
        Ok(bytes)
    }
    /// Makes the message that has the owner read for this process, at most 4096 bytes: how long it is.
    pub fn request_read(&self, iova: u64, bytes: u32, to: &mut [u8]) -> Result<usize> {
        self.request_copy(iova, bytes, Access::READ, ptr::null(), to)
    }
    /// The same in the other direction.
    pub fn request_write(&self, iova: u64, from: &[u8], to: &mut [u8]) -> Result<usize> {
        let bytes = count(from.len())?;
        self.request_copy(iova, bytes, Access::WRITE, from.as_ptr(), to)
    }
    fn request_copy(&self, iova: u64, bytes: u32, access: Access, data: *const u8, to: &mut [u8]) -> Result<usize> {
        let access = (access | self.access).0;
        // SAFETY: viommu_view_request_copy(): "One at a time per handle": a view is not Sync; there is data for a write.
        written(to, |to, max, length| {
            self.call(|raw| unsafe {
                sys::viommu_view_request_copy(raw, iova, bytes, access, data.cast(), to, max, length)
            })
        })
    }
    /// Takes a reply.
    pub fn reply<'m>(&self, from: &'m [u8]) -> Result<Reply<'m>> {
        let mut raw = sys::viommu_view_answer::default();
        let (bytes, start) = (count(from.len())?, from.as_ptr() as usize);
        // SAFETY: viommu_view_reply(): "One at a time per handle": a view is not Sync; it is as long as is said.
        done(self.call(|view| unsafe { sys::viommu_view_reply(view, from.as_ptr().cast(), bytes, &mut raw) }))?;
        let at = (raw.data as usize).saturating_sub(start);
        let data = if raw.data.is_null() { &[] } else { &from[at..at + raw.done as usize] };
        // It may have been asked for in a section that has closed, so that nobody waits.
        raw.fragment.iter_mut().for_each(|f| f.host = ptr::null_mut());
        Ok(Reply { iova: raw.iova, outcome: check(raw.result), done: raw.done, data, raw })
    }
}
sections! {
    /// An open section of a view; as [`Section`], with the functions of the view. When it is closed the owner may be waiting
    /// for that: [`View::wake`].
    ViewSection of View(viommu_view, View::settle)
        = viommu_view_enter, viommu_view_leave, viommu_view_free as view_free
}

/// What the owner has replied.
pub struct Reply<'m> {
    /// The first address that was asked for.
    pub iova: u64,
    /// What has come of it. [`Error::Limit`]: the owner has not looked at it.
    pub outcome: Result<Outcome>,
    /// Of a copy: how many bytes.
    pub done: u64,
    /// Of a copy that reads: these.
    pub data: &'m [u8],
    raw: sys::viommu_view_answer,
}
impl Reply<'_> {
    /// Of a translation: as if it had been made here, but without memory. If the section is still open in which it was asked
    /// for, it is known now: translate again.
    pub fn answer(&self) -> Result<Answer<'_, '_>> {
        told(&self.raw.fragment[..self.raw.count as usize], &self.raw.answer, self.outcome?)
    }
    /// Of a copy: as if it had been made here.
    pub fn copied(&self) -> DmaResult<()> {
        ended(self.raw.result, self.done)
    }
}

// As far as it is known here. End::Missing: the owner is to be asked, from `next` on.
translations!(ViewSection<'_>: viommu_view_translate, viommu_view_translate_list);
impl ViewSection<'_> {
    /// Makes the message that asks the owner for a translation: how long it is. Take the reply in this section: what it says
    /// is then known until the section is closed, even if it could not be cached.
    pub fn request(&self, iova: u64, bytes: u64, access: Access, to: &mut [u8]) -> Result<usize> {
        let request = request(iova, bytes, self.pasid, access)?;
        // SAFETY: viommu_view_request(): "One at a time per handle": a section is not Sync.
        written(to, |to, max, n| self.call(|raw| unsafe { sys::viommu_view_request(raw, &request, to, max, n) }))
    }
}
