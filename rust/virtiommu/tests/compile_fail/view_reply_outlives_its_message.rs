// SPDX-License-Identifier: BSD-3-Clause
//! What was read lies in the message. error: E0506
fn main() {}
pub fn f(view: &virtiommu::View, mut message: [u8; 64]) -> usize {
    let reply = view.reply(&message).unwrap();
    message[0] = 1; //~ wrong
    reply.data.len()
}
