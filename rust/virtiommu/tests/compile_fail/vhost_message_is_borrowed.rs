// SPDX-License-Identifier: BSD-3-Clause
//! A message is there during the call. error: E0521
use std::sync::Mutex;
fn main() {}
pub fn f(kept: &'static Mutex<Vec<&'static virtiommu::IotlbMessage>>) -> virtiommu::VhostHost {
    let send = move |message: &virtiommu::IotlbMessage| {
        kept.lock().unwrap().push(message); //~ wrong
        virtiommu::Taken::Done
    };
    virtiommu::VhostHost { send: Some(Box::new(send)), expired: None }
}
