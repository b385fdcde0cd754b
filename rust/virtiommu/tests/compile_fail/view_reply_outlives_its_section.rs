// SPDX-License-Identifier: BSD-3-Clause
//! So is what the owner has replied. error: E0505
fn main() {}
pub fn f(view: &mut virtiommu::View, message: &[u8]) -> usize {
    let section = view.enter().unwrap();
    let reply = section.reply(message).unwrap();
    drop(section); //~ wrong
    reply.answer().unwrap().fragments[0].memory().unwrap().write(0, &[1])
}
