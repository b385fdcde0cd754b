/* SPDX-License-Identifier: BSD-3-Clause */
/* kernel_of_example.c - the example's way to /dev/kvm, which the tests use as it is. */
#include "../../examples/kvm_irq/kernel.c"
