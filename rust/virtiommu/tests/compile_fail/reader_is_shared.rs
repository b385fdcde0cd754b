// SPDX-License-Identifier: BSD-3-Clause
//! A reader of a device IOTLB is for one thread at a time. error: E0277
fn sync<T: Sync>() {}
fn main() {
    sync::<virtiommu::IotlbReader>(); //~ wrong
}
