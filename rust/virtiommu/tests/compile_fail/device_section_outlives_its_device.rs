// SPDX-License-Identifier: BSD-3-Clause
//! A section of a device borrows it. error: E0505
fn main() {}
pub fn f(device: virtiommu::Device) {
    let section = device.enter().unwrap();
    drop(device); //~ wrong
    drop(section);
}
