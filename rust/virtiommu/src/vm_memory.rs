// SPDX-License-Identifier: BSD-3-Clause
//! Feature `vm-memory`: that crate's memory as a VM's, and its trait `Bytes` for DMA, whose addresses are untranslated
//! ones.
use crate::*;
use ::vm_memory::bitmap::Bitmap;
use ::vm_memory::{AtomicAccess, Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, GuestMemoryRegion};
use std::io::{self, Read, Write};
use std::sync::atomic::{fence, Ordering};

/// A region, and what keeps it mapped.
struct Shared<B> {
    _memory: GuestMemoryMmap<B>,
    host: NonNull<u8>,
    bytes: u64,
}
// SAFETY: a pointer to memory that is accessed by everybody, as vm-memory does.
unsafe impl<B: Send> Send for Shared<B> {}
// SAFETY: as above.
unsafe impl<B: Sync> Sync for Shared<B> {}
// SAFETY: the region is mapped for as long as a GuestMemoryMmap has it, and vm-memory makes no references into it.
unsafe impl<B: Send + Sync + 'static> HostMemory for Shared<B> {
    fn host(&self) -> NonNull<u8> {
        self.host
    }
    fn bytes(&self) -> u64 {
        self.bytes
    }
}
impl Vm {
    /// Adds all regions of a VM's memory. Its bitmap is not marked by what the library writes: see
    /// [`MemoryCallbacks::dirty`](crate::MemoryCallbacks::dirty).
    pub fn add_guest_memory<B: Bitmap + Send + Sync + 'static>(&self, memory: &GuestMemoryMmap<B>) -> Result<()>
    where
        GuestMemoryMmap<B>: Clone,
    {
        memory.iter().try_for_each(|region| {
            let host = NonNull::new(region.as_ptr()).ok_or(Error::Invalid)?;
            let shared = Shared { _memory: memory.clone(), host, bytes: region.len() };
            self.add_region(region.start_addr().0, Arc::new(shared), false)
        })
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> io::Error {
        io::Error::new(io::ErrorKind::Other, refused)
    }
}
/// How many were done, if any.
fn partial(result: DmaResult<()>, all: usize) -> io::Result<usize> {
    match result {
        Ok(()) => Ok(all),
        Err(refused) if refused.done > 0 => Ok(refused.done as usize),
        Err(refused) => Err(refused.into()),
    }
}
macro_rules! bytes {
    ($type:ty as $way:ty) => {
        impl Bytes<GuestAddress> for $type {
            type E = io::Error;
            fn write(&self, from: &[u8], at: GuestAddress) -> io::Result<usize> {
                partial(<$way>::write(self, at.0, from), from.len())
            }
            fn read(&self, to: &mut [u8], at: GuestAddress) -> io::Result<usize> {
                let wanted = to.len();
                partial(<$way>::read(self, at.0, to), wanted)
            }
            fn write_slice(&self, from: &[u8], at: GuestAddress) -> io::Result<()> {
                Ok(<$way>::write(self, at.0, from)?)
            }
            fn read_slice(&self, to: &mut [u8], at: GuestAddress) -> io::Result<()> {
                Ok(<$way>::read(self, at.0, to)?)
            }
            fn read_from<F: Read>(&self, at: GuestAddress, from: &mut F, count: usize) -> io::Result<usize> {
                let mut bytes = vec![0; count];
                let got = from.read(&mut bytes)?;
                Bytes::write(self, &bytes[..got], at)
            }
            fn read_exact_from<F: Read>(&self, at: GuestAddress, from: &mut F, count: usize) -> io::Result<()> {
                let mut bytes = vec![0; count];
                from.read_exact(&mut bytes)?;
                self.write_slice(&bytes, at)
            }
            fn write_to<F: Write>(&self, at: GuestAddress, to: &mut F, count: usize) -> io::Result<usize> {
                let mut bytes = vec![0; count];
                let got = Bytes::read(self, &mut bytes, at)?;
                to.write(&bytes[..got])
            }
            fn write_all_to<F: Write>(&self, at: GuestAddress, to: &mut F, count: usize) -> io::Result<()> {
                let mut bytes = vec![0; count];
                self.read_slice(&mut bytes, at)?;
                to.write_all(&bytes)
            }
            fn store<T: AtomicAccess>(&self, value: T, at: GuestAddress, order: Ordering) -> io::Result<()> {
                let (mut word, bytes) = ([0; 8], std::mem::size_of::<T>());
                word[..bytes].copy_from_slice(value.as_slice());
                self.store_word(at.0, bytes, u64::from_le_bytes(word))?;
                if order == Ordering::SeqCst {
                    fence(order);
                }
                Ok(())
            }
            fn load<T: AtomicAccess>(&self, at: GuestAddress, order: Ordering) -> io::Result<T> {
                if order == Ordering::SeqCst {
                    fence(order);
                }
                let (mut value, bytes) = (T::default(), std::mem::size_of::<T>());
                value.as_mut_slice().copy_from_slice(&self.load_word(at.0, bytes)?.to_le_bytes()[..bytes]);
                Ok(value)
            }
        }
    };
}
bytes!(Section<'_> as Channel);
bytes!(ViewSection<'_> as View);
bytes!(DeviceDma<'_> as DeviceDma<'_>);
