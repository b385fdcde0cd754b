// SPDX-License-Identifier: BSD-3-Clause
//! Callbacks come from any thread. error: E0277
use std::rc::Rc;
fn main() {}
pub fn f(mine: Rc<u32>) -> virtiommu::Host {
    virtiommu::Host { work: Some(Box::new(move || drop(mine.clone()))), ..Default::default() } //~ wrong, right: drop(mine); virtiommu::Host::default()
}
