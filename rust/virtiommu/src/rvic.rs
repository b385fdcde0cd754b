// SPDX-License-Identifier: BSD-3-Clause
//! Arm's paravirtual interrupt controllers.
use crate::*;

config! {
    /// How to create an RVIC or an RVID; `flags`: `sys::VIOMMU_RVIC_*`.
    RvicConfig = viommu_rvic_config { flags: u32, cpus: u32, trusted: u32, untrusted: u32, version: u32, base: u32 }
}
callbacks! {
    /// What an RVIC asks of the VMM.
    RvicHost: rvic_on of viommu_rvic_config {
        /// Whether a CPU can be signalled has changed: it is to look.
        kick(cpu: u32) guarded;
        /// Level of a trusted input now: CPU, INTID. If it panics: low.
        sample(cpu: u32, intid: u32) guarded -> bool as u32 = u32::from, 0;
    }
}
callbacks! {
    /// What an RVID asks of the VMM.
    RvidHost: rvid_on of viommu_rvic_config {
        /// A mapped input has changed: CPU, INTID, level, for [`Rvic::signal`] with `VIOMMU_RVIC_UNTRUSTED`.
        signal(cpu: u32, intid: u32, level: u32) => (u32 = cpu, u32 = intid, bool = level != 0) guarded;
    }
}

macro_rules! controller {
    ($(#[$doc:meta])* $name:ident, $host:ident, $raw:ident, $new:ident, $free:ident as $freed:ident) => {
        $(#[$doc])*
        pub struct $name(Owned<sys::$raw, (Arc<$host>, Arc<VmInner>)>);
        impl $name {
            /// Creates it; `mpidr` of each CPU, or none: CPU n has n.
            pub fn new(vm: &Vm, config: &RvicConfig, mpidr: &[u64], host: $host) -> Result<$name> {
                if !mpidr.is_empty() && mpidr.len() != config.cpus as usize {
                    return Err(Error::Invalid);
                }
                let mpidr = if mpidr.is_empty() { ptr::null() } else { mpidr.as_ptr() };
                let (host, raw) = (Arc::new(host), sys::viommu_rvic_config { mpidr, ..config.raw() });
                let raw = host.given(raw);
                // SAFETY: "Any thread, any time"; everything is copied, and callbacks are kept.
                let new = |to: &mut _| vm.0.call(|vm| unsafe { sys::$new(vm, &raw, to) });
                Owned::new((host.clone(), vm.0.clone()), $freed, new).map($name)
            }
        }
        unsafe extern "C" fn $freed(raw: *mut sys::$raw) -> c_int {
            // SAFETY: "Alone": as Owned says; callbacks are made from calls that borrow it.
            unsafe { sys::$free(raw) };
            sys::VIOMMU_OK
        }
    };
}
controller! {
    /// The RVIC of a VM, for any thread.
    Rvic, RvicHost, viommu_rvic, viommu_rvic_new, viommu_rvic_free as rvic_free
}
controller! {
    /// An RVID, for any thread.
    Rvid, RvidHost, viommu_rvid, viommu_rvid_new, viommu_rvid_free as rvid_free
}
// "Any thread, any time".
calls! { Rvic, me: &Self => me.0;
    /// Executes a hypercall of a CPU: x0 to x3. [`Error::NotFound`]: not in its range.
    hypercall(cpu: u32, registers: &mut [u64; 4] => registers.as_mut_ptr()) -> Result<()> = done, viommu_rvic_call;
    /// Sets an input of a CPU; `flags`: `sys::VIOMMU_RVIC_EDGE`, `_UNTRUSTED`.
    signal(cpu: u32, intid: u32, level: bool => level.into(), flags: u32) -> Result<()> = done, viommu_rvic_signal;
    /// Puts a CPU in its first state.
    reset_cpu(cpu: u32) -> Result<()> = done, viommu_rvic_reset_cpu;
    /// Whether a CPU's virtual IRQ is asserted.
    can_signal(cpu: u32) -> Result<bool> = not_zero, viommu_rvic_can_signal;
}
calls! { Rvid, me: &Self => me.0;
    /// Executes a hypercall: x0 to x3. [`Error::NotFound`]: not in its range.
    hypercall(registers: &mut [u64; 4] => registers.as_mut_ptr()) -> Result<()> = done, viommu_rvid_call;
    /// Sets an input.
    input(input: u32, level: bool => level.into()) -> Result<()> = done, viommu_rvid_input;
}
saves!(Rvic, me: &Self => me.0, Result<()> = done, viommu_rvic_save, viommu_rvic_restore);
saves!(Rvid, me: &Self => me.0, Result<()> = done, viommu_rvid_save, viommu_rvid_restore);
