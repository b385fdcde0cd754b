// SPDX-License-Identifier: BSD-3-Clause
//! One program, since each takes a second to link.
mod callbacks;
mod common;
mod dma;
mod irq;
mod notify;
mod orders;
mod others;
mod shapes;
mod views;
#[cfg(feature = "vm-memory")]
mod vm_memory;
