// SPDX-License-Identifier: BSD-3-Clause
//! rust_guest.rs - a guest of the page's VMM: tables, DMA, an interrupt, an invalidation that waits for a section.

/// A root table 0x1000, contexts 0x2000, tables from 0x3000, a queue 0x7000, interrupts 0x8000, a status word 0x9000.
fn boot(ram: &Ram, vtd: &Vtd) {
    for (at, word) in [
        (0x1000, 0x2001),
        (0x2080, 0x3001),
        (0x2088, 2 | 7 << 8),
        (0x3000, 0x4003),
        (0x4000, 0x5003),
        (0x5000, 0x6003),
        (0x6008, 0x20003),
        (0x6010, 0x30003),
        (0x8050, 1 | 0x51 << 16 | 3 << 40),
        (0x8058, 1 << 18 | 8),
    ] {
        ram.put(at, word);
    }
    for (offset, value) in [(0x20, 0x1000u64), (0x90, 0x7000), (0xb8, 0x8007)] {
        vtd.write(offset, &value.to_le_bytes()).unwrap();
    }
    for bits in [1u32 << 30, 1 << 26, 1 << 26 | 1 << 24, 1 << 31 | 1 << 26 | 1 << 25] {
        vtd.write(0x18, &bits.to_le_bytes()).unwrap();
    }
    let mut status = [0; 4];
    vtd.read(0x1c, &mut status).unwrap();
    assert_eq!(u32::from_le_bytes(status), 0xc700_0000);
}
/// An invalidation of everything, and a wait; the tail is where it was.
fn invalidate(ram: &Ram, vtd: &Vtd, tail: &mut u64) {
    for (lo, hi) in [(2 | 1 << 4, 0), (4, 0), (5 | 1 << 5 | 1 << 32, 0x9000)] {
        ram.put(0x7000 + *tail, lo);
        ram.put(0x7008 + *tail, hi);
        *tail += 16;
    }
    ram.put(0x9000, 0);
    vtd.write(0x88, &tail.to_le_bytes()).unwrap();
}
fn soon(mut told: impl FnMut() -> bool) -> bool {
    (0..5000).any(|_| told() || { std::thread::sleep(std::time::Duration::from_millis(1)); false })
}
/// A device process, which is a thread here.
fn isolated() {
    let limits = Limits { partitions: 1, devices: 8, channels: 8, ..Default::default() };
    let (own, windows) = limits.arena_bytes().unwrap();
    let file = common::memory_file(windows as usize);
    // SAFETY: fresh, and nobody writes there but the library.
    let arena = Some(unsafe { LibraryMemory::new(Ram::and(own as usize, &file, windows as usize)) });
    let (config, seen) = (VmConfig { arena, arena_windows: own, ..Default::default() }, Arc::default());
    let host = Host { now: Some(Box::new(|| 1)), ..common::host(&seen) };
    let mut w = common::World::of(Ram::new(1 << 20), config, 0, 0, &limits, host, seen);
    w.map(0, 0x20000, 3);
    w.ram.put(0x20000, 0x4444);
    let device = w.iommu.device(common::plain(8)).unwrap();
    let (page, (late, _late)) = (Ram::new(4096), channel());
    let (viewer, window) = lend(&mut w.registers, &device, page.clone(), late).unwrap();
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let server = std::thread::spawn(move || answer(&viewer, &ours));
    let mut view = open(Ram::of(&file, window.bytes as usize, false), page, window.device).unwrap();
    let mut bytes = [0; 2];
    assert!(fetch(&mut view, &theirs, common::IOVA, &mut bytes).unwrap());
    assert_eq!(bytes, [0x44; 2], "the owner has copied it");
    view.map(0, w.ram.clone(), false).unwrap();
    w.ram.put(0x20000, 0x5555);
    assert!(fetch(&mut view, &theirs, common::IOVA, &mut bytes).unwrap() && bytes == [0x55; 2]);
    assert_eq!(view.load::<u8>(common::IOVA), Ok(0x55), "it is known now");
    assert!(!fetch(&mut view, &theirs, common::IOVA + 0xfff, &mut bytes).unwrap(), "the second page is not mapped");
    theirs.send(&[0]).unwrap();
    assert!(server.join().unwrap().is_err(), "that was no message");
}

fn main() {
    isolated();
    let (ram, (tell, work)) = (Ram::new(1 << 20), channel());
    let vtd = Vtd::new(ram.clone(), ram.host(), ram.bytes(), tell).unwrap();
    let registers = vtd.registers.clone();
    let server = std::thread::spawn(move || serve(&registers, &work));
    boot(&ram, &vtd);
    let mut tail = 0;

    let mut disk = Disk::new(&vtd.iommu, 8).unwrap();
    ram.put(0x20ff0, 0x1111);
    ram.put(0x20ff8, 0x2222);
    let descriptor = disk.descriptor(0x1ff0).unwrap();
    assert_eq!((descriptor[0], descriptor[8], ram.get(0x30000) as u32), (0x11, 0x22, 1));
    assert_eq!(disk.sector(0x1e00, &[7; 512]), Ok(Ok(())));
    assert_eq!(disk.sector(0x1f00, &[8; 512]), Ok(Ok(())), "over a page's end");
    assert_eq!((ram.get(0x20f00), ram.get(0x300f8)), (0x0808_0808_0808_0808, 0x0808_0808_0808_0808));
    assert_eq!(disk.sector(0x2f00, &[9; 512]), Ok(Err(5)), "half of it is not mapped");
    let text = why(&disk.channel.device(), 0x3000);
    assert!(text.contains("context entry") && text.contains(" - "), "{text}");

    let table = Table::default();
    let lines = routes(&mut vtd.registers.lock().unwrap(), &table).unwrap();
    assert_eq!(program(&lines, &table, 24, 8, 0xfee0_00b0, 0), Ok(true));
    assert_eq!(program(&lines, &table, 25, 9, 0xfee0_00b0, 0), Ok(false), "another source");
    assert_eq!(table.lock().unwrap().len(), 1);

    let section = disk.channel.enter().unwrap();
    let answer = section.translate(0x1000, 8, Access::WRITE, &mut disk.buffer).unwrap();
    ram.put(0x6008, 0);
    ram.put(0x8050, 0);
    invalidate(&ram, &vtd, &mut tail);
    assert!(soon(|| table.lock().unwrap().is_empty()), "the kernel has no route any more");
    assert!(ram.get(0x9000) == 0 && answer.fragments[0].memory().unwrap().write(0, &[1]) == 1);
    drop(section);
    assert!(soon(|| ram.get(0x9000) == 1), "the thread goes on, and the guest is told");
    assert_eq!(disk.descriptor(0x1ff0).unwrap_err().why, Why::Fault);

    let (tell, _work) = channel();
    let other = Vtd::new(ram.clone(), ram.host(), ram.bytes(), tell).unwrap();
    let (mut from, mut to) = (vtd.registers.lock().unwrap(), other.registers.lock().unwrap());
    assert!(migrate(&mut from, &mut to).is_ok() && to.read(0x1c, 4) == Ok(0xc700_0000));
    drop((from, to));
    drop((disk, lines, other));
    let Vtd { vm, iommu, registers } = vtd;
    drop((vm, iommu, registers));
    assert!(!server.is_finished(), "it has had no error");
    println!("docs/rust.md: memory, DMA, interrupts, another process, why, states");
}
