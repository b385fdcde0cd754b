// SPDX-License-Identifier: BSD-3-Clause
//! Doing the DMA: bytes and words at the addresses that a device uses.
use crate::*;

/// Why a DMA did not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The tables refused the address; recorded.
    Fault,
    /// It waits for the guest: ask again when `resume` is called.
    Stalled,
    /// The address is one of interrupts.
    Interrupt,
    /// Permitted, but there is no such memory.
    Unreachable,
    /// There was no room for more: what is mapped is mapped.
    More,
    /// A view does not know it: ask the owner, by [`ViewSection::request`](crate::ViewSection::request).
    Missing,
    /// Misuse.
    Error(Error),
}

/// A DMA that was not done, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How many bytes have been done.
    pub done: u64,
    /// Why no more.
    pub why: Why,
}
impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after {} bytes", self.why, self.done)
    }
}
impl std::error::Error for Refused {}

/// What DMA functions return.
pub type DmaResult<T> = std::result::Result<T, Refused>;

pub(crate) fn ended(result: c_int, done: u64) -> DmaResult<()> {
    let why = match check(result) {
        Ok(Outcome::Done) => return Ok(()),
        Ok(Outcome::Fault) => Why::Fault,
        Ok(Outcome::Stalled) => Why::Stalled,
        Ok(Outcome::Interrupt) => Why::Interrupt,
        Ok(Outcome::Unreachable) => Why::Unreachable,
        Ok(Outcome::More) => Why::More,
        Ok(Outcome::Missing) => Why::Missing,
        Ok(Outcome::Pending) => Why::Error(Error::Internal),
        Err(error) => return Err(Refused { done: 0, why: Why::Error(error) }),
    };
    Err(Refused { done, why })
}

/// A little-endian word that is loaded or stored in one access: `u8` to `u64`.
pub trait Word: Copy + Into<u64> + TryFrom<u64> + sealed::Sealed {}
mod sealed {
    pub trait Sealed {}
}
macro_rules! words { ($($word:ty)*) => { $(impl sealed::Sealed for $word {} impl Word for $word {})* } }
words!(u8 u16 u32 u64);

fn word<W: Word>(value: u64) -> DmaResult<W> {
    W::try_from(value).map_err(|_| Refused { done: 0, why: Why::Error(Error::Internal) })
}

/// DMA of a device as one PASID, from any thread.
#[derive(Clone, Copy)]
pub struct DeviceDma<'d> {
    pub(crate) device: &'d DeviceRef,
    pub(crate) pasid: u32,
    pub(crate) access: Access,
}
impl DeviceDma<'_> {
    /// The same, claiming privileged mode.
    pub fn privileged(self) -> Self {
        DeviceDma { access: Access::PRIV, ..self }
    }
}

/// A call of C's with what a way to DMA puts first.
macro_rules! passing {
    ($me:ident, ($($first:ident),+), $function:ident, $($argument:expr),+) => {
        // SAFETY: `call` keeps C's thread sentence; pointers are to as much as is said.
        $me.call(|$($first),+| unsafe { sys::$function($($first),+, $($argument),+) })
    };
}
/// The same functions for each way to DMA.
macro_rules! verbs {
    ($type:ty, $first:tt: $read:ident, $write:ident, $load:ident, $store:ident, $cmpxchg:ident) => {
        impl $type {
            /// Reads bytes.
            pub fn read(&self, iova: u64, to: &mut [u8]) -> DmaResult<()> {
                let (to, bytes, mut done) = (to.as_mut_ptr().cast(), to.len() as u64, 0);
                ended(passing!(self, $first, $read, iova, to, bytes, self.access.0, &mut done), done)
            }
            /// Writes bytes.
            pub fn write(&self, iova: u64, from: &[u8]) -> DmaResult<()> {
                let (from, bytes, mut done) = (from.as_ptr().cast(), from.len() as u64, 0);
                ended(passing!(self, $first, $write, iova, from, bytes, self.access.0, &mut done), done)
            }
            /// Loads a word (acquire).
            pub fn load<W: Word>(&self, iova: u64) -> DmaResult<W> {
                word(self.load_word(iova, std::mem::size_of::<W>())?)
            }
            pub(crate) fn load_word(&self, iova: u64, bytes: usize) -> DmaResult<u64> {
                let mut value = 0;
                let result = passing!(self, $first, $load, iova, bytes as u32, self.access.0, &mut value);
                ended(result, 0).map(|()| value)
            }
            /// Stores a word (release).
            pub fn store<W: Word>(&self, iova: u64, value: W) -> DmaResult<()> {
                self.store_word(iova, std::mem::size_of::<W>(), value.into())
            }
            pub(crate) fn store_word(&self, iova: u64, bytes: usize, value: u64) -> DmaResult<()> {
                ended(passing!(self, $first, $store, iova, bytes as u32, self.access.0, value), 0)
            }
            /// Compares a word of 4 or 8 bytes and stores another if it is equal: what was found.
            pub fn compare_exchange<W: Word>(&self, iova: u64, expected: W, desired: W) -> DmaResult<W> {
                let (bytes, mut found, desired) = (std::mem::size_of::<W>() as u32, expected.into(), desired.into());
                ended(passing!(self, $first, $cmpxchg, iova, bytes, self.access.0, &mut found, desired), 0)?;
                word(found)
            }
        }
    };
}
impl DeviceDma<'_> {
    fn call(&self, f: impl FnOnce(*mut sys::viommu_device, u32) -> c_int) -> c_int {
        f(self.device.raw(), self.pasid)
    }
    /// As [`Channel::map`].
    pub fn map(&self, iova: u64, bytes: u64, access: Access, parts: usize) -> DmaResult<Mapping> {
        let all = (access | self.access).0;
        // SAFETY: viommu_device_dma_map(): "Any thread, any time"; there is room for the parts.
        let map = |to: &mut _| {
            self.call(|raw, pasid| unsafe { sys::viommu_device_dma_map(raw, pasid, iova, bytes, all, to) })
        };
        Mapping::new(self.device.keep()?, access, parts, map)
    }
}
impl Channel {
    /// Maps a range for direct access, in at most so many parts, until the [`Mapping`] is dropped. What could not be mapped
    /// is said by [`Mapping::rest`]; an error if nothing could.
    pub fn map(&self, iova: u64, bytes: u64, access: Access, parts: usize) -> DmaResult<Mapping> {
        let all = (access | self.access).0;
        // SAFETY: viommu_dma_map(): "One at a time per handle": call(); there is room for the parts.
        let map = |to: &mut _| self.call(|raw| unsafe { sys::viommu_dma_map(raw, iova, bytes, all, to) });
        Mapping::new(Arc::clone(&self.raw.keep), access, parts, map)
    }
}
verbs!(
    Channel, (raw):
    viommu_dma_read, viommu_dma_write, viommu_dma_load, viommu_dma_store, viommu_dma_cmpxchg
);
verbs!(
    DeviceDma<'_>, (raw, pasid): viommu_device_dma_read, viommu_device_dma_write, viommu_device_dma_load,
    viommu_device_dma_store, viommu_device_dma_cmpxchg
);
verbs!(
    View, (raw):
    viommu_view_dma_read, viommu_view_dma_write, viommu_view_dma_load, viommu_view_dma_store, viommu_view_dma_cmpxchg
);

/// A range that is mapped for direct access: the guest is not told that a later invalidation is complete. When it is
/// dropped, all of it counts as written if it was mapped for that; see [`Mapping::unmap`].
pub struct Mapping {
    raw: sys::viommu_mapping,
    _parts: Box<[sys::viommu_part]>,
    _gpas: Box<[u64]>,
    access: Access,
    rest: Option<Why>,
    _device: Arc<DeviceInner>,
}
// SAFETY: viommu_dma_unmap(): "Any thread, one at a time per map"; nothing else is done with a shared one than reading
// the parts, which stay as they are.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}
impl Mapping {
    fn new(
        device: Arc<DeviceInner>, access: Access, parts: usize, call: impl FnOnce(&mut sys::viommu_mapping) -> c_int,
    ) -> DmaResult<Mapping> {
        let mut of = vec![sys::viommu_part::default(); parts].into_boxed_slice();
        let mut gpas = vec![0u64; parts].into_boxed_slice();
        let (max, parts) = (u32::try_from(parts).unwrap_or(u32::MAX), of.as_mut_ptr());
        let raw = sys::viommu_mapping { parts, gpas: gpas.as_mut_ptr(), max, ..Default::default() };
        let mut map = Mapping { raw, _parts: of, _gpas: gpas, access, rest: None, _device: device };
        if let Err(refused) = ended(call(&mut map.raw), map.raw.bytes) {
            if map.raw.bytes == 0 {
                return Err(refused);
            }
            map.rest = Some(refused.why);
        }
        Ok(map)
    }
    /// How many bytes are mapped, from the first one on.
    pub fn bytes(&self) -> u64 {
        self.raw.bytes
    }
    /// Why not all of it is mapped.
    pub fn rest(&self) -> Option<Why> {
        self.rest
    }
    /// The parts, in order, each with its guest-physical address.
    pub fn parts(&self) -> impl Iterator<Item = (u64, HostSlice<'_>)> {
        (0..self.raw.count as usize).map(|n| {
            // SAFETY: C has written so many parts, which are mapped as long as the section is open: longer than &self.
            unsafe {
                let (part, gpa) = (*self.raw.parts.add(n), *self.raw.gpas.add(n));
                let (read, write) = (self.access.has(Access::READ), self.access.has(Access::WRITE));
                (gpa, HostSlice::new(part.base.cast(), part.bytes, read, write))
            }
        })
    }
    /// Ends it: so many bytes have been written, from the first one on.
    pub fn unmap(mut self, written: u64) -> Result<()> {
        self.close(written)
    }
    fn close(&mut self, written: u64) -> Result<()> {
        // SAFETY: viommu_dma_unmap(): "Any thread, one at a time per map": `&mut self`.
        done(unsafe { sys::viommu_dma_unmap(&mut self.raw, written) })
    }
}
impl Drop for Mapping {
    fn drop(&mut self) {
        let written = if self.access.has(Access::WRITE) { self.raw.bytes } else { 0 };
        let _ = self.close(written);
    }
}
