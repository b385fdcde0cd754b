// SPDX-License-Identifier: BSD-3-Clause
//! Parts of a mapping are good until it is unmapped. error: E0505
fn main() {}
pub fn f(mapping: virtiommu::Mapping) -> u64 {
    let parts: Vec<_> = mapping.parts().collect();
    mapping.unmap(0).unwrap(); //~ wrong
    parts[0].1.bytes()
}
