// SPDX-License-Identifier: BSD-3-Clause
//! A guest that maps and unmaps through the mapper of docs/crosvm.md, and a client that has its memory exported.

fn map(mapper: &mut ViommuMapper, iova: u64, gpa: u64, pages: u64, prot: Protection) -> AddMapResult {
    mapper.add_map(MappingInfo { iova, gpa: GuestAddress(gpa), size: pages * 4096, prot }).unwrap()
}

fn region(gpa: u64, pages: u64, prot: Protection) -> MemRegion {
    MemRegion { gpa: GuestAddress(gpa), len: pages * 4096, prot }
}

fn main() {
    let memory = GuestMemory(common::Ram::new(1 << 20));
    let work = Event::new().unwrap();
    let viommu = Viommu::new(&memory, work.try_clone().unwrap()).unwrap();
    let mut mapper = ViommuMapper::new(&viommu, 8).unwrap();
    let mut other = ViommuMapper::new(&viommu, 9).unwrap();
    assert_eq!((mapper.id(), mapper.get_mask().unwrap(), mapper.supports_detach()), (8, 4095, true));
    assert!(mapper.as_raw_descriptors().is_empty());

    assert_eq!(map(&mut mapper, 0x10000, 0x4000, 2, Protection::read_write()), AddMapResult::Ok);
    assert_eq!(map(&mut mapper, 0x12000, 0x6000, 1, Protection::read_write()), AddMapResult::Ok);
    assert_eq!(map(&mut mapper, 0x13000, 0x9000, 1, Protection::read()), AddMapResult::Ok);
    assert_eq!(map(&mut mapper, 0x13000, 0xa000, 1, Protection::read()), AddMapResult::OverlapFailure);
    assert_eq!(map(&mut other, 0x10000, 0x8000, 1, Protection::write()), AddMapResult::Ok);
    assert!(matches!(mapper.remove_map(0x10000, 0x1000), Ok(RemoveMapResult::OverlapFailure)));

    // Without a session nothing is exported, and what is not mapped never.
    assert!(mapper.export(0x10000, 0x4000).is_err());
    let fault = mapper.start_export_session(&Executor).unwrap();
    assert!(mapper.export(0x10000, 0x5000).is_err());
    assert!(viommu.iommu.virtio_event().unwrap().is_some());
    let exported = mapper.export(0x10000, 0x4000).unwrap();
    assert_eq!(exported, [region(0x4000, 3, Protection::read_write()), region(0x9000, 1, Protection::read())]);
    assert!(mapper.start_export_session(&Executor).is_err());

    // What nobody uses goes at once; what the client has is waited for.
    assert!(matches!(other.remove_map(0x10000, 0x1000), Ok(RemoveMapResult::Success(None))));
    assert!(!fault.take());
    let Ok(RemoveMapResult::Success(Some(EventAsync(resolved)))) = mapper.remove_map(0x13000, 0x1000) else { panic!() };
    assert!(fault.take() && !resolved.take());
    assert!(mapper.export(0x10000, 0x1000).is_err());
    viommu.run().unwrap();
    assert!(!resolved.take());
    work.take();
    mapper.release(0x10000, 0x4000).unwrap();
    assert!(work.take());
    viommu.run().unwrap();
    assert!(resolved.take());

    // A new session; a reset of the domain faults it, too.
    let fault = mapper.start_export_session(&Executor).unwrap();
    assert_eq!(mapper.export(0x11000, 0x1000).unwrap(), [region(0x5000, 1, Protection::read_write())]);
    let EventAsync(resolved) = mapper.reset_domain().unwrap();
    assert!(fault.take());
    mapper.release(0x11000, 0x1000).unwrap();
    viommu.run().unwrap();
    assert!(resolved.take());
    assert!(mapper.reset_domain().is_none());
    assert_eq!(map(&mut mapper, 0x10000, 0x4000, 2, Protection::read()), AddMapResult::Ok);
    println!("docs/crosvm.md: maps, exports, faults, waits");
}
