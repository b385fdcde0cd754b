// SPDX-License-Identifier: BSD-3-Clause
//! Interrupt messages, their routes, and an I/O APIC.
use crate::*;
use std::sync::OnceLock;

/// What an interrupt has become: `kind` is `sys::VIOMMU_MSI_KIND_*`.
pub use crate::sys::viommu_msi as Message;
/// Counters of [`Routes`].
pub use crate::sys::viommu_routes_statistics as RoutesStatistics;

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A requester id, as the bus reports it.
    Id(u32),
    /// Nobody knows: where the guest has sources verified, it is refused.
    Unknown,
    /// Nobody knows, but the VMM vouches for it.
    Trusted,
}

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remapped {
    /// It is to be delivered.
    Message(Message),
    /// It is not, for the architecture's reason; 0: nothing is recorded.
    Refused(u16),
}
fn remapped(call: impl FnOnce(&mut Message) -> i32) -> Result<Remapped> {
    let mut message = Message::default();
    let granted = granted(call(&mut message))?;
    Ok(if granted { Remapped::Message(message) } else { Remapped::Refused(message.reason) })
}

impl Iommu {
    fn remap(&self, sender: Sender, address: u64, data: u32, flags: u32) -> Result<Remapped> {
        let (source, flags) = match sender {
            Sender::Id(id) => (id, flags),
            Sender::Unknown => (0, flags | sys::VIOMMU_MSI_NO_SOURCE),
            Sender::Trusted => (0, flags | sys::VIOMMU_MSI_NO_SOURCE | sys::VIOMMU_MSI_TRUSTED),
        };
        // SAFETY: viommu_remap_msi(): "Any thread, any time".
        remapped(|to| unsafe { sys::viommu_remap_msi(self.raw(), source, address, data, flags, to) })
    }
    /// What a message means that is delivered now: do both inside one section of any device behind the IOMMU.
    pub fn remap_msi(&self, sender: Sender, address: u64, data: u32) -> Result<Remapped> {
        self.remap(sender, address, data, 0)
    }
    /// What it would mean: no fault is recorded, and nothing changes. [`Routes`] say when the answer is out of date.
    pub fn resolve_msi(&self, sender: Sender, address: u64, data: u32) -> Result<Remapped> {
        self.remap(sender, address, data, sys::VIOMMU_MSI_RESOLVE)
    }
    /// Tells every structure that decides about a message; as [`DeviceRef::explain`](crate::DeviceRef::explain).
    pub fn explain_msi(
        &self, source: u32, address: u64, data: u32, caches: bool, step: impl FnMut(Step) -> bool,
    ) -> Result<Outcome> {
        let (raw, flags) = (self.raw(), if caches { sys::VIOMMU_EXPLAIN_CACHES } else { 0 });
        // SAFETY: viommu_explain_msi(): "Any thread, any time"; the callback is for the time of the call.
        explain(step, |f, o| unsafe { sys::viommu_explain_msi(raw, source, address, data, flags, Some(f), o) })
    }
}

/// Where an interrupt comes from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A device's message: requester id, address, data.
    Msi(u32, u64, u32),
    /// A pin of an I/O APIC, as it is programmed now: set the route again when it says `changed`.
    Pin(&'a Ioapic, u32),
    /// It must not deliver, and takes no slot in the kernel's table.
    Masked,
}

/// What is to be done about a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteState {
    /// The kernel may have it; with `VIOMMU_MSI_POSTED` only together with the posted descriptor.
    Deliver(Message),
    /// The kernel keeps it for acknowledgements; nothing may raise it.
    Masked(Message),
    /// The kernel must not have it: each interrupt goes through [`RoutesRef::deliver`], and may get through.
    Ask,
    /// The kernel must not have it.
    Gone,
}
fn state(change: &sys::viommu_route_change) -> RouteState {
    let has = |flag| change.flags & flag != 0;
    match () {
        _ if has(sys::VIOMMU_ROUTE_VALID) && has(sys::VIOMMU_ROUTE_MASKED) => RouteState::Masked(change.msi),
        _ if has(sys::VIOMMU_ROUTE_VALID) => RouteState::Deliver(change.msi),
        _ if has(sys::VIOMMU_ROUTE_ASK) => RouteState::Ask,
        _ => RouteState::Gone,
    }
}

callbacks! {
    /// What C calls of routes; theirs is the argument of [`Registers::routes`].
    #[doc(hidden)]
    RoutesHost: routes_on of viommu_routes_config {
        /// Some have changed.
        changed() vital;
    }
}

/// The interrupt routes of a VM (KVM's GSIs): resolved once, told when they change. Methods are those of [`RoutesRef`].
#[derive(Clone)]
pub struct Routes(Arc<Held<sys::viommu_routes, RoutesHost>>);
impl Deref for Routes {
    type Target = RoutesRef;
    fn deref(&self) -> &RoutesRef {
        // SAFETY: the handle lives as long as the Arc; RoutesRef has no bytes of its own.
        self.0.call(|raw| unsafe { RoutesRef::of(raw) })
    }
}
named! {
    /// Routes as any thread may use them, also in their callback.
    RoutesRef = viommu_routes
}

impl Registers {
    /// Creates a route cache for ids below `gsis`. `changed`: [`RoutesRef::drain`] them, and tell the kernel before you
    /// return; if it panics, the process aborts.
    pub fn routes(&mut self, gsis: u32, changed: impl Fn(&RoutesRef) + Send + Sync + 'static) -> Result<Routes> {
        let me = Arc::new(OnceLock::<Raw<sys::viommu_routes>>::new());
        let of = me.clone();
        let changed: Callback<dyn Fn() + Send + Sync> = Some(Box::new(move || {
            if let Some(raw) = of.get() {
                // SAFETY: they exist while they call this.
                changed(unsafe { RoutesRef::of(raw.get()) })
            }
        }));
        let host = Arc::new(RoutesHost { changed });
        let config = host.given(sys::viommu_routes_config { gsis, ..sized!(viommu_routes_config) });
        // SAFETY: viommu_routes_new(): "One at a time per handle of the IOMMU": hold().
        let held = self
            .hold(host, sys::viommu_routes_free, |iommu, raw| unsafe { sys::viommu_routes_new(iommu, &config, raw) })?;
        held.call(|raw| me.get_or_init(|| Raw::new(raw)));
        Ok(Routes(Arc::new(held)))
    }
}
impl RoutesRef {
    /// Adds a route, or replaces it, and resolves it. False: it does not resolve now; its interrupts go through
    /// [`RoutesRef::deliver`].
    pub fn set(&self, gsi: u32, source: Source<'_>) -> Result<bool> {
        let mut route = sys::viommu_route { gsi, ..sized!(viommu_route) };
        match source {
            Source::Msi(source, address, data) => (route.source, route.address, route.data) = (source, address, data),
            Source::Pin(ioapic, pin) => (route.ioapic, route.pin) = (ioapic.0.call(|raw| raw), pin),
            Source::Masked => route.flags = sys::VIOMMU_ROUTE_MASKED,
        }
        // SAFETY: viommu_routes_set(): "Any thread, any time"; the I/O APIC is borrowed, and not used afterwards.
        granted(self.call(|raw| unsafe { sys::viommu_routes_set(raw, &route) }))
    }
    /// What a route delivers now.
    pub fn lookup(&self, gsi: u32) -> Result<RouteState> {
        let mut change = sys::viommu_route_change::default();
        // SAFETY: viommu_routes_lookup(): "Any thread, any time".
        done(self.call(|raw| unsafe { sys::viommu_routes_lookup(raw, gsi, &mut change) })).map(|()| state(&change))
    }
    /// Delivers an interrupt of a route that the kernel does not have. A refusal with reason 0: it is masked.
    pub fn deliver(&self, gsi: u32) -> Result<Remapped> {
        // SAFETY: viommu_routes_deliver(): "Any thread, any time".
        remapped(|to| self.call(|raw| unsafe { sys::viommu_routes_deliver(raw, gsi, to) }))
    }
    /// Takes the routes that changed since the last time: id, and what is to be done.
    pub fn drain(&self) -> Result<Vec<(u32, RouteState)>> {
        let (mut all, mut some) = (vec![], [sys::viommu_route_change::default(); 64]);
        loop {
            let (to, max, mut count) = (some.as_mut_ptr(), some.len() as u32, 0);
            // SAFETY: viommu_routes_drain(): "Any thread, any time"; there is room.
            let result = self.call(|raw| unsafe { sys::viommu_routes_drain(raw, to, max, &mut count) });
            let outcome = check(result)?;
            all.extend(some[..count as usize].iter().map(|change| (change.gsi, state(change))));
            match outcome {
                Outcome::Done => return Ok(all),
                Outcome::More => {}
                _ => return Err(Error::Internal),
            }
        }
    }
}
// "Any thread, any time".
calls! { RoutesRef, me: &Self => me;
    /// Removes a route.
    remove(gsi: u32) -> Result<()> = done, viommu_routes_remove;
    /// Its counters.
    statistics() -> Result<RoutesStatistics> = fill(sized!(viommu_routes_statistics)), viommu_routes_get_statistics;
}

config! {
    /// How to create an I/O APIC; `flags`: `sys::VIOMMU_IOAPIC_*`.
    IoapicConfig = viommu_ioapic_config { flags: u32, pins: u32, version: u32, source: u32, id: u32 }
}
callbacks! {
    /// What an I/O APIC tells, of a pin.
    IoapicHost: ioapic_on of viommu_ioapic_config {
        /// Its message, remapped.
        deliver(pin: u32, message: *const Message) => (u32 = pin, &Message = &*message) guarded;
        /// Its route is out of date. If it panics, the process aborts.
        changed(pin: u32) vital;
        /// A level-triggered one was acknowledged.
        acknowledged(pin: u32) guarded;
    }
}
/// What a pin would send, before remapping.
pub use crate::sys::viommu_ioapic_message as PinMessage;

/// An I/O APIC (82093AA), for any thread.
#[derive(Clone)]
pub struct Ioapic(Arc<Held<sys::viommu_ioapic, IoapicHost>>);
impl Registers {
    /// Creates an I/O APIC whose messages go through the IOMMU. `host` may hold it weakly (`OnceLock<Weak<..>>`).
    pub fn ioapic(&mut self, config: &IoapicConfig, host: IoapicHost) -> Result<Ioapic> {
        let (host, vm) = (Arc::new(host), self.inner.vm.call(identity));
        let raw = host.given(config.raw());
        // SAFETY: viommu_ioapic_new(): "One at a time per handle of the IOMMU": hold().
        let held = self
            .hold(host, sys::viommu_ioapic_free, |iommu, to| unsafe { sys::viommu_ioapic_new(vm, iommu, &raw, to) })?;
        Ok(Ioapic(Arc::new(held)))
    }
}
// "Any thread, any time".
calls! { Ioapic, me: &Self => me.0;
    /// The guest reads its window.
    read(offset: u64, bytes: u32) -> Result<u64> = fill(0), viommu_ioapic_read;
    /// The guest writes its window.
    write(offset: u64, bytes: u32, value: u64) -> Result<()> = done, viommu_ioapic_write;
    /// Sets the level of an input line.
    set_line(pin: u32, level: bool => level.into()) -> Result<()> = done, viommu_ioapic_set_line;
    /// A local APIC broadcasts an EOI.
    eoi(vector: u32) -> Result<()> = done, viommu_ioapic_eoi;
    /// What a pin would send.
    message(pin: u32) -> Result<PinMessage> = fill(PinMessage::default()), viommu_ioapic_get_message;
}
saves!(Ioapic, me: &Self => me.0, Result<()> = done, viommu_ioapic_save, viommu_ioapic_restore);
