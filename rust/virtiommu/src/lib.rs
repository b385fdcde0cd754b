// SPDX-License-Identifier: BSD-3-Clause
//! libvirtiommu: IOMMUs for virtual machine monitors, safely. tests/ shows how it is used.
//!
//! What keeps it sound:
//!
//! - A handle holds by reference count whatever it stands on. So every order of drops is the one that the C library
//!   wants; what C cannot free at the moment is freed by the next call on the [`Registers`], or with the IOMMU.
//! - "One at a time per handle" is `&mut self`, or `&self` of a type that is not `Sync`. What is one at a time
//!   *together with the registers* is a method of [`Registers`], of which there is one for each IOMMU.
//! - A section is a guard that borrows its channel or device, and host pointers borrow the guard. A guard that was
//!   forgotten leaves the section open: the guest waits, and nothing is used that it has taken back.
//! - Guest memory belongs to the [`Vm`] until no section can be using it any more.
//! - No panic of a callback crosses C: see [`panics`].
//!
//! Names are those of the C interface, whose headers say more: `viommu_dma_read()` is [`Channel::read`].
#![deny(unsafe_op_in_unsafe_fn, missing_docs)]
#![warn(clippy::undocumented_unsafe_blocks)]
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::MutexGuard;

pub use virtiommu_sys as sys;

#[macro_use]
mod macros;
mod channel;
mod device;
mod dirty;
mod dma;
mod engines;
mod error;
mod handle;
mod iommu;
mod irq;
mod its;
mod listener;
mod nesting;
mod rvic;
mod tce;
mod vhost;
mod views;
mod virtio;
mod vm;
#[cfg(feature = "vm-memory")]
mod vm_memory;

pub use channel::*;
pub use device::*;
pub use dirty::*;
pub use dma::*;
pub use engines::*;
pub use error::*;
pub use iommu::*;
pub use irq::*;
pub use its::*;
pub use listener::*;
pub use nesting::*;
pub use rvic::*;
pub use tce::*;
pub use vhost::*;
pub use views::*;
pub use virtio::*;
pub use vm::*;

// What else modules of this crate say to each other: `use crate::*`.
pub(crate) use handle::*;
pub(crate) use std::ffi::{c_char, c_int, c_void, CStr};
pub(crate) use std::ops::Deref;
pub(crate) use std::ptr::{self, NonNull};
pub(crate) use std::sync::{Arc, Mutex, TryLockError, Weak};

/// Something that the library calls, from any thread; `None`: nothing.
pub type Callback<F> = Option<Box<F>>;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// How many callbacks have panicked in this process, or the drop of what they have captured.
///
/// A panic ends in the callback, and C is given the answer that is safe: memory that cannot be read or written, a
/// device that has *not* dropped what it was to drop. Where nothing is
/// safe (a page that was written is not noted) the process aborts.
pub fn panics() -> usize {
    PANICS.load(Ordering::Relaxed)
}

/// Runs a callback; `instead` is C's answer if it panics.
pub(crate) fn guarded<R>(instead: R, f: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        instead
    })
}

/// Runs a callback that has no answer which would be safe.
pub(crate) fn vital<R>(_none: R, f: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| std::process::abort())
}

/// The locks of this crate guard lists only, which a panic leaves whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
