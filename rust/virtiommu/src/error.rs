// SPDX-License-Identifier: BSD-3-Clause
//! Results: errors are misuse or exhaustion; what the guest's tables say is an answer.
use crate::sys;
pub(crate) use std::convert::identity;
use std::ffi::{c_int, CStr};
use std::fmt;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $code:ident),*) => {
        /// Misuse, or exhaustion: nothing has changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Error { $($(#[$doc])* $name),* }
        const CODES: &[(c_int, Error)] = &[$((sys::$code, Error::$name)),*];
    };
}
errors! {
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = CODES.iter().find(|c| c.1 == *self).map_or(sys::VIOMMU_EINTERNAL, |c| c.0);
        // SAFETY: viommu_strerror(): "Any thread, any time"; a constant string, never NULL.
        f.write_str(&unsafe { CStr::from_ptr(sys::viommu_strerror(code)) }.to_string_lossy())
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

/// The results that are no errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// The guest's tables said no.
    Fault,
    /// Not finished: see [`crate::Registers::run`].
    Pending,
    /// An array or a budget is used up, or a callback stopped it.
    More,
    /// An interrupt message.
    Interrupt,
    /// Permitted, but there is no such memory.
    Unreachable,
    /// Waits for the guest.
    Stalled,
    /// Not known in this process.
    Missing,
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
    Ok(match result {
        sys::VIOMMU_OK => Outcome::Done,
        sys::VIOMMU_FAULT => Outcome::Fault,
        sys::VIOMMU_PENDING => Outcome::Pending,
        sys::VIOMMU_MORE => Outcome::More,
        sys::VIOMMU_INTERRUPT => Outcome::Interrupt,
        sys::VIOMMU_UNREACHABLE => Outcome::Unreachable,
        sys::VIOMMU_STALLED => Outcome::Stalled,
        sys::VIOMMU_MISS => Outcome::Missing,
        other => return Err(CODES.iter().find(|c| c.0 == other).map_or(Error::Internal, |c| c.1)),
    })
}

/// Of a function that has one result beside errors. Any other is no success.
pub(crate) fn done(result: c_int) -> Result<()> {
    match check(result)? {
        Outcome::Done => Ok(()),
        _ => Err(Error::Internal),
    }
}

/// Of a function that is done or pending.
pub(crate) fn progress(result: c_int) -> Result<Progress> {
    match check(result)? {
        Outcome::Done => Ok(Progress::Done),
        Outcome::Pending => Ok(Progress::Pending),
        _ => Err(Error::Internal),
    }
}

/// Of a function that the guest's tables can refuse.
pub(crate) fn granted(result: c_int) -> Result<bool> {
    match check(result)? {
        Outcome::Done => Ok(true),
        Outcome::Fault => Ok(false),
        _ => Err(Error::Internal),
    }
}

/// Of a function that answers 0 or 1.
pub(crate) fn not_zero(result: c_int) -> Result<bool> {
    granted(result).map(|zero| !zero)
}
