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
use std::sync::{Mutex, MutexGuard};

pub use virtiommu_sys as sys;

mod channel;
mod device;
mod dma;
mod engines;
mod error;
mod iommu;
mod irq;
mod its;
mod listener;
mod rvic;
mod tce;
mod vhost;
mod virtio;
mod vm;

pub use channel::{Answer, Buffer, Channel, DeviceSection, End, Fragment, HostSlice, Request, Section};
pub use device::{
    Access, Device, DeviceConfig, DeviceRef, Invalidation, PageRequest, PageResponse, Resume, Step, Taken,
};
pub use dma::{DeviceDma, DmaResult, Mapping, Refused, Why, Word};
pub use engines::{AmdviConfig, AmdviMsi, RiscvConfig, Smmuv3Config, VtdConfig};
pub use error::{Error, Outcome, Progress, Result};
pub use iommu::{Host, Iommu, Limits, Registers, State, Statistics, Trace};
pub use irq::{Ioapic, IoapicConfig, IoapicHost, Message, PinMessage, Remapped, RouteState, Routes, RoutesRef};
pub use irq::{RoutesStatistics, Sender, Source};
pub use its::{ItsConfig, ItsHost, Lpi, LpisConfig, LpisHost};
pub use listener::{Listener, ListenerHost, Mapped, Mode, Pasids};
pub use rvic::{Rvic, RvicConfig, RvicHost, Rvid, RvidHost};
pub use tce::{TceConfig, TceFault, TceHost, TcePe, TceRtas, TceWindow};
pub use vhost::{Iotlb, IotlbConfig, IotlbForm, IotlbHost, IotlbMessage, IotlbReader, IotlbSection};
pub use vhost::{Vhost, VhostConfig, VhostHost, VhostStatistics};
pub use virtio::{Endpoint, Part, Reserved, VirtioConfig, VirtioHost};
pub use vm::{HostMemory, MemoryCallbacks, Vm, VmConfig};

/// Something that the library calls, from any thread; `None`: nothing.
pub type Callback<F> = Option<Box<F>>;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// How many callbacks have panicked in this process.
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

/// Calls a callback where there is one.
macro_rules! tell {
    ($callback:expr $(, $argument:expr)*) => {
        if let Some(call) = &$callback {
            call($($argument),*)
        }
    };
}
pub(crate) use tell;

/// The first of some expressions: what a repetition has, or else a default.
macro_rules! first {
    ($first:expr $(, $rest:expr)* $(,)?) => {
        $first
    };
}
pub(crate) use first;

/// The last of one or two types.
macro_rules! last_type {
    ($c:ty) => {
        $c
    };
    ($c:ty, $rust:ty) => {
        $rust
    };
}
pub(crate) use last_type;

/// What C calls: a structure of closures, and in the module `$on` for each the function that C is given, whose `opaque`
/// is the structure or begins with it. An argument is passed as it is, or `=> type = conversion`. A result is
/// `-> Rust's as C's = conversion, what C is answered if there is a panic`.
macro_rules! callbacks {
    ($(#[$doc:meta])* $name:ident: $on:ident { $($(#[$fdoc:meta])*
        $field:ident($($arg:ident: $c:ty $(=> $rust:ty = $conv:expr)?),*) $guard:ident
        $(-> $ret:ty as $cret:ty = $back:expr, $instead:expr)?;)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub struct $name {
            $($(#[$fdoc])*
            pub $field: $crate::Callback<dyn Fn($($crate::last_type!($c $(, $rust)?)),*) $(-> $ret)? + Send + Sync>,)*
        }
        #[allow(unused_unsafe, clippy::undocumented_unsafe_blocks)]
        mod $on {
            use super::*;
            $(pub(super) unsafe extern "C" fn $field(o: *mut std::ffi::c_void $(, $arg: $c)*) $(-> $cret)? {
                // SAFETY: opaque() of callbacks that the handle keeps.
                let callbacks = unsafe { &*(o as *const $name) };
                let instead = $crate::first!($($instead,)? ());
                $crate::$guard(instead, || match &callbacks.$field {
                    // SAFETY: what C points to is there during the call.
                    Some(call) => $crate::first!($($back,)? std::convert::identity)(
                        call($(unsafe { $crate::first!($($conv,)? $arg) }),*)),
                    None => instead,
                })
            })*
        }
    };
}
pub(crate) use callbacks;

/// What C is given of callbacks: the function of each that there is.
macro_rules! given {
    ($callbacks:expr, $raw:expr, $on:ident { $($field:ident),* }) => {
        $(if $callbacks.$field.is_some() { $raw.$field = Some($on::$field); })*
    };
}
pub(crate) use given;

/// Methods that pass their arguments on to C's function, and its result to another. `fill` of a value: C writes it.
macro_rules! calls {
    ($type:ty, $receiver:ty; $($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty $(=> $conv:expr)?),*) -> $ret:ty
        = $after:ident $(($init:expr))?, $c:ident;)*) => {
        impl $type {
            $($(#[$doc])*
            pub fn $name(self: $receiver $(, $arg: $t)*) -> $ret {
                $crate::passed!(self, $c, $after $(($init))?, $($crate::first!($($conv,)? $arg)),*)
            })*
        }
    };
}
pub(crate) use calls;

/// Saving and restoring.
macro_rules! saves {
    ($type:ty, $receiver:ty, $ret:ty = $after:ident, $save:ident, $restore:ident) => {
        impl $type {
            /// Saves its state.
            pub fn save(self: $receiver) -> $crate::Result<$crate::State> {
                // SAFETY: as in calls!.
                $crate::iommu::save(|to, bytes| self.call(|raw| unsafe { $crate::sys::$save(raw, to, bytes) }))
            }
            /// Restores a state; refused whole if anything in it is invalid.
            pub fn restore(self: $receiver, state: &$crate::State) -> $ret {
                let (from, bytes) = (state.0.as_ptr().cast(), state.0.len() as u64);
                // SAFETY: as above.
                $crate::error::$after(self.call(|raw| unsafe { $crate::sys::$restore(raw, from, bytes) }))
            }
        }
    };
}
pub(crate) use saves;

macro_rules! passed {
    ($me:expr, $c:ident, fill($init:expr), $($arg:expr),*) => {{
        let mut value = $init;
        // SAFETY: the thread sentence is kept where calls! is used.
        $crate::error::done($me.call(|raw| unsafe { $crate::sys::$c(raw, $($arg,)* &mut value) })).map(|()| value)
    }};
    ($me:expr, $c:ident, $after:ident, $($arg:expr),*) => {
        // SAFETY: as above.
        $crate::error::$after($me.call(|raw| unsafe { $crate::sys::$c(raw $(, $arg)*) }))
    };
}
pub(crate) use passed;

/// The locks of this crate guard lists only, which a panic leaves whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A C handle. The type around it says which threads may use it.
pub(crate) struct Raw<T>(*mut T);
// SAFETY: a pointer that nothing is done with here; functions are called by types that keep their thread sentence.
unsafe impl<T> Send for Raw<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Raw<T> {}
impl<T> Raw<T> {
    pub(crate) fn new(raw: *mut T) -> Raw<T> {
        Raw(raw)
    }
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}
impl<T> Clone for Raw<T> {
    fn clone(&self) -> Raw<T> {
        Raw(self.0)
    }
}

/// What C's `opaque` is of callbacks that an `Arc` keeps.
pub(crate) fn opaque<T>(of: &std::sync::Arc<T>) -> *mut std::ffi::c_void {
    std::sync::Arc::as_ptr(of) as *mut std::ffi::c_void
}

/// A configuration of numbers: the fields of the C structure, without size, pointers and callbacks; 0 is the default.
macro_rules! config {
    ($(#[$doc:meta])* $name:ident = $raw:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fdoc])* #[doc = concat!("As `", stringify!($raw), ".", stringify!($field), "`.")] pub $field: $type),*
        }
        impl $name {
            #[allow(clippy::needless_update)]
            fn raw(&self) -> $crate::sys::$raw {
                $crate::sys::$raw {
                    size: std::mem::size_of::<$crate::sys::$raw>() as u32,
                    $($field: self.$field,)*
                    ..Default::default()
                }
            }
        }
    };
}
pub(crate) use config;

/// A C structure whose size is set, for C to fill in.
macro_rules! sized {
    ($raw:ident) => {
        $crate::sys::$raw { size: std::mem::size_of::<$crate::sys::$raw>() as u32, ..Default::default() }
    };
}
pub(crate) use sized;
