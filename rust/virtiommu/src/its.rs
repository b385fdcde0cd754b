// SPDX-License-Identifier: BSD-3-Clause
//! Arm's ITS, and the redistributors' half of LPIs.
use crate::*;

/// State of an LPI, a vLPI or a virtual SGI.
pub use crate::sys::viommu_lpi as Lpi;

config! {
    /// How to create the LPIs of a VM; `flags`: `sys::VIOMMU_LPIS_*`.
    LpisConfig = viommu_lpis_config {
        flags: u32, cpus: u32, intid_bits: u32, vpes: u32, rd_base: u64, rd_stride: u64,
    }
}
config! {
    /// How to create an ITS.
    ItsConfig = viommu_its_config { typer: u64, iidr: u32, number: u32, base: u64, devices: u32, events: u32 }
}
callbacks! {
    /// What redistributors have to forward. Ask [`Iommu::lpi`] under a lock of your own: calls may overtake each other.
    LpisHost: lpis_on of viommu_lpis_config {
        /// CPU, INTID, priority, and whether it is pending and enabled.
        lpi(cpu: u32, intid: u32, priority: u32, pending: u32)
             => (u32 = cpu, u32 = intid, u32 = priority, bool = pending != 0) guarded;
        /// CPU on which the vPE is resident, vPE, INTID, priority, pending.
        vlpi(cpu: u32, vpe: u32, intid: u32, priority: u32, pending: u32)
             => (u32 = cpu, u32 = vpe, u32 = intid, u32 = priority, bool = pending != 0) guarded;
    }
}
callbacks! {
    /// What an ITS tells.
    ItsHost: its_on of viommu_its_config {
        /// A command was refused, or the queue has stalled: `sys::VIOMMU_ITS_ERROR_*`, and the command.
        error(code: u32, command: *const u64) => (u32 = code, &[u64; 4] = &*command.cast()) guarded;
    }
}

impl Iommu {
    /// Creates an ITS. It keeps its LPIs.
    pub fn its(
        vm: &Vm, lpis: &Iommu, config: &ItsConfig, limits: &Limits, host: Host, its: ItsHost,
    ) -> Result<(Iommu, Registers)> {
        let its = Arc::new(its);
        if !Arc::ptr_eq(&vm.0, &lpis.0.vm) {
            return Err(Error::Invalid);
        }
        create(vm, host, limits, vec![its.clone(), lpis.0.clone()], |vm, host, limits, raw| {
            let config = its.given(config.raw());
            let config = sys::viommu_its_config { lpis: lpis.raw(), host, limits, ..config };
            // SAFETY: viommu_its_new(): "Any thread, any time"; everything is copied, and callbacks and LPIs are kept.
            unsafe { sys::viommu_its_new(vm, &config, raw) }
        })
    }
}
// "Any thread, any time".
calls! { Iommu, me: &Self => me;
    /// State of an LPI.
    lpi(cpu: u32, intid: u32) -> Result<Lpi> = fill(sized!(viommu_lpi)), viommu_lpis_get;
    /// The CPU interface has acknowledged an LPI.
    lpi_acknowledge(cpu: u32, intid: u32) -> Result<()> = done, viommu_lpis_acknowledge;
    /// State of a vLPI or virtual SGI.
    vlpi(vpe: u32, intid: u32) -> Result<Lpi> = fill(sized!(viommu_lpi)), viommu_lpis_get_virtual;
    /// The virtual CPU interface has acknowledged a vLPI or virtual SGI.
    vlpi_acknowledge(vpe: u32, intid: u32) -> Result<()> = done, viommu_lpis_acknowledge_virtual;
}
// "One at a time per handle": Registers::call().
calls! { Registers, me: &mut Self => me;
    /// Of LPIs: writes the pending tables to guest memory; false: it could not be written.
    lpis_save_pending() -> Result<bool> = granted, viommu_lpis_save_pending;
    /// Of an ITS: writes a register as the VMM that restores a guest.
    its_set_register(offset: u64, value: u64) -> Result<Progress> = progress, viommu_its_set_register;
    /// Of an ITS: writes the mappings into the guest's tables (KVM's ABI revision 0); false: there is no room, or they
    /// cannot be written.
    its_save_tables() -> Result<bool> = granted, viommu_its_save_tables;
}
impl Registers {
    /// Of an ITS: reads mappings from the guest's tables; `None`: a table cannot be read.
    pub fn its_restore_tables(&mut self) -> Result<Option<Progress>> {
        // SAFETY: viommu_its_restore_tables(): "One at a time per handle": call().
        match self.call(|its| unsafe { sys::viommu_its_restore_tables(its) }) {
            sys::VIOMMU_FAULT => Ok(None),
            other => progress(other).map(Some),
        }
    }
}
