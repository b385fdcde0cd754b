// SPDX-License-Identifier: BSD-3-Clause
//! Registers are for one thread at a time. error: E0277
fn main() {}
pub fn f(registers: &virtiommu::Registers) {
    std::thread::scope(|s| {
        s.spawn(|| registers.iommu()); //~ wrong
    });
}
