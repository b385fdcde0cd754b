// SPDX-License-Identifier: BSD-3-Clause
//! A callback's device is not to be kept: DeviceRef::upgrade() is. error: E0521
use std::sync::Mutex;
fn main() {}
pub fn f(kept: &'static Mutex<Vec<&'static virtiommu::DeviceRef>>) -> virtiommu::ListenerHost {
    virtiommu::ListenerHost {
        mode: Some(Box::new(move |device, _| kept.lock().unwrap().push(device))), //~ wrong, right: mode: Some(Box::new(move |device, _| drop((kept, device.upgrade())))),
        ..Default::default()
    }
}
