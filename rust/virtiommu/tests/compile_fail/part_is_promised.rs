// SPDX-License-Identifier: BSD-3-Clause
//! That a part of a request stays mapped is promised with unsafe. error: E0133
fn main() {}
pub fn f(memory: virtiommu::HostSlice<'_>) -> virtiommu::Part {
    virtiommu::Part::new(memory) //~ wrong, right: unsafe { virtiommu::Part::new(memory) }
}
