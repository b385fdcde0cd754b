// SPDX-License-Identifier: BSD-3-Clause
//! A virtual machine and its memory.
use crate::*;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use std::sync::MutexGuard;

/// Guest memory that stays where it is mapped for as long as the object exists.
///
/// # Safety
/// `host()` is valid for reads of `bytes()` bytes, and for writes unless it is given to be read only, in every thread, until
/// the object is dropped, and always the same. Nobody has Rust references into it: the guest, or another process, writes
/// there at any time.
pub unsafe trait HostMemory: Send + Sync + 'static {
    /// Where it is mapped.
    fn host(&self) -> NonNull<u8>;
    /// How long it is.
    fn bytes(&self) -> u64;
}

callbacks! {
    /// What serves guest addresses outside the regions, and is told of what the library writes. From every thread that
    /// translates. If one panics there is no such memory.
    MemoryCallbacks: memory_on of viommu_vm_config {
        /// Reads 1 to 64 bytes; false: there is no such memory.
        read(gpa: u64, to: *mut c_void, bytes: u32) => (u64 = gpa, &mut [u8] = fresh(to, bytes)) guarded
            -> bool as c_int = taken, -1;
        /// Writes 1 to 64 bytes.
        write(gpa: u64, from: *const c_void, bytes: u32)
             => (u64 = gpa, &[u8] = from_raw_parts(from.cast(), bytes as usize)) guarded -> bool as c_int = taken, -1;
        /// Atomically compares the word with the second argument and, if it is equal, stores the third; the second
        /// receives what was found.
        swap(gpa: u64, expected: *mut c_void, desired: *const c_void, bytes: u32)
             => (u64 = gpa, &mut [u8] = from_raw_parts_mut(expected.cast(), bytes as usize),
                &[u8] = from_raw_parts(desired.cast(), bytes as usize)) guarded -> bool as c_int = taken, -1;
        /// The library has written so many bytes from this address on. If it panics, the process aborts.
        dirty(gpa: u64, bytes: u64) vital;
    }
}
/// C's buffer, which may not have been written yet: zeroed before there is a reference to it.
///
/// # Safety
/// It has that many bytes.
unsafe fn fresh<'a>(to: *mut c_void, bytes: u32) -> &'a mut [u8] {
    // SAFETY: see above.
    unsafe {
        ptr::write_bytes(to.cast::<u8>(), 0, bytes as usize);
        from_raw_parts_mut(to.cast(), bytes as usize)
    }
}

/// Memory that the library alone writes: an arena in its owner, or a window of one that a device process has mapped.
pub struct LibraryMemory(pub(crate) Arc<dyn HostMemory>);
impl LibraryMemory {
    /// # Safety
    /// Nothing else ever writes there, in any process. An arena is zeroed, and given once; a window is what the owner said it
    /// is ([`Window`](crate::Window)).
    pub unsafe fn new(memory: Arc<dyn HostMemory>) -> LibraryMemory {
        LibraryMemory(memory)
    }
}

/// How to create a VM.
#[derive(Default)]
pub struct VmConfig {
    /// Sections cost no fence: for guests whose mappings are static (`VIOMMU_VM_MEMBARRIER`).
    pub membarrier: bool,
    /// The guest may use extended destination ids (`VIOMMU_VM_EXT_DEST_ID`).
    pub ext_dest_id: bool,
    /// Guest memory outside the regions.
    pub memory: MemoryCallbacks,
    /// Where everything lies that the library allocates for the VM: see [`Limits::arena_bytes`](crate::Limits).
    pub arena: Option<LibraryMemory>,
    /// Where windows begin in the arena, for other processes to map; 0: they lie among the rest.
    pub arena_windows: u64,
}

#[derive(Default)]
struct Map {
    here: Vec<(u64, Arc<dyn HostMemory>)>,
    leaving: Vec<Arc<dyn HostMemory>>,
}
/// What C has of a VM. Whatever is of a VM holds an Arc of it: if an IOMMU could not be freed, its memory stays.
pub(crate) struct VmKeep {
    map: Mutex<Map>,
    _callbacks: Arc<MemoryCallbacks>,
    _arena: Option<Arc<dyn HostMemory>>,
}
pub(crate) type VmInner = Owned<sys::viommu_vm, VmKeep>;

/// A virtual machine: its memory, and what all of its IOMMUs share.
#[derive(Clone)]
pub struct Vm(pub(crate) Arc<VmInner>);

impl Vm {
    /// C's handle, for functions of [`sys`] that are not here: good as long as this exists.
    pub fn raw(&self) -> *mut sys::viommu_vm {
        self.0.call(identity)
    }
    /// Creates a VM without memory.
    pub fn new(config: VmConfig) -> Result<Vm> {
        let callbacks = Arc::new(config.memory);
        let mut flags = if config.membarrier { sys::VIOMMU_VM_MEMBARRIER } else { 0 };
        flags |= if config.ext_dest_id { sys::VIOMMU_VM_EXT_DEST_ID } else { 0 };
        let size = sized!(viommu_vm_config);
        let mut raw_config = callbacks.given(sys::viommu_vm_config { flags, ..size });
        let arena = config.arena.map(|arena| arena.0);
        if let Some(arena) = &arena {
            (raw_config.arena, raw_config.arena_bytes) = (arena.host().as_ptr().cast(), arena.bytes());
            raw_config.arena_windows = config.arena_windows;
        }
        let keep = VmKeep { map: Mutex::default(), _callbacks: callbacks, _arena: arena };
        // SAFETY: viommu_vm_new(): "Any thread, any time"; callbacks and arena live as long as the VM.
        let inner = Owned::new(keep, sys::viommu_vm_free, |to| unsafe { sys::viommu_vm_new(&raw_config, to) })?;
        Ok(Vm(Arc::new(inner)))
    }

    /// Adds guest memory at a multiple of 4096.
    pub fn add_region(&self, gpa: u64, memory: Arc<dyn HostMemory>, readonly: bool) -> Result<()> {
        let mut map = lock(&self.0.keep.map);
        let region = region(gpa, &*memory, readonly);
        // SAFETY: viommu_vm_add_region(): "One at a time per handle": under `map`, which keeps the memory.
        done(self.0.call(|vm| unsafe { sys::viommu_vm_add_region(vm, &region) }))?;
        map.here.push((gpa, memory));
        Ok(())
    }

    /// Puts other memory of the same size in the place of a region, in one step.
    pub fn replace_region(&self, gpa: u64, memory: Arc<dyn HostMemory>, readonly: bool) -> Result<()> {
        let mut map = lock(&self.0.keep.map);
        let region = region(gpa, &*memory, readonly);
        let at = map.here.iter().position(|r| r.0 == gpa).ok_or(Error::NotFound)?;
        // SAFETY: viommu_vm_replace_region(): "One at a time per handle": under `map`, which keeps both memories.
        done(self.0.call(|vm| unsafe { sys::viommu_vm_replace_region(vm, &region) }))?;
        let old = std::mem::replace(&mut map.here[at].1, memory);
        map.leaving.push(old);
        Ok(())
    }

    /// Removes a region. Its memory is dropped by [`Vm::quiesce`] or [`Vm::wait`].
    pub fn remove_region(&self, gpa: u64) -> Result<()> {
        let mut map = lock(&self.0.keep.map);
        let at = map.here.iter().position(|r| r.0 == gpa).ok_or(Error::NotFound)?;
        // SAFETY: viommu_vm_remove_region(): "One at a time per handle": under `map`.
        done(self.0.call(|vm| unsafe { sys::viommu_vm_remove_region(vm, gpa) }))?;
        let gone = map.here.swap_remove(at).1;
        map.leaving.push(gone);
        Ok(())
    }

    /// Whether every section that could use removed memory has ended. If so, that memory has been dropped.
    pub fn quiesce(&self) -> Result<Progress> {
        let map = lock(&self.0.keep.map);
        // SAFETY: viommu_vm_quiesce(): "One at a time per handle": under `map`.
        let progress = progress(self.0.call(|vm| unsafe { sys::viommu_vm_quiesce(vm) }))?;
        if progress == Progress::Done {
            let_go(map);
        }
        Ok(progress)
    }

    /// Waits until [`Vm::quiesce`] is done. With a section of the VM open in this thread, it waits forever.
    pub fn wait(&self) -> Result<()> {
        let map = lock(&self.0.keep.map);
        // SAFETY: viommu_vm_wait(): "One at a time per handle, together with viommu_vm_quiesce()": under `map`.
        done(self.0.call(|vm| unsafe { sys::viommu_vm_wait(vm) })).map(|()| let_go(map))
    }
}
/// What nobody can be using any more is dropped, with no lock held: what that does is the VMM's.
fn let_go(mut map: MutexGuard<'_, Map>) {
    let gone = std::mem::take(&mut map.leaving);
    drop(map);
    drop(gone);
}

pub(crate) fn region(gpa: u64, memory: &dyn HostMemory, readonly: bool) -> sys::viommu_region {
    sys::viommu_region {
        flags: if readonly { sys::VIOMMU_REGION_READONLY } else { 0 },
        gpa,
        bytes: memory.bytes(),
        host: memory.host().as_ptr().cast(),
        ..sized!(viommu_region)
    }
}
