// SPDX-License-Identifier: BSD-3-Clause
//! A view is for one thread at a time. error: E0277
fn main() {}
pub fn f(view: &virtiommu::View) {
    std::thread::scope(|s| {
        s.spawn(|| view.wake(&mut [])); //~ wrong
    });
}
