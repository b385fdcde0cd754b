// SPDX-License-Identifier: BSD-3-Clause
//! Memory of a view stays mapped while its section is open. error: E0499
fn main() {}
pub fn f(view: &mut virtiommu::View) {
    let section = view.enter().unwrap();
    view.unmap(0).unwrap(); //~ wrong
    drop(section);
}
