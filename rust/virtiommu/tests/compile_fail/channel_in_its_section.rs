// SPDX-License-Identifier: BSD-3-Clause
//! A channel does no DMA of its own while its section is open. error: E0502
fn main() {}
pub fn f(channel: &mut virtiommu::Channel) {
    let section = channel.enter().unwrap();
    channel.write(0, &[1]).unwrap(); //~ wrong
    drop(section);
}
