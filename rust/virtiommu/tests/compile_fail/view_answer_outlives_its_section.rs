// SPDX-License-Identifier: BSD-3-Clause
//! An answer of a view is good as long as its section. error: E0505
fn main() {}
pub fn f(view: &mut virtiommu::View, buffer: &mut virtiommu::Buffer) -> usize {
    let section = view.enter().unwrap();
    let answer = section.translate(0, 8, virtiommu::Access::WRITE, buffer).unwrap();
    drop(section); //~ wrong
    answer.fragments[0].memory().unwrap().write(0, &[1])
}
