// SPDX-License-Identifier: BSD-3-Clause
//! TCE tables of POWER guests.
use crate::*;

/// A refused DMA.
pub use crate::sys::viommu_tce_fault as TceFault;
/// A DMA window.
pub use crate::sys::viommu_tce_window as TceWindow;

config! {
    /// How to create the TCE tables of a VM; `flags`: `sys::VIOMMU_TCE_*`.
    TceConfig = viommu_tce_config {
        flags: u32, pes: u32, function_bits: u32, table_bytes: u64, msi_first: u64, msi_bytes: u64,
    }
}
callbacks! {
    /// What TCE tables tell and ask.
    TceHost: tce_on of viommu_tce_config {
        /// A call that was pending is complete: its token and status.
        complete(token: u64, status: i64) guarded;
        /// A DMA was refused.
        fault(fault: *const TceFault) => (&TceFault = &*fault) guarded;
        /// Whether so many bytes from an address on, which no region has, are memory of the partition. If it panics,
        /// they are not.
        owns(gpa: u64, bytes: u64) guarded -> bool as c_int = c_int::from, 0;
        /// A window of a PE comes, or has gone (false). If the answer is false, or it panics, it does not come.
        window(pe: u32, window: *const TceWindow, present: u32)
             => (u32 = pe, &TceWindow = &*window, bool = present != 0) guarded -> bool as c_int = taken, -1;
    }
}

/// A PE; `flags`: `sys::VIOMMU_TCE_PE_*`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcePe<'a> {
    /// As `viommu_tce_pe`; its size and LIOBNs are filled in.
    pub pe: sys::viommu_tce_pe,
    /// LIOBNs of further windows.
    pub liobns: &'a [u32],
}
/// An RTAS call: `sys::VIOMMU_TCE_RTAS_*`.
pub use crate::sys::viommu_tce_rtas_call as TceRtas;

// "One at a time per handle": Registers::call().
calls! { Registers, me: &mut Self => me;
    /// Removes a PE with its windows.
    tce_remove_pe(number: u32) -> Result<()> = done, viommu_tce_remove_pe;
    /// Executes a hypercall (r3 to r8). [`Error::NotFound`](Error::NotFound): it is none of TCEs.
    tce_hcall(registers: &mut [u64; 6] => registers.as_mut_ptr(), token: u64) -> Result<Progress>
        = progress, viommu_tce_hcall;
}
impl Registers {
    /// Adds a PE, with its default window, empty.
    pub fn tce_add_pe(&mut self, pe: &TcePe<'_>) -> Result<()> {
        let raw = sys::viommu_tce_pe {
            size: sized!(viommu_tce_pe).size,
            liobns: pe.liobns.as_ptr(),
            liobn_count: u32::try_from(pe.liobns.len()).unwrap_or(u32::MAX),
            ..pe.pe
        };
        // SAFETY: viommu_tce_add_pe(): "One at a time per handle": call(); copied.
        done(self.call(|tce| unsafe { sys::viommu_tce_add_pe(tce, &raw) }))
    }
    /// The windows that a PE has now.
    pub fn tce_windows(&mut self, number: u32) -> Result<Vec<TceWindow>> {
        let (mut windows, mut count) = ([TceWindow::default(); sys::VIOMMU_TCE_WINDOWS as usize], 0);
        let to = windows.as_mut_ptr();
        // SAFETY: viommu_tce_get_windows(): "One at a time per handle": call(); there is room.
        done(self.call(|tce| unsafe { sys::viommu_tce_get_windows(tce, number, to, &mut count) }))?;
        Ok(windows[..count as usize].to_vec())
    }
    /// Executes an RTAS call; `results` has the status first, and is whole also if the call is pending.
    pub fn tce_rtas(&mut self, call: TceRtas, args: &[u32], results: &mut [u32], token: u64) -> Result<Progress> {
        let (nargs, nret, to) = (count(args.len())?, count(results.len())?, results.as_mut_ptr());
        // SAFETY: viommu_tce_rtas(): "One at a time per handle": call(); both are as long as is said.
        progress(self.call(|tce| unsafe { sys::viommu_tce_rtas(tce, call, args.as_ptr(), nargs, to, nret, token) }))
    }
}
