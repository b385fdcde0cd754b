// SPDX-License-Identifier: BSD-3-Clause
//! Views: in this process, where the messages are handed over, and in another one.
use crate::common::*;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, OnceLock, Weak};
use std::time::Duration;
use virtiommu::*;

const RAM: usize = 1 << 20;
const DEADLINE: u64 = 1000;

/// The process that has the IOMMU: guest memory, the window, and the section page are files.
pub struct Owner {
    pub w: World,
    pub device: Device,
    pub viewer: Viewer,
    page: Arc<Ram>,
    files: [File; 3],
    window: Window,
    clock: Arc<AtomicU64>,
}
impl Owner {
    pub fn new(expired: Callback<dyn Fn() + Send + Sync>) -> Owner {
        let limits = Limits { tlb_entries: 512, devices: 8, channels: 8, partitions: 1, ..Default::default() };
        let (own, windows) = limits.arena_bytes().unwrap();
        let files = [memory_file(RAM), memory_file(windows as usize), memory_file(4096)];
        let arena = Ram::and(own as usize, &files[1], windows as usize);
        let start = arena.host().as_ptr() as u64 + own;
        // SAFETY: fresh, and nobody writes there but the library.
        let arena = Some(unsafe { LibraryMemory::new(arena) });
        let (seen, clock) = (Arc::new(Seen::default()), Arc::new(AtomicU64::new(1)));
        let (config, time) = (VmConfig { arena, arena_windows: own, ..Default::default() }, clock.clone());
        let host = Host { now: Some(Box::new(move || time.load(Ordering::SeqCst))), ..host(&seen) };
        let mut w = World::of(Ram::of(&files[0], RAM, true), config, 0, 0, &limits, host, seen);
        w.map(0, 0x20000, 3);
        w.map(1, 0x30000, 3);
        let device = w.iommu.device(plain(8)).unwrap();
        let (page, deadline) = (Ram::of(&files[2], 4096, true), if expired.is_some() { DEADLINE } else { 0 });
        let config = ViewerConfig { deadline, ..Default::default() };
        let viewer = w.registers.viewer(&device, None, page.clone(), 64, &config, ViewerHost { expired }).unwrap();
        let window = device.window().unwrap();
        assert_eq!(window.base as u64, start, "the first one, and a file of its own");
        Owner { w, device, viewer, page, files, window, clock }
    }
    /// Of this process, with all guest memory.
    pub fn view(&self) -> View {
        let mut view = open(&self.files, self.window.bytes as usize, self.window.device);
        view.map(0, self.w.ram.clone(), false).unwrap();
        view
    }
    fn exchange(&self, message: &[u8]) -> Vec<u8> {
        let mut reply = vec![0; VIEW_MESSAGE_BYTES];
        let bytes = self.viewer.serve(message, &mut reply).unwrap();
        reply.truncate(bytes);
        reply
    }
    pub fn ask(&self, section: &ViewSection<'_>, iova: u64, access: Access) -> Result<Outcome> {
        let mut message = [0; VIEW_MESSAGE_BYTES];
        let bytes = section.request(iova, 8, access, &mut message)?;
        section.reply(&self.exchange(&message[..bytes]))?.outcome
    }
    /// The owner looks again, when the deadline is over.
    pub fn later(&mut self) -> Progress {
        let _ = self.w.registers.run().unwrap();
        self.clock.fetch_add(DEADLINE, Ordering::SeqCst);
        self.w.registers.run().unwrap()
    }
}
fn open(files: &[File; 3], window: usize, device: u64) -> View {
    // SAFETY: the owner's window, of the same library.
    let window = unsafe { LibraryMemory::new(Ram::of(&files[1], window, false)) };
    View::new(window, Ram::of(&files[2], 4096, true), 64, device, None, &ViewConfig::default()).unwrap()
}

#[test]
fn what_the_owner_said_is_known_until_it_is_invalidated() {
    let mut o = Owner::new(None);
    let (mut view, mut buffer) = (o.view(), Buffer::new(4));
    let section = view.enter().unwrap();
    let a = section.translate(IOVA, 8, Access::WRITE, &mut buffer).unwrap();
    assert_eq!((a.end, a.next, a.fragments.len()), (End::Missing, IOVA, 0));
    let mut message = [0; VIEW_MESSAGE_BYTES];
    let bytes = section.request(IOVA, 0x1008, read_write(), &mut message).unwrap();
    let reply = o.exchange(&message[..bytes]);
    let reply = section.reply(&reply).unwrap();
    let a = reply.answer().unwrap();
    assert_eq!((reply.iova, a.end, a.next, a.fragments.len()), (IOVA, End::All, IOVA + 0x1008, 2));
    assert!(a.fragments[0].gpa() == 0x20000 && a.fragments[0].memory().is_none(), "it may be an old one");
    let a = section.translate(IOVA, 16, Access::WRITE, &mut buffer).unwrap();
    assert_eq!((a.end, a.fragments[0].gpa()), (End::All, 0x20000));
    assert_eq!(a.fragments[0].memory().unwrap().write(8, &[7; 8]), 8);
    assert_eq!(o.w.ram.get(0x20008), 0x0707_0707_0707_0707);
    let want = |page: u64, access| Request { iova: IOVA + page * 4096, bytes: 8, access };
    let list = [want(1, Access::READ), want(0, Access::WRITE), want(2, Access::READ), want(0, Access::READ)];
    let answers = section.translate_list(&list, &mut buffer).unwrap();
    let told: Vec<_> = answers.iter().map(|a| (a.end, a.fragments.first().map(Fragment::gpa))).collect();
    assert_eq!(told, [(End::All, Some(0x30000)), (End::All, Some(0x20000)), (End::Missing, None)]);
    assert_eq!(o.ask(&section, IOVA + 0x2000, Access::READ), Ok(Outcome::Fault));
    // the guest takes the page, and is told when the section has closed
    o.w.map(0, 0, 0);
    assert_eq!((o.w.invalidate(0), o.w.told()), (Progress::Pending, false));
    drop(section);
    let works = o.w.seen.works.load(Ordering::SeqCst);
    let bytes = view.wake(&mut message).unwrap();
    assert_eq!(o.viewer.serve(&message[..bytes], &mut [0; 64]), Ok(0), "has no reply");
    assert_eq!(o.w.seen.works.load(Ordering::SeqCst), works + 1);
    assert_eq!((o.w.registers.run(), o.w.told()), (Ok(Progress::Done), true));
    assert_eq!(view.wake(&mut message), Ok(0), "said once");
    assert_eq!(view.write(IOVA, &[1]).unwrap_err().why, Why::Missing);
    let section = view.enter().unwrap();
    assert_eq!(o.ask(&section, IOVA, Access::WRITE), Ok(Outcome::Fault));
}

#[test]
fn verbs_of_a_view() {
    let mut o = Owner::new(None);
    let mut view = o.view();
    assert_eq!(view.compare_exchange(IOVA, 0u64, 1).unwrap_err(), Refused { done: 0, why: Why::Missing });
    let section = view.enter().unwrap();
    assert_eq!(o.ask(&section, IOVA, read_write()), Ok(Outcome::Done));
    section.write(IOVA, &[0x11; 16]).unwrap();
    drop(section);
    assert_eq!(view.load::<u16>(IOVA + 2), Ok(0x1111));
    view.store(IOVA, 0x1234_5678_9abc_def0u64).unwrap();
    assert_eq!(view.compare_exchange(IOVA, 0u64, 1), Ok(0x1234_5678_9abc_def0));
    assert_eq!(view.compare_exchange(IOVA, 0x1234_5678_9abc_def0u64, 1), Ok(0x1234_5678_9abc_def0));
    assert_eq!(o.w.ram.get(0x20000), 1);
    assert_eq!(view.compare_exchange(IOVA + 2, 0u32, 1).unwrap_err().why, Why::Error(Error::Invalid));
    assert_eq!(view.read(IOVA + 0xff8, &mut [0; 16]), Err(Refused { done: 8, why: Why::Missing }));
    view.set_privileged(true);
    assert_eq!(view.load::<u8>(IOVA), Ok(0x01), "the tables know no privileges");
    view.set_privileged(false);
    // what is not mapped here, the owner copies
    view.unmap(0).unwrap();
    assert_eq!(view.unmap(0), Err(Error::NotFound));
    assert_eq!(view.store(IOVA, 1u8).unwrap_err().why, Why::Unreachable);
    let mut message = [0; VIEW_MESSAGE_BYTES];
    let bytes = view.request_write(IOVA + 8, &[5; 24], &mut message).unwrap();
    let reply = o.exchange(&message[..bytes]);
    let said = view.reply(&reply).unwrap();
    assert_eq!((said.iova, said.done, said.data, said.copied()), (IOVA + 8, 24, &[][..], Ok(())));
    let bytes = view.request_read(IOVA + 0x1ff0, 32, &mut message).unwrap();
    let reply = o.exchange(&message[..bytes]);
    let said = view.reply(&reply).unwrap();
    assert_eq!((said.outcome, said.data.len()), (Ok(Outcome::Fault), 16));
    assert_eq!(said.copied(), Err(Refused { done: 16, why: Why::Fault }));
    assert_eq!(view.reply(&reply).err(), Some(Error::Invalid), "nobody waits for it");
    assert_eq!(view.request_write(IOVA, &[0; 5000], &mut message), Err(Error::Invalid));
    assert_eq!(view.request_read(IOVA, 8, &mut message[..8]), Err(Error::NoSpace));
    assert_eq!(o.w.invalidate(0), Progress::Done, "no section is open");
}

#[test]
fn what_is_refused() {
    let mut o = Owner::new(None);
    let Owner { w, device, viewer, .. } = &mut o;
    let (page, config) = (Ram::new(4096), ViewerConfig::default());
    let mut made = |offset, config: &ViewerConfig| {
        w.registers.viewer(device, None, page.clone(), offset, config, ViewerHost::default()).err()
    };
    for offset in [8, 4064, 4096, u64::MAX - 63] {
        assert_eq!(made(offset, &config), Some(Error::Invalid), "{offset}");
    }
    assert_eq!(made(0, &ViewerConfig { deadline: 1, ..config }), Some(Error::Invalid), "nobody is told");
    assert_eq!(made(0, &ViewerConfig { requests: 257, ..config }), Some(Error::Invalid));
    assert_eq!(viewer.serve(&[1; 64], &mut [0; VIEW_MESSAGE_BYTES]), Err(Error::Invalid));
    let mut together = World::new();
    let other = together.iommu.device(plain(8)).unwrap();
    let viewer = together.registers.viewer(&other, None, page.clone(), 0, &config, ViewerHost::default());
    assert_eq!((viewer.err(), other.window().err()), (Some(Error::Unsupported), Some(Error::Unsupported)));
    let viewer = together.registers.viewer(&o.device, None, page.clone(), 0, &config, ViewerHost::default());
    assert_eq!(viewer.err(), Some(Error::Invalid), "a device of another IOMMU");
    // SAFETY: nobody writes there.
    let view =
        |window| unsafe { View::new(LibraryMemory::new(window), page.clone(), 0, 0, None, &ViewConfig::default()) };
    assert_eq!(view(Ram::new(8192)).err(), Some(Error::State));
    let half = Ram::of(&o.files[1], o.window.bytes as usize - 4096, false);
    assert_eq!(view(half).err(), Some(Error::State));
    o.viewer.revoke().unwrap();
    assert_eq!(o.viewer.serve(&[1; 64], &mut [0; 64]), Err(Error::NotFound));
}

#[test]
fn a_reply_to_what_an_earlier_section_asked() {
    let mut o = Owner::new(None);
    let (mut view, mut message) = (o.view(), [0; VIEW_MESSAGE_BYTES]);
    let section = view.enter().unwrap();
    let bytes = section.request(IOVA, 8, Access::WRITE, &mut message).unwrap();
    let reply = o.exchange(&message[..bytes]);
    drop(section);
    o.w.map(0, 0, 0);
    assert_eq!((o.w.invalidate(0), o.w.told()), (Progress::Done, true));
    let (section, mut buffer) = (view.enter().unwrap(), Buffer::new(1));
    let late = section.reply(&reply).unwrap();
    assert_eq!((late.outcome, late.answer().unwrap().fragments[0].memory().is_none()), (Ok(Outcome::Done), true));
    assert_eq!(section.translate(IOVA, 8, Access::WRITE, &mut buffer).unwrap().end, End::Missing);
    assert_eq!(section.store(IOVA, 1u8).unwrap_err().why, Why::Missing);
}

#[test]
fn a_guard_that_was_forgotten() {
    let mut o = Owner::new(None);
    let mut view = o.view();
    let section = view.enter().unwrap();
    assert_eq!(o.ask(&section, IOVA, Access::READ), Ok(Outcome::Done));
    std::mem::forget(section);
    assert_eq!(o.w.invalidate(0), Progress::Pending);
    drop(view.enter().unwrap());
    assert_ne!(view.wake(&mut [0; 64]), Ok(0), "the first one held somebody back");
    assert_eq!(o.w.registers.run(), Ok(Progress::Done));
    std::mem::forget(view.enter().unwrap());
    view.unmap(0).unwrap();
    std::mem::forget(view.enter().unwrap());
    drop(view);
    assert!((8..16).all(|word| o.page.get(word * 8) == 0), "the section is closed");
}

#[test]
fn a_time_out_completes_nothing() {
    let (tried, viewer): (Arc<AtomicUsize>, Arc<OnceLock<Weak<Viewer>>>) = Default::default();
    let (count, of) = (tried.clone(), viewer.clone());
    let mut o = Owner::new(Some(Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(of.get().unwrap().upgrade().unwrap().revoke(), Err(Error::Busy), "not from inside");
    })));
    let shared = Arc::new(o.viewer.clone());
    viewer.set(Arc::downgrade(&shared)).unwrap();
    let mut view = o.view();
    let section = view.enter().unwrap();
    assert_eq!(o.ask(&section, IOVA, Access::READ), Ok(Outcome::Done));
    assert_eq!((o.w.invalidate(0), o.later(), o.later()), (Progress::Pending, Progress::Pending, Progress::Pending));
    assert_eq!((tried.load(Ordering::SeqCst), o.w.told()), (1, false));
    // nor does its record's end
    let gone = o.w.ram.gone.clone();
    let Owner { mut w, device, viewer, .. } = o;
    drop((viewer, device));
    assert_eq!((w.registers.run(), w.told()), (Ok(Progress::Pending), false));
    shared.revoke().unwrap();
    assert_eq!((w.registers.run(), w.told()), (Ok(Progress::Done), true));
    assert!(w.iommu.device(plain(8)).is_err(), "the record keeps its device");
    drop(shared);
    assert!(w.iommu.device(plain(8)).is_ok());
    drop(section);
    drop((w, view));
    assert!(gone.load(Ordering::SeqCst));
}

// ---- another process ----

const CHILD: &str = "VIRTIOMMU_VIEW";

/// What goes over the socket besides messages of views, which are longer.
fn send(socket: &UnixDatagram, message: &[u8]) {
    socket.send(message).unwrap();
}
fn child_asks(mut socket: &File, section: &ViewSection<'_>, iova: u64) -> Outcome {
    let mut message = [0; VIEW_MESSAGE_BYTES];
    let bytes = section.request(iova, 8, read_write(), &mut message).unwrap();
    socket.write_all(&message[..bytes]).unwrap();
    let bytes = socket.read(&mut message).unwrap();
    section.reply(&message[..bytes]).unwrap().outcome.unwrap()
}
fn child(what: &str) {
    let numbers: Vec<u64> = what.split(' ').map(|n| n.parse().unwrap()).collect();
    let file = |n: usize, write| {
        File::options().read(true).write(write).open(format!("/proc/{}/fd/{}", numbers[0], numbers[n])).unwrap()
    };
    let files = [file(1, true), file(2, false), file(3, true)];
    // SAFETY: standard input is the socket, and nobody else has it.
    let mut socket = unsafe { File::from_raw_fd(0) };
    let mut view = open(&files, numbers[4] as usize, numbers[5]);
    view.map(0, Ram::of(&files[0], RAM, true), false).unwrap();
    // SAFETY: from now on this thread may read and write, and nothing else: whatever allocates may end it.
    if unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) } != 0 {
        eprintln!("without seccomp, which the kernel does not have");
    }
    let mut message = [0; VIEW_MESSAGE_BYTES];
    let section = view.enter().unwrap();
    assert_eq!(section.compare_exchange(IOVA, 0u64, 7).unwrap_err().why, Why::Missing);
    assert_eq!(child_asks(&socket, &section, IOVA), Outcome::Done);
    assert_eq!(section.compare_exchange(IOVA, 0u64, 7), Ok(0));
    socket.write_all(b"1").unwrap();
    assert_eq!(socket.read(&mut message).unwrap(), 1);
    drop(section);
    let bytes = view.wake(&mut message).unwrap();
    socket.write_all(&message[..bytes]).unwrap();
    assert_eq!(socket.read(&mut message).unwrap(), 1);
    let section = view.enter().unwrap();
    assert_eq!(section.store(IOVA, 8u64).unwrap_err().why, Why::Missing);
    assert_eq!(child_asks(&socket, &section, IOVA), Outcome::Fault);
    assert_eq!(child_asks(&socket, &section, IOVA + 0x1000), Outcome::Done);
    socket.write_all(b"2").unwrap();
    let _killed = socket.read(&mut message);
}
/// Whatever fails, it does not stay.
struct Process(Child);
impl Drop for Process {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}
fn start(o: &Owner) -> (Process, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let fds: Vec<String> = o.files.iter().map(|f| f.as_raw_fd().to_string()).collect();
    let what = format!("{} {} {} {}", std::process::id(), fds.join(" "), o.window.bytes, o.window.device);
    let mut me = Command::new(std::env::current_exe().unwrap());
    me.args(["--exact", "views::two_processes", "--nocapture"]).env(CHILD, what);
    let process = me.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).spawn().unwrap();
    (Process(process), ours)
}
/// The thread that answers the process.
fn serve(viewer: &Viewer, socket: &UnixDatagram, said: &mpsc::Sender<u8>) {
    let (mut message, mut reply) = ([0; VIEW_MESSAGE_BYTES], [0; VIEW_MESSAGE_BYTES]);
    while let Ok(bytes @ 1..) = socket.recv(&mut message) {
        if bytes == 1 {
            said.send(message[0]).unwrap();
            continue;
        }
        let bytes = viewer.serve(&message[..bytes], &mut reply).unwrap();
        if bytes > 0 {
            send(socket, &reply[..bytes]);
        }
    }
}

#[test]
fn two_processes() {
    if let Ok(what) = std::env::var(CHILD) {
        return child(&what);
    }
    let expired: Arc<AtomicUsize> = Arc::default();
    let count = expired.clone();
    let mut o = Owner::new(Some(Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    })));
    let (process, socket) = start(&o);
    let (tell, said) = mpsc::channel();
    let (theirs, viewer) = (socket.try_clone().unwrap(), o.viewer.clone());
    let server = std::thread::spawn(move || serve(&viewer, &theirs, &tell));
    let says = |what| assert_eq!(said.recv_timeout(Duration::from_secs(30)), Ok(what));
    says(b'1');
    assert_eq!(o.w.ram.get(0x20000), 7);
    o.w.map(0, 0, 0);
    assert_eq!((o.w.invalidate(0), o.w.registers.run()), (Progress::Pending, Ok(Progress::Pending)));
    let works = o.w.seen.works.load(Ordering::SeqCst);
    send(&socket, b"1");
    let woken = || o.w.seen.works.load(Ordering::SeqCst) > works;
    let soon = (0..30_000).any(|_| {
        woken() || {
            std::thread::sleep(Duration::from_millis(1));
            false
        }
    });
    assert!(soon, "the process has told that its section is closed");
    assert_eq!((o.w.registers.run(), o.w.told()), (Ok(Progress::Done), true));
    send(&socket, b"2");
    says(b'2');
    // it does not close its section
    assert_eq!((o.w.invalidate(1), o.later()), (Progress::Pending, Progress::Pending));
    assert_eq!((expired.load(Ordering::SeqCst), o.w.ram.get(0x20000)), (1, 7));
    drop(process);
    assert_eq!((o.later(), o.w.told()), (Progress::Pending, false));
    o.viewer.revoke().unwrap();
    assert_eq!((o.w.registers.run(), o.w.told()), (Ok(Progress::Done), true));
    socket.shutdown(std::net::Shutdown::Both).unwrap();
    server.join().unwrap();
}
