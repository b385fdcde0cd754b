// SPDX-License-Identifier: BSD-3-Clause
//! So is a slice of it. error: E0515
fn main() {}
pub fn f<'a>(channel: &'a mut virtiommu::Channel, buffer: &mut virtiommu::Buffer) -> Option<virtiommu::HostSlice<'a>> {
    let section = channel.enter().unwrap();
    let answer = section.translate(0, 8, virtiommu::Access::WRITE, buffer).unwrap();
    answer.fragments[0].memory() //~ wrong, right: drop(answer); None
}
