// SPDX-License-Identifier: BSD-3-Clause
//! Two answers that are used together have a buffer each. error: E0499
fn main() {}
pub fn f(section: &virtiommu::Section<'_>, buffer: &mut virtiommu::Buffer) -> u64 {
    let one = section.translate(0, 8, virtiommu::Access::READ, buffer).unwrap();
    let two = section.translate(8, 8, virtiommu::Access::READ, buffer).unwrap(); //~ wrong, right: let two = &one;
    one.next + two.next
}
