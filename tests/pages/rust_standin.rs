// SPDX-License-Identifier: BSD-3-Clause
//! rust_standin.rs - the page of the crate needs nobody else's declarations.
pub use crate::common::Ram;
