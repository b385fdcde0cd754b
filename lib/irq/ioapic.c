/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ioapic.c - an I/O APIC: window, lines, messages (82093AA 3 and 4). Saved state is ioapic_state.c.
 *
 * An edge is the change of a line to asserted while its entry is unmasked; whoever makes it sends
 * one message, once, also if the entry is written meanwhile. An edge at a masked pin is lost (3.2.4
 * bit 16), and writing an entry makes none.
 *
 * A level-triggered pin is due while it is asserted, unmasked, and without remote IRR. Each call
 * that may have made it due tries to send it: the entry is read under the lock, the message
 * remapped without, and then remote IRR set under the lock if the pin is still due with that entry;
 * only then is the message delivered. So of several that try at once, one delivers; an EOI that
 * comes as soon as the message is delivered finds remote IRR set; and one who finds the pin no
 * longer due, or its entry written, leaves it to whoever changed it. Every call sends at most one
 * message a pin.
 *
 * A message that remapping refuses was accepted by no local APIC: remote IRR stays clear. The pin
 * is tried again when its line is set, its entry written, its vector acknowledged, or table entries
 * of the IOMMU invalidated. Of an IOMMU without interrupt remapping the message goes where its address is mapped, and nobody
 * is told of a new mapping without hearing of all: there it is tried again in each call on the IOMMU.
 */

#include <stddef.h>

#include "abi.h"
#include "ioapic_pins.h"
#include "machine.h"
#include "msi.h"
#include "unit.h"

/* ---- messages ---- */

static uint64_t message_address(uint64_t entry)
{
	return IOAPIC_MSI_BASE | bits_put(IOAPIC_MSI_ROUTE, bits_get(entry, IOAPIC_RTE_ROUTE)) |
	       bits_put(IOAPIC_MSI_LOGICAL, bits_get(entry, IOAPIC_RTE_LOGICAL));
}

/* A message's data has vector, delivery mode and trigger mode where an entry has them. */
static uint32_t message_data(uint64_t entry)
{
	return (uint32_t)(entry & (IOAPIC_RTE_VECTOR | IOAPIC_RTE_DELIVERY | IOAPIC_RTE_LEVEL));
}

/* Without an IOMMU the message leaves as it is; the fields are what a local APIC reads from it. */
static int remap(const struct viommu_ioapic *a, uint64_t entry, uint32_t flags,
		 struct viommu_msi *msi)
{
	uint64_t address = message_address(entry);
	uint32_t data = message_data(entry);

	if (a->iommu)
		return viommu_remap_msi(a->iommu, a->config.source, address, data, flags, msi);
	msi_as_it_is(a->vm, address, data, msi);
	return VIOMMU_OK;
}

/* Under the lock. */
static bool level_due(const struct viommu_ioapic *a, const struct ioapic_pin *pin)
{
	return ioapic_level(pin->entry) && !(pin->entry & (IOAPIC_RTE_MASK | IOAPIC_RTE_IRR)) &&
	       ioapic_asserted(a, pin);
}

/* A local APIC is about to accept the message that was made from this entry. */
static bool accept_level(struct viommu_ioapic *a, uint32_t n, uint64_t entry)
{
	struct ioapic_pin *pin = &a->pin[n];
	bool due;

	pthread_mutex_lock(&a->lock);
	due = level_due(a, pin) && pin->entry == entry;
	if (due)
		pin->entry |= IOAPIC_RTE_IRR;
	pthread_mutex_unlock(&a->lock);
	return due;
}

static void send(struct viommu_ioapic *a, uint32_t n, uint64_t entry)
{
	struct viommu_msi msi;
	bool wanted;

	if (remap(a, entry, 0, &msi) != VIOMMU_OK) {
		if (ioapic_level(entry))
			atomic_store(&a->refused, true);
		return;
	}
	wanted = !ioapic_level(entry) || accept_level(a, n, entry);
	/* What has been posted must be notified of, since nobody else will be told to. */
	if ((wanted || (msi.flags & VIOMMU_MSI_NOTIFY)) && a->config.deliver)
		a->config.deliver(a->config.opaque, n, &msi);
}

/* Is a level to be sent now, and the entry of that moment. */
static bool entry_due(struct viommu_ioapic *a, uint32_t n, uint64_t *entry)
{
	bool due;

	pthread_mutex_lock(&a->lock);
	*entry = a->pin[n].entry;
	due = level_due(a, &a->pin[n]);
	pthread_mutex_unlock(&a->lock);
	return due;
}

static void send_if_due(struct viommu_ioapic *a, uint32_t n)
{
	uint64_t entry;

	if (entry_due(a, n, &entry))
		send(a, n, entry);
}

/* ---- refused messages ---- */

static void may_pass_now(struct viommu_ioapic *a)
{
	a->retry = true;
}

/* A mapping that was made by this call may be the one. */
static bool maps_messages(const struct viommu_ioapic *a)
{
	return !a->iommu->engine->remap_msi && atomic_load(&a->refused);
}

static void invalidated(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	(void)source, (void)first, (void)last;
	may_pass_now(opaque);
}

/* Without interrupt remapping, a message goes where its address is mapped. */
static void mode_changed(void *opaque, struct viommu_device *device, uint32_t mode)
{
	(void)device, (void)mode;
	may_pass_now(opaque);
}

/* A pin that is still due: its message was refused. The tables are asked first: trying again is no
 * fault of the guest's. */
static void retry(struct viommu_ioapic *a, uint32_t n)
{
	struct viommu_msi msi;
	uint64_t entry;

	if (!entry_due(a, n, &entry))
		return;
	if (remap(a, entry, VIOMMU_MSI_RESOLVE, &msi) == VIOMMU_OK)
		send(a, n, entry);
	else
		atomic_store(&a->refused, true);
}

/* Once for whatever was invalidated, before any of it is reported complete. All pins at once: their
 * number is the host's. */
static bool settle(void *opaque)
{
	struct viommu_ioapic *a = opaque;

	if (!a->retry && !maps_messages(a))
		return true;
	a->retry = false;
	atomic_store(&a->refused, false); /* until one is once more */
	for (uint32_t n = 0; n < a->config.pins; n++)
		retry(a, n);
	return true;
}

/* ---- lines ---- */

int viommu_ioapic_set_line(struct viommu_ioapic *a, uint32_t n, uint32_t level)
{
	struct ioapic_pin *pin;
	uint64_t entry;
	bool before, due;

	if (!a || n >= a->config.pins || level > 1)
		return VIOMMU_EINVAL;
	pin = &a->pin[n];
	pthread_mutex_lock(&a->lock);
	before = ioapic_asserted(a, pin);
	pin->driven = true;
	pin->line = level;
	entry = pin->entry;
	if (ioapic_level(entry))
		due = level_due(a, pin);
	else
		due = !before && ioapic_asserted(a, pin) && !(entry & IOAPIC_RTE_MASK);
	pthread_mutex_unlock(&a->lock);
	if (due)
		send(a, n, entry);
	return VIOMMU_OK;
}

/*
 * 3.2.4 bit 14. Interrupts that the kernel delivered by a route of its own have not set remote IRR,
 * but are acknowledged as well.
 */
int viommu_ioapic_eoi(struct viommu_ioapic *a, uint32_t vector)
{
	bool matches[IOAPIC_PINS_MAX];

	if (!a || vector > 0xff)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&a->lock);
	for (uint32_t n = 0; n < a->config.pins; n++) {
		struct ioapic_pin *pin = &a->pin[n];

		matches[n] = ioapic_level(pin->entry) &&
			     bits_get(pin->entry, IOAPIC_RTE_VECTOR) == vector;
		if (matches[n])
			pin->entry &= ~IOAPIC_RTE_IRR;
	}
	pthread_mutex_unlock(&a->lock);
	for (uint32_t n = 0; n < a->config.pins; n++) {
		if (!matches[n])
			continue;
		if (a->config.acknowledged)
			a->config.acknowledged(a->config.opaque, n);
		send_if_due(a, n);
	}
	return VIOMMU_OK;
}

int viommu_ioapic_get_message(struct viommu_ioapic *a, uint32_t n,
			      struct viommu_ioapic_message *message)
{
	uint64_t entry;

	if (!a || n >= a->config.pins || !message)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&a->lock);
	entry = a->pin[n].entry;
	pthread_mutex_unlock(&a->lock);
	*message = (struct viommu_ioapic_message){
		.address = message_address(entry),
		.data = message_data(entry),
		.masked = (entry & IOAPIC_RTE_MASK) != 0,
		.level = ioapic_level(entry),
		.vector = (uint8_t)bits_get(entry, IOAPIC_RTE_VECTOR),
		.source = a->config.source,
	};
	return VIOMMU_OK;
}

/* ---- registers ---- */

/* The pin whose entry has a half at this index; the number of pins or more if none has. */
static uint32_t pin_of(uint32_t index)
{
	return index < IOAPIC_REDTBL ? UINT32_MAX : (index - IOAPIC_REDTBL) / 2;
}

/* Under the lock. Reserved registers read as 0. */
static uint32_t read_register(const struct viommu_ioapic *a)
{
	uint32_t n = pin_of(a->index);

	if (n < a->config.pins)
		return (uint32_t)(a->pin[bits_clamp_index(n, a->config.pins)].entry >>
				  (a->index & 1 ? 32 : 0));
	switch (a->index) {
	case IOAPIC_ID:
		return (uint32_t)bits_put(IOAPIC_ID_ID, a->id);
	case IOAPIC_VER:
		return (uint32_t)(bits_put(IOAPIC_VER_VERSION, a->config.version) |
				  bits_put(IOAPIC_VER_LAST, a->config.pins - 1));
	case IOAPIC_ARB: /* 3.2.3: loaded from the id; there is no bus to arbitrate for */
		if (a->config.version == IOAPIC_VERSION_82093AA)
			return (uint32_t)bits_put(IOAPIC_ID_ID, a->id);
		return 0;
	default:
		return 0;
	}
}

/* Under the lock. Whether what is sent, or whether it is, has changed. */
static bool write_half(struct ioapic_pin *pin, bool high, uint32_t value)
{
	uint64_t mask = IOAPIC_RTE_WRITABLE & (high ? BITS(63, 32) : BITS(31, 0));
	uint64_t old = pin->entry;

	pin->entry = (old & ~mask) | (((uint64_t)value << (high ? 32 : 0)) & mask);
	/* Software clears a remote IRR that nobody acknowledges by a turn to edge and back. */
	if (!ioapic_level(pin->entry))
		pin->entry &= ~IOAPIC_RTE_IRR;
	return ((old ^ pin->entry) & (IOAPIC_RTE_MESSAGE | IOAPIC_RTE_MASK)) != 0;
}

static void write_register(struct viommu_ioapic *a, uint32_t value)
{
	bool changed = false;
	uint32_t n;

	pthread_mutex_lock(&a->lock);
	n = pin_of(a->index);
	if (n < a->config.pins)
		changed = write_half(&a->pin[bits_clamp_index(n, a->config.pins)], a->index & 1,
				     value);
	else if (a->index == IOAPIC_ID)
		a->id = (uint32_t)bits_get(value, IOAPIC_ID_ID);
	pthread_mutex_unlock(&a->lock);
	if (n >= a->config.pins)
		return;
	if (changed && a->config.changed)
		a->config.changed(a->config.opaque, n);
	send_if_due(a, n);
}

int viommu_ioapic_read(struct viommu_ioapic *a, uint64_t offset, uint32_t bytes, uint64_t *value)
{
	uint32_t word = 0;

	if (!a || !value || bytes < 1 || bytes > 8)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&a->lock);
	if (offset == IOAPIC_REGSEL)
		word = a->index;
	else if (offset == IOAPIC_WIN)
		word = read_register(a);
	pthread_mutex_unlock(&a->lock);
	*value = word & bits_low(8 * bytes);
	return VIOMMU_OK;
}

int viommu_ioapic_write(struct viommu_ioapic *a, uint64_t offset, uint32_t bytes, uint64_t value)
{
	if (!a || bytes < 1 || bytes > 8)
		return VIOMMU_EINVAL;
	value &= bits_low(8 * bytes);
	if (offset == IOAPIC_REGSEL) {
		pthread_mutex_lock(&a->lock);
		a->index = (uint32_t)value & ioapic_index_mask(a);
		pthread_mutex_unlock(&a->lock);
	} else if (offset == IOAPIC_WIN && bytes == 4) {
		write_register(a, (uint32_t)value);
	} else if (offset == IOAPIC_EOI && bytes == 4 && a->config.version == IOAPIC_VERSION_EOI) {
		return viommu_ioapic_eoi(a, (uint32_t)bits_get(value, IOAPIC_EOI_VECTOR));
	}
	return VIOMMU_OK;
}

/* ---- creation ---- */

static int take_config(struct viommu_ioapic_config *config,
		       const struct viommu_ioapic_config *given)
{
	int result = abi_take(config, sizeof(*config),
			      offsetof(struct viommu_ioapic_config, opaque), given);

	if (result)
		return result;
	if (!config->pins)
		config->pins = IOAPIC_PINS_MIN;
	if (!config->version)
		config->version = IOAPIC_VERSION_EOI;
	if ((config->flags & ~VIOMMU_IOAPIC_LOGICAL_LINES) || config->pins < IOAPIC_PINS_MIN ||
	    config->pins > IOAPIC_PINS_MAX ||
	    (config->version != IOAPIC_VERSION_82093AA && config->version != IOAPIC_VERSION_EOI) ||
	    config->source > UINT16_MAX || config->id > bits_get(UINT64_MAX, IOAPIC_ID_ID))
		return VIOMMU_EINVAL;
	return VIOMMU_OK;
}

static int listen(struct viommu_ioapic *a)
{
	struct viommu_listener_config listener = { .size = sizeof(listener), .opaque = a };

	if (a->iommu->engine->remap_msi)
		listener.interrupts = invalidated;
	else
		listener.mode = mode_changed;
	return listener_new(a->iommu, NULL, &listener, settle, NULL, &a->listener);
}

static void free_all(struct viommu_ioapic *a)
{
	pthread_mutex_destroy(&a->lock);
	vm_dealloc(a->vm, a, sizeof(*a));
}

int viommu_ioapic_new(struct viommu_vm *vm, struct viommu *iommu,
		      const struct viommu_ioapic_config *given, struct viommu_ioapic **out)
{
	struct viommu_ioapic_config config;
	struct viommu_ioapic *a;
	int result;

	if (!vm || !out)
		return VIOMMU_EINVAL;
	result = take_config(&config, given);
	if (result)
		return result;
	a = vm_alloc(vm, sizeof(*a), _Alignof(struct viommu_ioapic));
	if (!a)
		return VIOMMU_ENOMEM;
	a->vm = vm;
	a->iommu = iommu;
	a->config = config;
	a->id = config.id;
	for (uint32_t n = 0; n < config.pins; n++)
		a->pin[n].entry = IOAPIC_RTE_MASK;
	pthread_mutex_init(&a->lock, NULL);
	result = iommu ? listen(a) : VIOMMU_OK;
	if (result) {
		free_all(a);
		return result;
	}
	*out = a;
	return VIOMMU_OK;
}

int viommu_ioapic_free(struct viommu_ioapic *a)
{
	int result;

	if (!a)
		return VIOMMU_OK;
	result = listener_free(a->listener);
	if (!result)
		free_all(a);
	return result;
}
