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
    ($(#[$doc:meta])* $name:ident: $on:ident { $($(#[$fdoc:meta])*
        $field:ident($($arg:ident: $c:ty),*) $(=> ($($rust:ty = $conv:expr),*))? $guard:ident
        $(-> $ret:ty as $cret:ty = $back:expr, $instead:expr)?;)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub struct $name {
            $($(#[$fdoc])*
            pub $field: $crate::Callback<closure!([$($c),*] $([$($rust),*])? $(-> $ret)?)>,)*
        }
        #[allow(unused_unsafe, clippy::undocumented_unsafe_blocks)]
        mod $on {
            use super::*;
            $(pub(super) unsafe extern "C" fn $field(o: *mut std::ffi::c_void $(, $arg: $c)*) $(-> $cret)? {
                // SAFETY: opaque() of callbacks that the handle keeps.
                let callbacks = unsafe { &*(o as *const $name) };
                let instead = first!($($instead,)? ());
                $crate::$guard(instead, || match &callbacks.$field {
                    Some(call) => first!($($back,)? std::convert::identity)(
                        closure!(call, [$($arg),*] $([$($conv),*])?)),
                    None => instead,
                })
            })*
        }
    };
}

/// What C is given of callbacks: the function of each that there is.
macro_rules! given {
    ($callbacks:expr, $raw:expr, $on:ident { $($field:ident),* }) => {
        $(if $callbacks.$field.is_some() { $raw.$field = Some($on::$field); })*
    };
}

/// Methods that pass their arguments on to C's function, and its result to another. `fill` of a value: C writes it.
macro_rules! calls {
    ($type:ty, $receiver:ty; $($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty $(=> $conv:expr)?),*) -> $ret:ty
        = $after:ident $(($init:expr))?, $c:ident;)*) => {
        impl $type {
            $($(#[$doc])*
            pub fn $name(self: $receiver $(, $arg: $t)*) -> $ret {
                passed!(self, $c, $after $(($init))?, $(first!($($conv,)? $arg)),*)
            })*
        }
    };
}

macro_rules! passed {
    ($me:expr, $c:ident, fill($init:expr), $($arg:expr),*) => {{
        let mut value = $init;
        // SAFETY: the thread sentence is kept where calls! is used.
        $crate::error::done($me.call(|raw| unsafe { $crate::sys::$c(raw, $($arg,)* &mut value) })).map(|()| value)
    }};
    ($me:expr, $c:ident, $after:ident, $($arg:expr),*) => {
        // SAFETY: as above.
        $crate::error::$after($me.call(|raw| unsafe { $crate::sys::$c(raw $(, $arg)*) }))
    };
}

/// Saving and restoring.
macro_rules! saves {
    ($type:ty, $receiver:ty, $ret:ty = $after:ident, $save:ident, $restore:ident) => {
        impl $type {
            /// Saves its state.
            pub fn save(self: $receiver) -> $crate::Result<$crate::State> {
                // SAFETY: as in calls!.
                $crate::iommu::save(|to, bytes| self.call(|raw| unsafe { $crate::sys::$save(raw, to, bytes) }))
            }
            /// Restores a state; refused whole if anything in it is invalid.
            pub fn restore(self: $receiver, state: &$crate::State) -> $ret {
                let (from, bytes) = (state.0.as_ptr().cast(), state.0.len() as u64);
                // SAFETY: as above.
                $crate::error::$after(self.call(|raw| unsafe { $crate::sys::$restore(raw, from, bytes) }))
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
            fn raw(&self) -> $crate::sys::$raw {
                $crate::sys::$raw {
                    size: std::mem::size_of::<$crate::sys::$raw>() as u32,
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
        $crate::sys::$raw { size: std::mem::size_of::<$crate::sys::$raw>() as u32, ..Default::default() }
    };
}
