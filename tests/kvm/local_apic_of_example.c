/* SPDX-License-Identifier: BSD-3-Clause */
/* local_apic_of_example.c - the example's local APICs, as kernel_of_example.c. */
#include "../../examples/kvm_irq/local_apic.c"
