// SPDX-License-Identifier: BSD-3-Clause
//! That nobody else writes an arena or a window is promised with unsafe. error: E0133
use std::sync::Arc;
fn main() {}
pub fn f(memory: Arc<dyn virtiommu::HostMemory>) -> virtiommu::LibraryMemory {
    virtiommu::LibraryMemory::new(memory) //~ wrong, right: unsafe { virtiommu::LibraryMemory::new(memory) }
}
