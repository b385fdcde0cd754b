// SPDX-License-Identifier: BSD-3-Clause
//! Results: errors are misuse or exhaustion; what the guest's tables say is an answer.
use crate::sys;
pub(crate) use std::convert::identity;
use std::ffi::{c_int, c_void, CStr};
use std::fmt;

values! {
    /// Misuse, or exhaustion: nothing has changed.
    #[non_exhaustive]
    Error: c_int {
        /// A defect in the library, or a result that this crate does not know.
        Internal = VIOMMU_EINTERNAL,
        /// An argument is out of range.
        Invalid = VIOMMU_EINVAL,
        /// A size field is wrong: headers and library do not fit.
        Size = VIOMMU_ESIZE,
        /// The allocator said no.
        NoMemory = VIOMMU_ENOMEM,
        /// Overlaps or repeats something that exists.
        Exists = VIOMMU_EEXIST,
        /// No such thing.
        NotFound = VIOMMU_ENOENT,
        /// A call is under way, or others still refer to it.
        Busy = VIOMMU_EBUSY,
        /// Not implemented, or not configured.
        Unsupported = VIOMMU_ENOTSUP,
        /// A cap of the configuration is reached.
        Limit = VIOMMU_ELIMIT,
        /// A saved state is invalid or of another configuration.
        State = VIOMMU_ESTATE,
        /// A buffer is too small.
        NoSpace = VIOMMU_ENOSPC
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: viommu_strerror(): "Any thread, any time"; a constant string, never NULL.
        f.write_str(&unsafe { CStr::from_ptr(sys::viommu_strerror(self.raw())) }.to_string_lossy())
    }
}
impl std::error::Error for Error {}
impl From<Error> for std::io::Error {
    fn from(e: Error) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::Other, e)
    }
}

/// What functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

values! {
    /// The results that are no errors.
    Outcome: c_int {
        /// Done.
        Done = VIOMMU_OK,
        /// The guest's tables said no.
        Fault = VIOMMU_FAULT,
        /// Not finished: see [`crate::Registers::run`].
        Pending = VIOMMU_PENDING,
        /// An array or a budget is used up, or a callback stopped it.
        More = VIOMMU_MORE,
        /// An interrupt message.
        Interrupt = VIOMMU_INTERRUPT,
        /// Permitted, but there is no such memory.
        Unreachable = VIOMMU_UNREACHABLE,
        /// Waits for the guest.
        Stalled = VIOMMU_STALLED,
        /// Not known in this process.
        Missing = VIOMMU_MISS
    }
}

/// Whether what a call began is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is pending has to be gone on with: Registers::run()"]
pub enum Progress {
    /// Nothing is left.
    Done,
    /// Something is: the host's `work` says when to call [`crate::Registers::run`].
    Pending,
}

pub(crate) fn check(result: c_int) -> Result<Outcome> {
    Outcome::of(result).ok_or_else(|| Error::of(result).unwrap_or(Error::Internal))
}
/// Of a function that has these results beside errors. Any other is no success.
fn only<T: Copy>(result: c_int, these: &[(Outcome, T)]) -> Result<T> {
    let outcome = check(result)?;
    these.iter().find(|this| this.0 == outcome).map(|this| this.1).ok_or(Error::Internal)
}
/// Of a function that has one result beside errors.
pub(crate) fn done(result: c_int) -> Result<()> {
    only(result, &[(Outcome::Done, ())])
}
/// Of a function that is done or pending.
pub(crate) fn progress(result: c_int) -> Result<Progress> {
    only(result, &[(Outcome::Done, Progress::Done), (Outcome::Pending, Progress::Pending)])
}
/// Of a function that the guest's tables can refuse.
pub(crate) fn granted(result: c_int) -> Result<bool> {
    only(result, &[(Outcome::Done, true), (Outcome::Fault, false)])
}
/// Of a function that answers 0 or 1.
pub(crate) fn not_zero(result: c_int) -> Result<bool> {
    granted(result).map(|zero| !zero)
}

/// As many as C can count.
pub(crate) fn count(of: usize) -> Result<u32> {
    u32::try_from(of).map_err(|_| Error::Invalid)
}
/// Bytes that C writes: how many.
pub(crate) fn written(to: &mut [u8], call: impl FnOnce(*mut c_void, u32, &mut u32) -> c_int) -> Result<usize> {
    let (max, mut bytes) = (u32::try_from(to.len()).unwrap_or(u32::MAX), 0);
    done(call(to.as_mut_ptr().cast(), max, &mut bytes)).map(|()| bytes as usize)
}
