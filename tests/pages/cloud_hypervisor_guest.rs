// SPDX-License-Identifier: BSD-3-Clause
//! A guest's virtio-iommu driver, and the devices behind it, on the glue of docs/cloud-hypervisor.md.

#[derive(Default)]
struct Vfio {
    full: std::sync::atomic::AtomicBool,
    log: Mutex<Vec<(char, u64, u64, u64)>>,
}
impl ExternalDmaMapping for Vfio {
    fn map(&self, iova: u64, gpa: u64, size: u64) -> Result<(), io::Error> {
        if self.full.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.log.lock().unwrap().push(('m', iova, gpa, size));
        Ok(())
    }
    fn unmap(&self, iova: u64, size: u64) -> Result<(), io::Error> {
        self.log.lock().unwrap().push(('u', iova, 0, size));
        Ok(())
    }
}

fn bytes(kind: u8, domain: u32, body: &[&[u8]]) -> Vec<u8> {
    let mut request = vec![kind, 0, 0, 0];
    request.extend(domain.to_le_bytes());
    body.iter().for_each(|field| request.extend(*field));
    request
}
fn attach(domain: u32, endpoint: u32) -> Vec<u8> {
    bytes(1, domain, &[&endpoint.to_le_bytes(), &[0; 8]])
}
fn map(domain: u32, first: u64, last: u64, gpa: u64, flags: u32) -> Vec<u8> {
    bytes(3, domain, &[&first.to_le_bytes(), &last.to_le_bytes(), &gpa.to_le_bytes(), &flags.to_le_bytes()])
}
fn unmap(domain: u32, first: u64, last: u64) -> Vec<u8> {
    bytes(4, domain, &[&first.to_le_bytes(), &last.to_le_bytes(), &[0; 4]])
}

fn status(viommu: &Viommu, request: Vec<u8>) -> u8 {
    match viommu.request(7, &request, 4).unwrap() {
        Element::Done(answer) => answer[0],
        other => panic!("{other:?}"),
    }
}

fn main() {
    let memory = GuestMemoryMmap(common::Ram::new(1 << 20));
    let (work, events) = (EventFd::default(), EventFd::default());
    let viommu = Viommu::new(&memory, work.clone(), events.clone()).unwrap();
    let vfio = Arc::new(Vfio::default());
    viommu.add_device(8).unwrap();
    viommu.add_device(0x10).unwrap();
    viommu.add_external_mapping(0x10, vfio.clone()).unwrap();
    viommu.ack_features(1 << 32 | FEATURES).unwrap();
    let mut config = [0; 8];
    viommu.read_config(0, &mut config).unwrap();
    assert_eq!(u64::from_le_bytes(config), !0xfff);
    viommu.write_config(0, &[1]).unwrap();

    assert_eq!(status(&viommu, attach(1, 8)), 0);
    assert_eq!(status(&viommu, attach(1, 0x10)), 0);
    assert_eq!(status(&viommu, map(1, 0x10000, 0x11fff, 0x4000, 3)), 0);
    assert_eq!(status(&viommu, map(1, 0x12000, 0x12fff, 0x9000, 1)), 0);
    assert_eq!(*vfio.log.lock().unwrap(), [('m', 0x10000, 0x4000, 0x2000), ('m', 0x12000, 0x9000, 0x1000)]);

    assert_eq!(viommu.translate_gva(8, 0x10010, 0x1000).unwrap(), 0x4010);
    assert_eq!(viommu.translate_gpa(8, 0x9800, 0x800).unwrap(), 0x12800);
    assert!(viommu.translate_gpa(8, 0x9800, 0x801).is_err());
    assert!(viommu.translate_gpa(8, 0xa000, 1).is_err());
    assert_eq!(viommu.translate_gva(8, 0x11800, 0x1000).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(viommu.next_event().unwrap(), None);
    assert_eq!(viommu.translate_gva(8, 0x20000, 1).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert!(events.take());
    let event = viommu.next_event().unwrap().unwrap();
    assert_eq!((&event[8..12], &event[16..24]), (&8u32.to_le_bytes()[..], &0x20000u64.to_le_bytes()[..]));
    assert_eq!(viommu.translate_gva(9, 0x10000, 1).unwrap_err().kind(), io::ErrorKind::NotFound);

    // What VFIO cannot map is not mapped at all; what the guest takes away goes there, too.
    vfio.full.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(status(&viommu, map(1, 0x30000, 0x30fff, 0xb000, 3)), 8);
    assert!(viommu.translate_gva(8, 0x30000, 1).is_err());
    vfio.full.store(false, std::sync::atomic::Ordering::SeqCst);
    vfio.log.lock().unwrap().clear();
    assert_eq!(status(&viommu, unmap(1, 0x12000, 0x12fff)), 0);
    assert_eq!(*vfio.log.lock().unwrap(), [('u', 0x12000, 0, 0x1000)]);
    assert!(viommu.translate_gva(8, 0x12000, 1).is_err());

    // A device that is in the middle of something is waited for; the answer comes with run().
    let device = viommu.device(8).unwrap();
    let section = device.enter().unwrap();
    assert!(section.translate(None, 0x10000, 1, Access::READ, &mut Buffer::new(1)).is_ok());
    assert_eq!(viommu.request(3, &unmap(1, 0x10000, 0x11fff), 4).unwrap(), Element::Pending);
    assert_eq!(viommu.run().unwrap(), []);
    work.take();
    drop(section);
    assert!(work.take());
    assert_eq!(viommu.run().unwrap(), [(3, vec![0; 4])]);

    // Detached, everything goes.
    assert_eq!(status(&viommu, map(1, 0x10000, 0x10fff, 0x5000, 3)), 0);
    let state = viommu.snapshot().unwrap();
    vfio.log.lock().unwrap().clear();
    assert_eq!(status(&viommu, bytes(2, 1, &[&0x10u32.to_le_bytes(), &[0; 8]])), 0);
    assert!(!vfio.log.lock().unwrap().is_empty());

    let other = Viommu::new(&memory, work, events).unwrap();
    assert!(other.restore(&state).is_err());
    other.add_device(8).unwrap();
    other.add_device(0x10).unwrap();
    other.restore(&state).unwrap();
    assert_eq!(other.translate_gva(0x10, 0x10000, 0x1000).unwrap(), 0x5000);
    other.reset().unwrap();
    assert!(other.translate_gva(0x10, 0x10000, 0x1000).is_err());
    println!("docs/cloud-hypervisor.md: requests, devices, VFIO, events, snapshots");
}
