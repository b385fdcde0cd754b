// SPDX-License-Identifier: BSD-3-Clause
//! A channel has one section at a time. error: E0499
fn main() {}
pub fn f(channel: &mut virtiommu::Channel) {
    let one = channel.enter().unwrap();
    let two = channel.enter().unwrap(); //~ wrong, right: let two = ();
    drop((one, two));
}
