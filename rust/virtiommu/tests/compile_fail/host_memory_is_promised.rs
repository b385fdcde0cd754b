// SPDX-License-Identifier: BSD-3-Clause
//! Who says where memory is mapped says so with unsafe. error: E0200
use std::ptr::NonNull;
struct Mine;
impl virtiommu::HostMemory for Mine { //~ wrong, right: unsafe impl virtiommu::HostMemory for Mine {
    fn host(&self) -> NonNull<u8> {
        NonNull::dangling()
    }
    fn bytes(&self) -> u64 {
        4096
    }
}
fn main() {}
