// SPDX-License-Identifier: BSD-3-Clause
//! What is the same for every engine: the part for any thread, and the registers.
use crate::*;
use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of an IOMMU or a device.
pub use crate::sys::viommu_statistics as Statistics;
/// Told about by [`Host::trace`]; the pointer in it is for comparisons only.
pub use crate::sys::viommu_trace as Trace;

callbacks! {
    /// What an IOMMU asks of its host, from any thread that uses it. Do not use its [`Registers`] from inside.
    Host: host_on of viommu_host {
        /// The engine raises an interrupt of its own: address, data.
        msi(address: u64, data: u32) guarded;
        /// Something that was pending can go on: call [`Registers::run`] soon.
        work() guarded;
        /// Why a configuration was refused.
        message(text: *const c_char) => (&str = &CStr::from_ptr(text).to_string_lossy()) guarded;
        /// Nanoseconds of a clock that never goes back.
        now() guarded -> u64 as u64 = identity, 0;
        /// Told of faults, fills, invalidations and completions.
        trace(event: *const sys::viommu_trace) => (&Trace = &*event) guarded;
        /// A wired interrupt has another level: number, level.
        line(number: u32, level: u32) => (u32 = number, bool = level != 0) guarded;
    }
}

config! {
    /// Sizes of caches, and caps on what a guest can make the library allocate.
    Limits = viommu_limits {
        tlb_entries: u32, contexts: u32, domains: u32, devices: u32, channels: u32, queue_budget: u32,
        outstanding: u32, tables: u32, channel_entries: u32, steps: u32, shadow: u32, partitions: u32,
    }
}

/// Frees something: true once it is free.
type Grave = Box<dyn FnMut() -> bool + Send>;

pub(crate) struct IommuInner {
    pub(crate) raw: Raw<sys::viommu>,
    pub(crate) vm: Arc<VmInner>,
    /// Callbacks of the host and the engine; LPIs of an ITS.
    keeps: Vec<Arc<dyn Any + Send + Sync>>,
    /// Held while the registers are in use: who frees something meanwhile leaves it in `graves`.
    serving: Mutex<()>,
    graves: Mutex<Vec<Grave>>,
    /// Viewers that were dropped, and never revoked.
    pub(crate) abandoned: Mutex<Vec<Raw<sys::viommu_viewer>>>,
    pub(crate) devices: Mutex<HashMap<usize, Weak<DeviceInner>>>,
}

/// A request of a virtio-iommu that is pending: the VMM's token, what C reads, what it writes, how much of that is used.
pub(crate) struct Kept {
    pub(crate) token: u64,
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
    pub(crate) used: usize,
}
/// By the token that C is given, which no other request has had, whatever the VMM's tokens are.
pub(crate) type Buffers = Mutex<(u64, HashMap<u64, Kept>)>;

impl IommuInner {
    /// Frees something as soon as C lets go of it: now, or after a call on the registers that is under way.
    pub(crate) fn bury(&self, free: impl FnMut() -> bool + Send + 'static) {
        lock(&self.graves).push(Box::new(free));
        self.reap_if_idle();
    }
    fn reap_if_idle(&self) {
        match self.serving.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            _alone => self.reap(),
        }
    }

    /// With `serving` held, or alone. What is freed may bury other things.
    fn reap(&self) {
        loop {
            let graves = std::mem::take(&mut *lock(&self.graves));
            let (before, mut left) = (graves.len(), vec![]);
            for mut free in graves {
                if free() {
                    // What a callback has captured is the VMM's, and may panic when it is dropped: not out of here,
                    // where C has handles that nobody has yet.
                    guarded((), || drop(free));
                } else {
                    left.push(free);
                }
            }
            let freed = left.len() < before;
            lock(&self.graves).extend(left);
            if !freed {
                return;
            }
        }
    }
}

impl Drop for IommuInner {
    fn drop(&mut self) {
        // There is no guest any more that could be told of a completion: what nobody has promised is not needed.
        for viewer in std::mem::take(&mut *lock(&self.abandoned)) {
            // SAFETY: viommu_view_revoke(): "Any thread, any time"; it is freed below, and no earlier.
            unsafe { sys::viommu_view_revoke(viewer.get()) };
        }
        self.reap();
        // SAFETY: viommu_free(): "Alone": whatever is behind the IOMMU holds an Arc of it.
        if unsafe { sys::viommu_free(self.raw.get()) } != sys::VIOMMU_OK {
            // A guard was forgotten: its device stays, and all that it stands on.
            std::mem::forget(std::mem::take(&mut *lock(&self.graves)));
            std::mem::forget(std::mem::take(&mut self.keeps));
            std::mem::forget(self.vm.clone());
        }
    }
}

/// An IOMMU, as any thread may use it.
#[derive(Clone)]
pub struct Iommu(pub(crate) Arc<IommuInner>);

/// The registers of an IOMMU, and what else is done by one thread at a time. There is one of it: if several
/// threads serve it, put it in a mutex, which no callback takes.
pub struct Registers {
    pub(crate) inner: Arc<IommuInner>,
    /// Kept by the callbacks, too.
    pub(crate) buffers: Arc<Buffers>,
    _not_sync: OneThread,
}

/// If the clock panics, it stands still.
fn steady(clock: Clock) -> Clock {
    let last = AtomicU64::new(0);
    Box::new(move || {
        let now = guarded(0, &clock);
        last.fetch_max(now, Ordering::Relaxed).max(now)
    })
}
type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// Creates an IOMMU with what C wants besides its own configuration.
pub(crate) fn create(
    vm: &Vm, host: Host, limits: &Limits, mut keeps: Vec<Arc<dyn Any + Send + Sync>>,
    new: impl FnOnce(*mut sys::viommu_vm, &sys::viommu_host, &sys::viommu_limits, &mut *mut sys::viommu) -> c_int,
) -> Result<(Iommu, Registers)> {
    let host = Arc::new(Host { now: host.now.map(steady), ..host });
    let callbacks = host.given(sized!(viommu_host));
    let raw = vm.0.call(|vm| made(|raw| new(vm, &callbacks, &limits.raw(), raw)))?;
    keeps.push(host);
    let inner = Arc::new(IommuInner {
        raw: Raw::new(raw),
        vm: vm.0.clone(),
        keeps,
        serving: Mutex::new(()),
        graves: Mutex::default(),
        abandoned: Mutex::default(),
        devices: Mutex::default(),
    });
    Ok((Iommu(inner.clone()), Registers { inner, buffers: Arc::default(), _not_sync: PhantomData }))
}

impl Limits {
    /// How many bytes of a VM's arena an IOMMU takes with these limits: of the private part, and of windows.
    pub fn arena_bytes(&self) -> Result<(u64, u64)> {
        let (mut own, mut windows) = (0, 0);
        // SAFETY: viommu_arena_bytes(): "Any thread, any time".
        done(unsafe { sys::viommu_arena_bytes(&self.raw(), &mut own, &mut windows) }).map(|()| (own, windows))
    }
}

impl Iommu {
    /// C's handle, for functions of [`sys`] that are not here: good as long as this exists.
    pub fn raw(&self) -> *mut sys::viommu {
        self.0.raw.get()
    }
    pub(crate) fn call<R>(&self, f: impl FnOnce(*mut sys::viommu) -> R) -> R {
        f(self.raw())
    }
    /// "vtd", "amdvi", "smmuv3", "riscv", "virtio", "tce", "its", "lpis".
    pub fn engine(&self) -> &'static str {
        // SAFETY: viommu_get_engine(): "Any thread, any time"; a constant string.
        unsafe { CStr::from_ptr(sys::viommu_get_engine(self.raw())) }.to_str().unwrap_or("")
    }
    /// What a fault reason means.
    pub fn reason_text(&self, reason: u32) -> &'static str {
        // SAFETY: viommu_reason_text(): "Any thread, any time"; a constant string, never NULL.
        unsafe { CStr::from_ptr(sys::viommu_reason_text(self.raw(), reason)) }.to_str().unwrap_or("")
    }
    /// The device that has an id.
    pub fn find_device(&self, id: u32) -> Result<Device> {
        // SAFETY: viommu_find_device(): "Any thread, any time". Somebody may free it meanwhile: it is only compared.
        let raw = made(|to| unsafe { sys::viommu_find_device(self.raw(), id, to) })?;
        let inner = lock(&self.0.devices).get(&(raw as usize)).and_then(Weak::upgrade);
        inner.map(Device).ok_or(Error::NotFound)
    }
}

// "Any thread, any time".
calls! { Iommu, me: &Self => me;
    /// How large the register space is.
    register_bytes() -> u64 = identity, viommu_get_register_bytes;
    /// How often something was refused for a reason.
    faults(reason: u32) -> u64 = identity, viommu_get_faults;
    /// Counters of all devices together.
    statistics() -> Result<Statistics> = fill(sized!(viommu_statistics)), viommu_get_statistics;
}

// "One at a time per handle": Registers::call().
calls! { Registers, me: &mut Self => me;
    /// The guest reads a register.
    read(offset: u64, bytes: u32) -> Result<u64> = fill(0), viommu_reg_read;
    /// The guest writes a register.
    write(offset: u64, bytes: u32, value: u64) -> Result<Progress> = progress, viommu_reg_write;
    /// Continues what an earlier call left.
    run() -> Result<Progress> = progress, viommu_run;
    /// A reset of the machine.
    reset() -> Result<Progress> = progress, viommu_reset;
    /// Forgets everything that is cached.
    flush() -> Result<Progress> = progress, viommu_flush;
}

/// A saved state: bytes that mean the same on every host. Not trusted when it is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(pub Vec<u8>);
#[cfg(feature = "serde")]
impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for State {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<State, D::Error> {
        Vec::deserialize(from).map(State)
    }
}

/// Asks for the size, then for the state.
pub(crate) fn save(mut call: impl FnMut(*mut c_void, &mut u64) -> c_int) -> Result<State> {
    let mut bytes = 0;
    match call(ptr::null_mut(), &mut bytes) {
        sys::VIOMMU_ENOSPC => {}
        other => done(other)?,
    }
    let mut state = vec![0u8; bytes as usize];
    done(call(state.as_mut_ptr().cast(), &mut bytes))?;
    state.truncate(bytes as usize);
    Ok(State(state))
}

impl Registers {
    /// Makes a call that is one at a time together with the registers, then frees what was dropped meanwhile.
    pub(crate) fn call(&mut self, f: impl FnOnce(*mut sys::viommu) -> c_int) -> c_int {
        let serving = lock(&self.inner.serving);
        let result = f(self.inner.raw.get());
        drop(serving);
        // After that, so that nobody who found it locked is left behind.
        self.inner.reap_if_idle();
        result
    }
    /// Makes a handle that stands on the IOMMU, together with the registers.
    pub(crate) fn hold<T, C: Send + Sync>(
        &mut self, callbacks: Arc<C>, free: Free<T>, new: impl FnOnce(*mut sys::viommu, &mut *mut T) -> c_int,
    ) -> Result<Held<T, C>> {
        let raw = made(|to| self.call(|iommu| new(iommu, to)))?;
        Ok(Held::new(raw, callbacks, self.inner.clone(), free))
    }
    /// The part for any thread.
    pub fn iommu(&self) -> Iommu {
        Iommu(self.inner.clone())
    }
}
// As above.
saves!(Registers, me: &mut Self => me, Result<Progress> = progress, viommu_save, viommu_restore);

/// Calls C with a closure that may panic: it is not called again, and the panic goes on when C has returned.
pub(crate) fn resuming<A>(mut f: impl FnMut(A) -> bool, call: impl FnOnce(*mut c_void) -> c_int) -> Result<Outcome> {
    let mut panic = None;
    let mut told = |argument| match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(argument))) {
        Ok(go_on) => c_int::from(!go_on),
        Err(caught) => {
            panic = Some(caught);
            1
        }
    };
    let mut closure: Closure<'_, A> = &mut told;
    let result = call(&mut closure as *mut Closure<'_, A> as *mut c_void);
    if let Some(caught) = panic {
        std::panic::resume_unwind(caught);
    }
    check(result)
}
type Closure<'a, A> = &'a mut dyn FnMut(A) -> c_int;
/// What C calls then.
///
/// # Safety
/// In a call of resuming() with arguments of this type, with its `opaque`.
pub(crate) unsafe fn resume<A>(o: *mut c_void, argument: A) -> c_int {
    // SAFETY: see above: its frame is below this one.
    unsafe { (*(o as *mut Closure<'_, A>))(argument) }
}
