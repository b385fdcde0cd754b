// SPDX-License-Identifier: BSD-3-Clause
//! A guest that drives the VT-d unit of docs/openvmm.md, with a device and its interrupts behind it.
use std::sync::atomic::AtomicUsize;

const BASE: u64 = 0xfed9_0000;

#[derive(Default)]
struct Counter(AtomicUsize);
impl std::task::Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
impl RetranslateInterrupts for Counter {
    fn retranslate(&self, _device_id: Option<u16>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
impl SignalMsi for Counter {
    fn signal_msi(&self, _devid: Option<u32>, _address: u64, _data: u32) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Guest {
    ram: Arc<common::Ram>,
    device: ViommuDevice,
    waker: Arc<Counter>,
    tail: u64,
    waits: u64,
}
impl Guest {
    fn write(&mut self, offset: u64, bytes: usize, value: u64) {
        assert_eq!(self.device.mmio_write(BASE + offset, &value.to_le_bytes()[..bytes]), IoResult::Ok);
    }
    fn read(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        assert_eq!(self.device.mmio_read(BASE + offset, &mut data), IoResult::Ok);
        u32::from_le_bytes(data)
    }
    fn poll(&mut self) {
        let waker = self.waker.clone().into();
        self.device.poll_device(&mut Context::from_waker(&waker));
    }
    /// Root at 0x1000, contexts 0x2000, tables 0x3000 to 0x6000, queue 0x7000, interrupts 0x8000, status 0x9000.
    fn enable(&mut self) {
        for (gpa, value) in [
            (0x1000, 0x2001),
            (0x2000 + 0x10 * 16, 0x3001),
            (0x2008 + 0x10 * 16, 2 | 7 << 8),
            (0x3000, 0x4003),
            (0x4000, 0x5003),
            (0x5000, 0x6003),
            (0x6010, 0xa003),
            (0x6018, 0xb001),
            (0x8050, 1 | 0x51 << 16 | 3 << 40),
            (0x8058, 1 << 18 | 0x10),
        ] {
            self.ram.put(gpa, value);
        }
        for (offset, bytes, value) in [
            (0x20, 8, 0x1000),
            (0x18, 4, 1 << 30),
            (0x90, 8, 0x7000),
            (0x18, 4, 1 << 26),
            (0xb8, 8, 0x8007),
            (0x18, 4, 1 << 26 | 1 << 24),
            (0x18, 4, 1 << 31 | 1 << 26 | 1 << 25),
        ] {
            self.write(offset, bytes, value);
        }
        assert_eq!(self.read(0x1c), 0xc700_0000);
    }
    /// One descriptor, and a wait: whether it is over.
    fn invalidate(&mut self, low: u64, high: u64) -> bool {
        self.waits += 1;
        for (low, high) in [(low, high), (5 | 1 << 5 | self.waits << 32, 0x9000)] {
            self.ram.put(0x7000 + self.tail, low);
            self.ram.put(0x7008 + self.tail, high);
            self.tail += 16;
        }
        self.write(0x88, 8, self.tail);
        self.told()
    }
    fn told(&self) -> bool {
        self.ram.get(0x9000) == self.waits
    }
}

fn main() {
    let memory = GuestMemory(common::Ram::new(1 << 20));
    let msis = Arc::new(Counter::default());
    let device = ViommuDevice::new(BASE, &memory, msis.clone()).unwrap();
    let mut guest = Guest { ram: memory.0.clone(), device, waker: Arc::default(), tail: 0, waits: 0 };
    let (translator, remapper) = (guest.device.translator(), guest.device.remapper());
    assert_eq!(translator.max_iova(), 1 << 48);
    assert_eq!(translator.translate(0x10, 0x5000, true, |gpa| gpa).unwrap(), 0x5000); // off: as it is
    guest.enable();

    assert_eq!(translator.translate(0x10, 0x2345, true, |gpa| gpa).unwrap(), 0xa345);
    assert_eq!(translator.translate(0x10, 0x3000, false, |gpa| gpa).unwrap(), 0xb000);
    let refused = translator.translate(0x10, 0x3008, true, |_| unreachable!()).unwrap_err();
    assert_eq!(refused.iova, 0x3008);
    assert!(matches!(refused.error, Refused::Tables(5)), "{refused:?}");
    assert_eq!(guest.read(0x34) & 2, 2);
    assert!(matches!(translator.translate(0x18, 0x2000, false, |gpa| gpa).unwrap_err().error, Refused::Tables(2)));
    let message = translator.translate(0x10, 0xfee0_0000, true, |gpa| gpa).unwrap_err().error;
    assert!(matches!(message, Refused::Interrupt), "{message}");

    // While op runs, the guest's wait is not over.
    guest.poll();
    let pending = translator.translate(0x10, 0x2000, true, |gpa| {
        guest.ram.put(0x6010, 0);
        let over = guest.invalidate(2 | 3 << 4 | 7 << 16, 0x2000);
        guest.poll();
        (gpa, over || guest.told())
    });
    assert_eq!(pending.unwrap(), (0xa000, false));
    assert!(guest.waker.0.load(Ordering::SeqCst) > 0);
    guest.poll();
    assert!(guest.told());
    assert!(translator.translate(0x10, 0x2000, true, |gpa| gpa).is_err());

    // Interrupts; routes are told when the guest changes entries.
    let (counter, address) = (Arc::new(Counter::default()), 0xfee0_0010 | 5 << 5);
    let route: Arc<dyn RetranslateInterrupts> = counter.clone();
    remapper.register_route(&route);
    assert_eq!(remapper.remap_msi(0x10, address, 0).map(|message| message.1 & 0xff), Some(0x51));
    assert_eq!(remapper.remap_msi(0x18, address, 0), None);
    assert!(guest.invalidate(4, 0));
    let told = counter.0.load(Ordering::SeqCst);
    assert!(told > 0);
    remapper.unregister_route(&route);
    assert!(guest.invalidate(4, 0));
    assert_eq!(counter.0.load(Ordering::SeqCst), told);

    // Accesses of no size, saved states, reset.
    assert_eq!(guest.device.mmio_read(BASE, &mut [0; 9]), IoResult::Err(IoError::InvalidAccessSize));
    assert_eq!(guest.device.mmio_write(BASE, &[0; 9]), IoResult::Err(IoError::InvalidAccessSize));
    let state = guest.device.save().unwrap();
    guest.device.reset().unwrap();
    assert_eq!(guest.read(0x1c), 0);
    assert!(guest.device.restore(state[1..].to_vec()).is_err());
    guest.device.restore(state).unwrap();
    guest.poll();
    assert_eq!(guest.read(0x1c), 0xc700_0000);
    assert_eq!(translator.translate(0x10, 0x3000, false, |gpa| gpa).unwrap(), 0xb000);

    // The IOMMU's own interrupt: the fault event that the guest has programmed.
    guest.write(0x40, 4, 0xfee0_0000);
    guest.write(0x38, 4, 0);
    guest.write(0x34, 4, 0xffff_ffff);
    for record in 0..8 {
        guest.write(0x220 + record * 16 + 12, 4, 1 << 31);
    }
    let before = msis.0.load(Ordering::SeqCst);
    assert!(translator.translate(0x10, 0x7000, false, |gpa| gpa).is_err());
    assert!(msis.0.load(Ordering::SeqCst) > before);
    println!("docs/openvmm.md: DMA inside a section, interrupts, registers, states");
}
