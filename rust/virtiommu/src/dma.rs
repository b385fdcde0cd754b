// SPDX-License-Identifier: BSD-3-Clause
//! Doing the DMA: bytes and words at the addresses that a device uses.
use crate::device::DeviceInner;
use crate::error::{check, identity};
use crate::{sys, Access, Channel, DeviceRef, Error, HostSlice, Outcome, Section, View};
use std::ffi::c_int;
use std::sync::Arc;

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
pub type DmaResult<T> = Result<T, Refused>;

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

/// The same functions for each way to DMA: what C wants first, and its thread sentence.
macro_rules! verbs {
    ($type:ty, $me:ident: $receiver:ty, ($($first:expr),+), $access:expr, $settle:expr,
     $read:ident, $write:ident, $load:ident, $store:ident, $cmpxchg:ident) => {
        impl $type {
            /// Reads bytes.
            pub fn read(self: $receiver, iova: u64, to: &mut [u8]) -> DmaResult<()> {
                let ($me, mut done) = (self, 0);
                // SAFETY: the thread sentence is kept where this macro is used; `to` has that many bytes.
                let result = unsafe {
                    sys::$read($($first),+, iova, to.as_mut_ptr().cast(), to.len() as u64, $access, &mut done)
                };
                ended($settle(result), done)
            }
            /// Writes bytes.
            pub fn write(self: $receiver, iova: u64, from: &[u8]) -> DmaResult<()> {
                let ($me, mut done) = (self, 0);
                // SAFETY: as read().
                let result = unsafe {
                    sys::$write($($first),+, iova, from.as_ptr().cast(), from.len() as u64, $access, &mut done)
                };
                ended($settle(result), done)
            }
            /// Loads a word (acquire).
            pub fn load<W: Word>(self: $receiver, iova: u64) -> DmaResult<W> {
                let ($me, mut value, bytes) = (self, 0, std::mem::size_of::<W>() as u32);
                // SAFETY: as read().
                ended($settle(unsafe { sys::$load($($first),+, iova, bytes, $access, &mut value) }), 0)?;
                word(value)
            }
            /// Stores a word (release).
            pub fn store<W: Word>(self: $receiver, iova: u64, value: W) -> DmaResult<()> {
                let ($me, bytes) = (self, std::mem::size_of::<W>() as u32);
                // SAFETY: as read().
                ended($settle(unsafe { sys::$store($($first),+, iova, bytes, $access, value.into()) }), 0)
            }
            /// Compares a word of 4 or 8 bytes and stores another if it is equal: what was found.
            pub fn compare_exchange<W: Word>(self: $receiver, iova: u64, expected: W, desired: W) -> DmaResult<W> {
                let ($me, mut found, bytes) = (self, expected.into(), std::mem::size_of::<W>() as u32);
                // SAFETY: as read().
                ended($settle(unsafe { sys::$cmpxchg($($first),+, iova, bytes, $access, &mut found, desired.into()) }), 0)?;
                word(found)
            }
        }
    };
}
/// The same of a map, and what it keeps.
macro_rules! maps {
    ($type:ty, $me:ident: $receiver:ty, ($($first:expr),+), $access:expr, $owner:expr, $map:ident) => {
        impl $type {
            /// Maps a range for direct access, in at most so many parts, until the [`Mapping`] is dropped. What could
            /// not be mapped is said by [`Mapping::rest`]; an error if nothing could.
            pub fn map(self: $receiver, iova: u64, bytes: u64, access: Access, parts: usize) -> DmaResult<Mapping> {
                let $me = self;
                let mut map = Mapping::new($owner, access, parts);
                // SAFETY: as read(); there is room for the parts.
                let result =
                    unsafe { sys::$map($($first),+, iova, bytes, access.0 | $access, &mut map.raw) };
                map.mapped(result)
            }
        }
    };
}

// viommu_dma_*(): "One at a time per handle": `&mut self`.
verbs!(
    Channel, me: &mut Self, (me.raw.get()), me.access.0, identity,
    viommu_dma_read, viommu_dma_write, viommu_dma_load, viommu_dma_store, viommu_dma_cmpxchg
);
maps!(Channel, me: &mut Self, (me.raw.get()), me.access.0, me.device.clone(), viommu_dma_map);
// The same: a section has the channel, and is not Sync.
verbs!(
    Section<'_>, me: &Self, (me.channel.raw.get()), me.channel.access.0, identity,
    viommu_dma_read, viommu_dma_write, viommu_dma_load, viommu_dma_store, viommu_dma_cmpxchg
);
maps!(Section<'_>, me: &Self, (me.channel.raw.get()), me.channel.access.0, me.channel.device.clone(), viommu_dma_map);
// viommu_device_dma_*(): "Any thread, any time".
verbs!(
    DeviceDma<'_>, me: &Self, (me.device.raw(), me.pasid), me.access.0, identity,
    viommu_device_dma_read, viommu_device_dma_write, viommu_device_dma_load, viommu_device_dma_store,
    viommu_device_dma_cmpxchg
);
maps!(DeviceDma<'_>, me: &Self, (me.device.raw(), me.pasid), me.access.0, me.device.keep()?, viommu_device_dma_map);

// viommu_view_dma_*(): "One at a time per handle": a view is not Sync, and calls nothing back.
verbs!(
    View, me: &Self, (me.raw.get()), me.access.0, |result| me.settle(result),
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
    fn new(device: Arc<DeviceInner>, access: Access, parts: usize) -> Mapping {
        let mut of = vec![sys::viommu_part::default(); parts].into_boxed_slice();
        let mut gpas = vec![0u64; parts].into_boxed_slice();
        let raw = sys::viommu_mapping {
            parts: of.as_mut_ptr(),
            gpas: gpas.as_mut_ptr(),
            max: u32::try_from(parts).unwrap_or(u32::MAX),
            ..Default::default()
        };
        Mapping { raw, _parts: of, _gpas: gpas, access, rest: None, _device: device }
    }
    fn mapped(mut self, result: c_int) -> DmaResult<Mapping> {
        if let Err(refused) = ended(result, self.raw.bytes) {
            if self.raw.bytes == 0 {
                return Err(refused);
            }
            self.rest = Some(refused.why);
        }
        Ok(self)
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
    pub fn unmap(mut self, written: u64) -> crate::Result<()> {
        self.close(written)
    }
    fn close(&mut self, written: u64) -> crate::Result<()> {
        // SAFETY: viommu_dma_unmap(): "Any thread, one at a time per map": `&mut self`.
        crate::error::done(unsafe { sys::viommu_dma_unmap(&mut self.raw, written) })
    }
}
impl Drop for Mapping {
    fn drop(&mut self) {
        let written = if self.access.has(Access::WRITE) { self.raw.bytes } else { 0 };
        let _ = self.close(written);
    }
}
