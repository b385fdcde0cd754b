// SPDX-License-Identifier: BSD-3-Clause
//! A channel is for one thread at a time. error: E0277
fn main() {}
pub fn f(channel: &virtiommu::Channel) {
    std::thread::scope(|s| {
        s.spawn(|| channel.device()); //~ wrong
    });
}
