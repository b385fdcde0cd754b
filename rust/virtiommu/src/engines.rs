// SPDX-License-Identifier: BSD-3-Clause
//! The engines that have registers and tables in guest memory.
use crate::error::done;
use crate::iommu::create;
use crate::{config, sys, Host, Iommu, Limits, Registers, Result, Vm};

config! {
    /// How to create a VT-d unit.
    VtdConfig = viommu_vtd_config { cap: u64, ecap: u64, version: u32, haw: u32 }
}
config! {
    /// How to create an AMD IOMMU.
    AmdviConfig = viommu_amdvi_config {
        efr: u64, efr2: u64, capability: u32, msi_event: u8, msi_ppr: u8, msi_ga: u8,
    }
}
config! {
    /// The MSI capability of an AMD IOMMU's PCI function.
    AmdviMsi = viommu_amdvi_msi { enabled: u32, address: u64, data: u32, messages_lg2: u32 }
}
config! {
    /// How to create an SMMUv3.
    Smmuv3Config = viommu_smmuv3_config { idr: [u32; 6], iidr: u32, aidr: u32, gbpa: u32 }
}
config! {
    /// How to create a RISC-V IOMMU.
    RiscvConfig = viommu_riscv_config { capabilities: u64, ddtp: u64, vectors: u32, counters: u32, qosid_bits: u32 }
}

impl VtdConfig {
    /// The registers of a unit that is not told what to be.
    pub fn present() -> VtdConfig {
        // SAFETY: viommu_vtd_default_cap(), _ecap(): "Any thread, any time".
        let (cap, ecap) = unsafe { (sys::viommu_vtd_default_cap(), sys::viommu_vtd_default_ecap()) };
        VtdConfig { cap, ecap, ..Default::default() }
    }
}
impl AmdviConfig {
    /// The extended features of an IOMMU that is not told what to be.
    pub fn present() -> AmdviConfig {
        // SAFETY: viommu_amdvi_default_efr(), _efr2(): "Any thread, any time".
        let (efr, efr2) = unsafe { (sys::viommu_amdvi_default_efr(), sys::viommu_amdvi_default_efr2()) };
        AmdviConfig { efr, efr2, ..Default::default() }
    }
}
impl Smmuv3Config {
    /// The identification registers of an SMMU that is not told what to be.
    pub fn present() -> Smmuv3Config {
        // SAFETY: viommu_smmuv3_default_idr(): "Any thread, any time".
        let idr = std::array::from_fn(|n| unsafe { sys::viommu_smmuv3_default_idr(n as u32) });
        Smmuv3Config { idr, ..Default::default() }
    }
}
impl RiscvConfig {
    /// The capabilities of an IOMMU that is not told what to be.
    pub fn present() -> RiscvConfig {
        // SAFETY: viommu_riscv_default_capabilities(): "Any thread, any time".
        let capabilities = unsafe { sys::viommu_riscv_default_capabilities() };
        RiscvConfig { capabilities, ..Default::default() }
    }
}

impl Iommu {
    /// Creates a VT-d unit in its state after power-on.
    pub fn vtd(vm: &Vm, config: &VtdConfig, limits: &Limits, host: Host) -> Result<(Iommu, Registers)> {
        create(vm, host, limits, vec![], |vm, host, limits, raw| {
            let config = sys::viommu_vtd_config { host, limits, ..config.raw() };
            // SAFETY: viommu_vtd_new(): "Any thread, any time"; everything is copied.
            unsafe { sys::viommu_vtd_new(vm, &config, raw) }
        })
    }
    /// Creates an AMD IOMMU in its state after power-on.
    pub fn amdvi(vm: &Vm, config: &AmdviConfig, limits: &Limits, host: Host) -> Result<(Iommu, Registers)> {
        create(vm, host, limits, vec![], |vm, host, limits, raw| {
            let config = sys::viommu_amdvi_config { host, limits, ..config.raw() };
            // SAFETY: viommu_amdvi_new(): "Any thread, any time"; everything is copied.
            unsafe { sys::viommu_amdvi_new(vm, &config, raw) }
        })
    }
    /// Creates an SMMU in its state after a reset.
    pub fn smmuv3(vm: &Vm, config: &Smmuv3Config, limits: &Limits, host: Host) -> Result<(Iommu, Registers)> {
        create(vm, host, limits, vec![], |vm, host, limits, raw| {
            let config = sys::viommu_smmuv3_config { host, limits, ..config.raw() };
            // SAFETY: viommu_smmuv3_new(): "Any thread, any time"; everything is copied.
            unsafe { sys::viommu_smmuv3_new(vm, &config, raw) }
        })
    }
    /// Creates a RISC-V IOMMU in its state after a reset.
    pub fn riscv(vm: &Vm, config: &RiscvConfig, limits: &Limits, host: Host) -> Result<(Iommu, Registers)> {
        create(vm, host, limits, vec![], |vm, host, limits, raw| {
            let config = sys::viommu_riscv_config { host, limits, ..config.raw() };
            // SAFETY: viommu_riscv_new(): "Any thread, any time"; everything is copied.
            unsafe { sys::viommu_riscv_new(vm, &config, raw) }
        })
    }
    /// The capability block of an AMD IOMMU's PCI function, with its registers at `base`.
    pub fn amdvi_capability(&self, base: u64) -> Result<[u32; sys::VIOMMU_AMDVI_CAPABILITY_WORDS as usize]> {
        let mut words = [0; sys::VIOMMU_AMDVI_CAPABILITY_WORDS as usize];
        // SAFETY: viommu_amdvi_get_capability(): "Any thread, any time"; there is room for the words.
        done(unsafe { sys::viommu_amdvi_get_capability(self.raw(), base, words.as_mut_ptr()) }).map(|()| words)
    }
    /// The guest has programmed the MSI capability of an AMD IOMMU's PCI function.
    pub fn amdvi_set_msi(&self, msi: &AmdviMsi) -> Result<()> {
        // SAFETY: viommu_amdvi_set_msi(): "Any thread, any time".
        done(unsafe { sys::viommu_amdvi_set_msi(self.raw(), &msi.raw()) })
    }
}
