// SPDX-License-Identifier: BSD-3-Clause
//! The engines that have registers and tables in guest memory.
use crate::*;
use std::any::Any;

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

macro_rules! presents {
    ($($name:ident { $($field:ident = $default:ident),* })*) => {
        $(impl $name {
            /// The registers of an engine that is not told what to be.
            pub fn present() -> $name {
                // SAFETY: viommu_*_default_*(): "Any thread, any time".
                unsafe { $name { $($field: sys::$default(),)* ..Default::default() } }
            }
        })*
    };
}
presents! {
    VtdConfig { cap = viommu_vtd_default_cap, ecap = viommu_vtd_default_ecap }
    AmdviConfig { efr = viommu_amdvi_default_efr, efr2 = viommu_amdvi_default_efr2 }
    RiscvConfig { capabilities = viommu_riscv_default_capabilities }
}
impl VtdConfig {
    /// Narrows it to what a host can nest, by the host's registers (`struct iommu_hw_info_vtd`).
    pub fn fit(&self, host_cap: u64, host_ecap: u64) -> Result<VtdConfig> {
        let mut raw = self.raw();
        // SAFETY: viommu_vtd_fit(): "Any thread, any time".
        done(unsafe { sys::viommu_vtd_fit(&mut raw, host_cap, host_ecap) })?;
        Ok(VtdConfig { cap: raw.cap, ecap: raw.ecap, ..*self })
    }
}
impl Smmuv3Config {
    /// The identification registers of an SMMU that is not told what to be.
    pub fn present() -> Smmuv3Config {
        // SAFETY: viommu_smmuv3_default_idr(): "Any thread, any time".
        let idr = std::array::from_fn(|n| unsafe { sys::viommu_smmuv3_default_idr(n as u32) });
        Smmuv3Config { idr, ..Default::default() }
    }
    /// Narrows it to what a host can nest, by the host's registers (`struct iommu_hw_info_arm_smmuv3`).
    pub fn fit(&self, host_idr: &[u32; 6]) -> Result<Smmuv3Config> {
        let mut raw = self.raw();
        // SAFETY: viommu_smmuv3_fit(): "Any thread, any time".
        done(unsafe { sys::viommu_smmuv3_fit(&mut raw, host_idr.as_ptr()) })?;
        Ok(Smmuv3Config { idr: raw.idr, ..*self })
    }
}

macro_rules! engines {
    ($($(#[$doc:meta])* $name:ident($config:ty, $raw:ident $(, $own:ident: $host:ty)?) = $new:ident;)*) => {
        impl Iommu {
            $($(#[$doc])*
            pub fn $name(
                vm: &Vm, config: &$config, limits: &Limits, host: Host $(, $own: $host)?
            ) -> Result<(Iommu, Registers)> {
                $(let $own = Arc::new($own);)?
                let keeps: Vec<Arc<dyn Any + Send + Sync>> = vec![$($own.clone())?];
                create(vm, host, limits, keeps, |vm, host, limits, raw| {
                    let config = sys::$raw { host, limits, ..config.raw() };
                    $(let config = $own.given(config);)?
                    // SAFETY: "Any thread, any time"; everything is copied, and callbacks are kept.
                    unsafe { sys::$new(vm, &config, raw) }
                })
            })*
        }
    };
}
engines! {
    /// Creates a VT-d unit in its state after power-on.
    vtd(VtdConfig, viommu_vtd_config) = viommu_vtd_new;
    /// Creates an AMD IOMMU in its state after power-on.
    amdvi(AmdviConfig, viommu_amdvi_config) = viommu_amdvi_new;
    /// Creates an SMMU in its state after a reset.
    smmuv3(Smmuv3Config, viommu_smmuv3_config) = viommu_smmuv3_new;
    /// Creates a RISC-V IOMMU in its state after a reset.
    riscv(RiscvConfig, viommu_riscv_config) = viommu_riscv_new;
    /// Creates the LPIs of a VM; the registers are those of all redistributors.
    lpis(LpisConfig, viommu_lpis_config, lpis: LpisHost) = viommu_lpis_new;
    /// Creates TCE tables, without PEs. There are no registers: the guest makes calls.
    tce(TceConfig, viommu_tce_config, tce: TceHost) = viommu_tce_new;
}

impl Iommu {
    /// The capability block of an AMD IOMMU's PCI function, with its registers at `base`.
    pub fn amdvi_capability(&self, base: u64) -> Result<[u32; sys::VIOMMU_AMDVI_CAPABILITY_WORDS as usize]> {
        let mut words = [0; sys::VIOMMU_AMDVI_CAPABILITY_WORDS as usize];
        // SAFETY: viommu_amdvi_get_capability(): "Any thread, any time"; there is room for the words.
        done(unsafe { sys::viommu_amdvi_get_capability(self.raw(), base, words.as_mut_ptr()) }).map(|()| words)
    }
}
// "Any thread, any time".
calls! { Iommu, me: &Self => me;
    /// The guest has programmed the MSI capability of an AMD IOMMU's PCI function.
    amdvi_set_msi(msi: &AmdviMsi => &msi.raw()) -> Result<()> = done, viommu_amdvi_set_msi;
}
