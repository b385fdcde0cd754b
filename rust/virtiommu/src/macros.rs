// SPDX-License-Identifier: BSD-3-Clause
//! What is written once: callbacks, methods that pass their arguments on, configurations.

/// The first of some expressions: what a repetition has, or else a default.
macro_rules! first {
    ($first:expr $(, $rest:expr)* $(,)?) => {
        $first
    };
}

/// The type of a closure, and a call of it.
macro_rules! closure {
    ([$($c:ty),*] $(-> $ret:ty)?) => { dyn Fn($($c),*) $(-> $ret)? + Send + Sync };
    ([$($c:ty),*] [$($rust:ty),*] $(-> $ret:ty)?) => { dyn Fn($($rust),*) $(-> $ret)? + Send + Sync };
    ($call:ident, [$($arg:expr),*]) => { $call($($arg),*) };
    // SAFETY: what C points to is there during the call.
    ($call:ident, [$($arg:expr),*] [$($conv:expr),*]) => { $call($(unsafe { $conv }),*) };
}

/// What C calls: a structure of closures, and in the module `$on` for each the function that C is given, whose `opaque`
/// is the structure or begins with it. The closure has C's arguments, or `=> (type = conversion, ..)`. A result is
/// `-> Rust's as C's = conversion, what C is answered if there is a panic`.
macro_rules! callbacks {
    ($(#[$doc:meta])* $name:ident: $on:ident of $raw:ident { $($(#[$fdoc:meta])*
        $field:ident($($arg:ident: $c:ty),*) $(=> ($($rust:ty = $conv:expr),*))? $guard:ident
        $(-> $ret:ty as $cret:ty = $back:expr, $instead:expr)?;)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub struct $name {
            $($(#[$fdoc])*
            pub $field: Callback<closure!([$($c),*] $([$($rust),*])? $(-> $ret)?)>,)*
        }
        impl $name {
            /// What C is given of callbacks that stay where they are: the function of each that there is.
            pub(crate) fn given(&self, raw: sys::$raw) -> sys::$raw {
                let opaque = self as *const $name as *mut c_void;
                let mut raw = sys::$raw { opaque, ..raw };
                $(if self.$field.is_some() { raw.$field = Some($on::$field); })*
                raw
            }
        }
        #[allow(unused_unsafe, clippy::undocumented_unsafe_blocks)]
        mod $on {
            use super::*;
            $(pub(super) unsafe extern "C" fn $field(o: *mut c_void $(, $arg: $c)*) $(-> $cret)? {
                // SAFETY: given() of callbacks that the handle keeps.
                let callbacks = unsafe { &*(o as *const $name) };
                let instead = first!($($instead,)? ());
                $guard(instead, || match &callbacks.$field {
                    Some(call) => first!($($back,)? identity)(
                        closure!(call, [$($arg),*] $([$($conv),*])?)),
                    None => instead,
                })
            })*
        }
    };
}

/// A name for a handle, wherever that is known to exist.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident = $raw:ident) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub struct $name(sys::$raw);
        impl $name {
            /// # Safety
            /// The handle exists for `'a`.
            pub(crate) unsafe fn of<'a>(raw: *mut sys::$raw) -> &'a $name {
                // SAFETY: an opaque structure of no bytes.
                unsafe { &*(raw as *const $name) }
            }
            /// C's handle, for functions of [`sys`] that are not here: good as long as this exists.
            pub fn raw(&self) -> *mut sys::$raw {
                self as *const $name as *mut sys::$raw
            }
            pub(crate) fn call<R>(&self, f: impl FnOnce(*mut sys::$raw) -> R) -> R {
                f(self.raw())
            }
        }
    };
}

/// A handle that has one section at a time, and the guard of that, which has the functions of the handle.
macro_rules! sections {
    ($(#[$doc:meta])* $section:ident of $owner:ident($raw:ident, $then:expr)
     = $enter:ident, $leave:ident, $free:ident as $freed:ident) => {
        impl $owner {
            /// Opens a section. One that was left open by a guard that was forgotten is closed first.
            pub fn enter(&mut self) -> Result<$section<'_>> {
                // SAFETY: "One at a time per handle": `&mut self`, and so no guard is left.
                let enter = || self.raw.call(|raw| unsafe { sys::$enter(raw) });
                let mut result = enter();
                if result == sys::VIOMMU_EBUSY {
                    self.leave();
                    result = enter();
                }
                done(result).map(|()| $section(self))
            }
            fn leave(&self) {
                // SAFETY: "One at a time per handle": it is not Sync; no guard is left, or it is the guard that asks.
                $then(self, self.raw.call(|raw| unsafe { sys::$leave(raw) }));
            }
        }
        $(#[$doc])*
        pub struct $section<'c>(pub(crate) &'c mut $owner);
        impl Deref for $section<'_> {
            type Target = $owner;
            fn deref(&self) -> &$owner {
                self.0
            }
        }
        impl Drop for $section<'_> {
            fn drop(&mut self) {
                self.leave();
            }
        }
        /// A guard that was forgotten has left the section open.
        unsafe extern "C" fn $freed(raw: *mut sys::$raw) -> c_int {
            // SAFETY: "Alone": as Owned says.
            unsafe {
                sys::$leave(raw);
                sys::$free(raw)
            }
        }
    };
}

/// What a section translates, by its `call`, and as its `pasid`.
macro_rules! translations {
    ($section:ty: $translate:ident, $list:ident) => {
        impl $section {
            /// Translates a request. Answers to several may be used together.
            pub fn translate<'s, 'b>(
                &'s self, iova: u64, bytes: u64, access: Access, buffer: &'b mut Buffer,
            ) -> Result<Answer<'s, 'b>> {
                let request = request(iova, bytes, self.pasid, access)?;
                // SAFETY: "One at a time per handle": a section is not Sync; it is open for 's.
                unsafe { answer(buffer, |to, max, a| self.call(|raw| sys::$translate(raw, &request, to, max, a))) }
            }
            /// Translates a list of requests, as if one after the other: the answers of those that are covered, and of the
            /// first one that is not.
            pub fn translate_list<'s, 'b>(
                &'s self, requests: &[Request], buffer: &'b mut Buffer,
            ) -> Result<Vec<Answer<'s, 'b>>> {
                // SAFETY: as translate().
                unsafe {
                    answers(buffer, requests, self.pasid, |r, count, to, max, a, done| {
                        self.call(|raw| sys::$list(raw, r, count, to, max, a, done))
                    })
                }
            }
        }
    };
}

/// Methods that pass their arguments on to C's function, and its result to another. `fill` of a value: C writes it.
macro_rules! calls {
    ($type:ty, $me:ident: $receiver:ty => $handle:expr; $($(#[$doc:meta])* $name:ident(
        $($arg:ident: $t:ty $(=> $conv:expr)?),*) -> $ret:ty = $after:ident $(($init:expr))?, $c:ident;)*) => {
        impl $type {
            $($(#[$doc])*
            pub fn $name(self: $receiver $(, $arg: $t)*) -> $ret {
                let $me = self;
                passed!($handle, $c, $after $(($init))?, $(first!($($conv,)? $arg)),*)
            })*
        }
    };
}

macro_rules! passed {
    ($me:expr, $c:ident, fill($init:expr), $($arg:expr),*) => {{
        let mut value = $init;
        // SAFETY: the thread sentence is kept where calls! is used.
        crate::error::done($me.call(|raw| unsafe { sys::$c(raw, $($arg,)* &mut value) })).map(|()| value)
    }};
    ($me:expr, $c:ident, $after:ident, $($arg:expr),*) => {
        // SAFETY: as above.
        crate::error::$after($me.call(|raw| unsafe { sys::$c(raw $(, $arg)*) }))
    };
}

/// Saving and restoring.
macro_rules! saves {
    ($type:ty, $me:ident: $receiver:ty => $handle:expr, $ret:ty = $after:ident, $save:ident, $restore:ident) => {
        impl $type {
            /// Saves its state.
            pub fn save(self: $receiver) -> Result<State> {
                let $me = self;
                // SAFETY: as in calls!.
                crate::iommu::save(|to, bytes| $handle.call(|raw| unsafe { sys::$save(raw, to, bytes) }))
            }
            /// Restores a state; refused whole if anything in it is invalid.
            pub fn restore(self: $receiver, state: &State) -> $ret {
                let ($me, from, bytes) = (self, state.0.as_ptr().cast(), state.0.len() as u64);
                // SAFETY: as above.
                crate::error::$after($handle.call(|raw| unsafe { sys::$restore(raw, from, bytes) }))
            }
        }
    };
}

/// Values of C's that have names here.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident: $type:ty { $($(#[$vdoc:meta])* $value:ident = $code:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $value),* }
        #[allow(dead_code)]
        impl $name {
            pub(crate) fn of(code: $type) -> Option<$name> {
                Some(match code {
                    $(sys::$code => $name::$value,)*
                    _ => return None,
                })
            }
            pub(crate) fn raw(self) -> $type {
                match self { $($name::$value => sys::$code),* }
            }
        }
    };
}

/// A configuration of numbers: the fields of the C structure, without size, pointers and callbacks; 0 is the default.
macro_rules! config {
    ($(#[$doc:meta])* $name:ident = $raw:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fdoc])* #[doc = concat!("As `", stringify!($raw), ".", stringify!($field), "`.")] pub $field: $type),*
        }
        impl $name {
            #[allow(clippy::needless_update)]
            pub(crate) fn raw(&self) -> sys::$raw {
                sys::$raw {
                    size: std::mem::size_of::<sys::$raw>() as u32,
                    $($field: self.$field,)*
                    ..Default::default()
                }
            }
        }
    };
}

/// A C structure whose size is set, for C to fill in.
macro_rules! sized {
    ($raw:ident) => {
        sys::$raw { size: std::mem::size_of::<sys::$raw>() as u32, ..Default::default() }
    };
}
