// SPDX-License-Identifier: BSD-3-Clause
//! Which guest memory devices write, for migration.
use crate::*;

/// A record of the pages that devices write, until it is dropped.
pub struct Dirty {
    held: Held<sys::viommu_dirty, ()>,
    words: usize,
}
impl Iommu {
    /// Begins to note writes to pages of `[first, last]`, both ends whole pages: of one device, or of all.
    pub fn dirty(&self, device: Option<&Device>, first: u64, last: u64) -> Result<Dirty> {
        let of = device.map_or(ptr::null_mut(), |device| device.raw());
        // SAFETY: viommu_dirty_start(): "Any thread, any time"; it keeps the device from being freed.
        let raw = made(|to| unsafe { sys::viommu_dirty_start(self.raw(), of, first, last, to) })?;
        let pages = (last - first) / u64::from(sys::VIOMMU_DIRTY_PAGE) + 1;
        Ok(Dirty {
            held: Held::new(raw, Arc::new(()), self.0.clone(), sys::viommu_dirty_stop),
            words: pages.div_ceil(64) as usize,
        })
    }
}
impl Dirty {
    /// Words of a bitmap.
    pub fn words(&self) -> usize {
        self.words
    }
    /// Sets the bits of pages that were noted since the last time. Copy no page before it has answered
    /// [`Outcome::Done`]: [`Outcome::More`]: call again; [`Outcome::Pending`]: a section is open, `work` says when. Not
    /// with a section of this thread's open.
    pub fn collect(&mut self, bitmap: &mut [u64]) -> Result<Outcome> {
        (bitmap.len() >= self.words).then_some(()).ok_or(Error::NoSpace)?;
        let to = bitmap.as_mut_ptr();
        // SAFETY: viommu_dirty_collect(): "One at a time per handle": `&mut self`; there is a bit for each page.
        check(self.held.call(|raw| unsafe { sys::viommu_dirty_collect(raw, to) }))
    }
}
