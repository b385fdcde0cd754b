// SPDX-License-Identifier: BSD-3-Clause
//! Arm's paravirtual interrupt controllers.
use crate::error::done;
use crate::vm::VmInner;
use crate::{opaque, sys, Error, Raw, Result, Vm};
use std::ptr;
use std::sync::Arc;

config! {
    /// How to create an RVIC or an RVID; `flags`: `sys::VIOMMU_RVIC_*`.
    RvicConfig = viommu_rvic_config { flags: u32, cpus: u32, trusted: u32, untrusted: u32, version: u32, base: u32 }
}
callbacks! {
    /// What an RVIC asks of the VMM.
    RvicHost: rvic_on {
        /// Whether a CPU can be signalled has changed: it is to look.
        kick(cpu: u32) guarded;
        /// Level of a trusted input now: CPU, INTID. If it panics: low.
        sample(cpu: u32, intid: u32) guarded -> bool as u32 = u32::from, 0;
    }
}
callbacks! {
    /// What an RVID asks of the VMM.
    RvidHost: rvid_on {
        /// A mapped input has changed: CPU, INTID, level, for [`Rvic::signal`] with `VIOMMU_RVIC_UNTRUSTED`.
        signal(cpu: u32, intid: u32, level: u32) => (u32 = cpu, u32 = intid, bool = level != 0) guarded;
    }
}

macro_rules! controller {
    ($(#[$doc:meta])* $name:ident, $host:ident, $on:ident { $($field:ident),* }, $raw:ident, $new:ident, $free:ident) => {
        $(#[$doc])*
        pub struct $name {
            raw: Raw<sys::$raw>,
            _host: Arc<$host>,
            _vm: Arc<VmInner>,
        }
        impl $name {
            /// Creates it; `mpidr` of each CPU, or none: CPU n has n.
            pub fn new(vm: &Vm, config: &RvicConfig, mpidr: &[u64], host: $host) -> Result<$name> {
                if !mpidr.is_empty() && mpidr.len() != config.cpus as usize {
                    return Err(Error::Invalid);
                }
                let (host, mut made) = (Arc::new(host), ptr::null_mut());
                let mpidr = if mpidr.is_empty() { ptr::null() } else { mpidr.as_ptr() };
                let mut raw = sys::viommu_rvic_config { opaque: opaque(&host), mpidr, ..config.raw() };
                given!(host, raw, $on { $($field),* });
                // SAFETY: "Any thread, any time"; everything is copied, and callbacks are kept.
                done(unsafe { sys::$new(vm.0.raw.get(), &raw, &mut made) })?;
                Ok($name { raw: Raw::new(made), _host: host, _vm: vm.0.clone() })
            }
            fn call<R>(&self, f: impl FnOnce(*mut sys::$raw) -> R) -> R {
                f(self.raw.get())
            }
        }
        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: "Alone": nobody has it any more; its callbacks are made from calls that borrow it.
                unsafe { sys::$free(self.raw.get()) }
            }
        }
    };
}
controller! {
    /// The RVIC of a VM, for any thread.
    Rvic, RvicHost, rvic_on { kick, sample }, viommu_rvic, viommu_rvic_new, viommu_rvic_free
}
controller! {
    /// An RVID, for any thread.
    Rvid, RvidHost, rvid_on { signal }, viommu_rvid, viommu_rvid_new, viommu_rvid_free
}
// "Any thread, any time".
calls! { Rvic, &Self;
    /// Executes a hypercall of a CPU: x0 to x3. [`Error::NotFound`]: not in its range.
    hypercall(cpu: u32, registers: &mut [u64; 4] => registers.as_mut_ptr()) -> Result<()> = done, viommu_rvic_call;
    /// Sets an input of a CPU; `flags`: `sys::VIOMMU_RVIC_EDGE`, `_UNTRUSTED`.
    signal(cpu: u32, intid: u32, level: bool => level.into(), flags: u32) -> Result<()> = done, viommu_rvic_signal;
    /// Puts a CPU in its first state.
    reset_cpu(cpu: u32) -> Result<()> = done, viommu_rvic_reset_cpu;
    /// Whether a CPU's virtual IRQ is asserted.
    can_signal(cpu: u32) -> Result<bool> = not_zero, viommu_rvic_can_signal;
}
calls! { Rvid, &Self;
    /// Executes a hypercall: x0 to x3. [`Error::NotFound`]: not in its range.
    hypercall(registers: &mut [u64; 4] => registers.as_mut_ptr()) -> Result<()> = done, viommu_rvid_call;
    /// Sets an input.
    input(input: u32, level: bool => level.into()) -> Result<()> = done, viommu_rvid_input;
}
saves!(Rvic, &Self, Result<()> = done, viommu_rvic_save, viommu_rvic_restore);
saves!(Rvid, &Self, Result<()> = done, viommu_rvid_save, viommu_rvid_restore);
