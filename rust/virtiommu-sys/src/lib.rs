// SPDX-License-Identifier: BSD-3-Clause
//! The C interface of libvirtiommu as it is: made by bindgen from the headers, whose comments say what is what.
#![no_std]
#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    deref_nullptr,
    unpredictable_function_pointer_comparisons
)]
#![allow(rustdoc::all, clippy::all)]
#[cfg(test)]
extern crate std;
include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
