// SPDX-License-Identifier: BSD-3-Clause
//! Handles of C's, and what they stand on.
use crate::*;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

/// Of a type that may move to another thread, and is not shared.
pub(crate) type OneThread = PhantomData<Cell<()>>;

/// A C handle. The type around it says which threads may use it.
pub(crate) struct Raw<T>(*mut T);
// SAFETY: a pointer that nothing is done with here; functions are called by types that keep their thread sentence.
unsafe impl<T> Send for Raw<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Raw<T> {}
impl<T> Raw<T> {
    pub(crate) fn new(raw: *mut T) -> Raw<T> {
        Raw(raw)
    }
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}
impl<T> Clone for Raw<T> {
    fn clone(&self) -> Raw<T> {
        Raw(self.0)
    }
}

/// What a function of C's makes.
pub(crate) fn made<T>(new: impl FnOnce(&mut *mut T) -> c_int) -> Result<*mut T> {
    let mut raw = ptr::null_mut();
    done(new(&mut raw)).map(|()| raw)
}

/// How C frees a handle.
pub(crate) type Free<T> = unsafe extern "C" fn(*mut T) -> c_int;

/// A handle, and what it stands on. If C does not let go of it when it is dropped, all that stays.
pub(crate) struct Owned<T, K, B = ()> {
    raw: Raw<T>,
    pub(crate) keep: ManuallyDrop<K>,
    busy: B,
    free: Free<T>,
}
/// The same for one thread at a time: it is not Sync, and what C calls back cannot use it from inside.
pub(crate) type Alone<T, K> = Owned<T, K, Cell<bool>>;
impl<T, K, B: Default> Owned<T, K, B> {
    pub(crate) fn new(keep: K, free: Free<T>, new: impl FnOnce(&mut *mut T) -> c_int) -> Result<Self> {
        let raw = Raw(made(new)?);
        Ok(Owned { raw, keep: ManuallyDrop::new(keep), busy: B::default(), free })
    }
}
impl<T, K> Owned<T, K> {
    pub(crate) fn call<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.raw.0)
    }
}
impl<T, K> Alone<T, K> {
    pub(crate) fn call(&self, f: impl FnOnce(*mut T) -> c_int) -> c_int {
        if self.busy.replace(true) {
            return sys::VIOMMU_EBUSY;
        }
        let result = f(self.raw.0);
        self.busy.set(false);
        result
    }
}
impl<T, K, B> Drop for Owned<T, K, B> {
    fn drop(&mut self) {
        // SAFETY: "Alone": nobody has it any more. What it stands on is dropped once, here.
        unsafe {
            if (self.free)(self.raw.0) == sys::VIOMMU_OK {
                ManuallyDrop::drop(&mut self.keep);
            }
        }
    }
}

/// A handle that stands on an IOMMU, and what C calls of it. It is freed when C lets go of it.
pub(crate) struct Held<T: 'static, C: Send + Sync + 'static> {
    raw: Raw<T>,
    pub(crate) callbacks: Arc<C>,
    pub(crate) iommu: Arc<IommuInner>,
    free: Free<T>,
}
impl<T, C: Send + Sync> Held<T, C> {
    pub(crate) fn new(raw: *mut T, callbacks: Arc<C>, iommu: Arc<IommuInner>, free: Free<T>) -> Held<T, C> {
        Held { raw: Raw(raw), callbacks, iommu, free }
    }
    pub(crate) fn call<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.raw.0)
    }
}
impl<T, C: Send + Sync> Drop for Held<T, C> {
    fn drop(&mut self) {
        let (raw, callbacks, free) = (self.raw.clone(), self.callbacks.clone(), self.free);
        self.iommu.bury(move || {
            let _keep = &callbacks;
            // SAFETY: viommu_*_free(): "Alone", or together with the registers: nobody has the handle any more, and
            // bury() sees to the registers. VIOMMU_EBUSY: it is tried again.
            unsafe { free(raw.get()) == sys::VIOMMU_OK }
        });
    }
}
