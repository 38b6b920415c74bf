//! `SlowPage`: a page of memory whose first reader stands still until it is filled.
//!
//! A `write` from it has begun and cannot end, so a test can look at a file in the middle of one.
//! The kernel calls this userfaultfd(2); it may be forbidden, and then there is no such page.

#![expect(
    unsafe_code,
    reason = "a page without content is memory that the kernel fills"
)]

use std::ffi::c_void;
use std::os::fd::OwnedFd;

use rustix::io::Result;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, UserfaultfdFlags, mmap_anonymous, munmap, userfaultfd};

const PAGE: usize = 4096;

/// The protocol of userfaultfd(2), and its calls as `linux/userfaultfd.h` numbers them.
const GROUP: u8 = 0xaa;
const PROTOCOL: u64 = 0xaa;
const API: Opcode = opcode::read_write::<Api>(GROUP, 0x3f);
const REGISTER: Opcode = opcode::read_write::<Register>(GROUP, 0x00);
const COPY: Opcode = opcode::read_write::<Copy>(GROUP, 0x03);

/// Tells of pages that are missing.
const MISSING: u64 = 1;

#[repr(C)]
struct Api {
    protocol: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy {
    target: u64,
    source: u64,
    length: u64,
    mode: u64,
    copied: i64,
}

/// Such a page.
#[derive(Debug)]
pub struct SlowPage {
    page: *mut c_void,
    fd: OwnedFd,
}

// SAFETY: nobody writes to the page but the kernel, and that only once.
unsafe impl Sync for SlowPage {}

impl SlowPage {
    /// Makes one, where the system allows it.
    pub fn new() -> Option<Self> {
        // SAFETY: the descriptor is used by this type only, and the page is new and private.
        unsafe {
            let fd = userfaultfd(UserfaultfdFlags::CLOEXEC).ok()?;
            let mut api = Api {
                protocol: PROTOCOL,
                features: 0,
                ioctls: 0,
            };
            tell::<API, _>(&fd, &mut api).ok()?;
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let page = mmap_anonymous(std::ptr::null_mut(), PAGE, access, MapFlags::PRIVATE);
            let slow = Self {
                page: page.ok()?,
                fd,
            };
            let mut register = Register {
                start: slow.page as u64,
                length: PAGE as u64,
                mode: MISSING,
                ioctls: 0,
            };
            tell::<REGISTER, _>(&slow.fd, &mut register).ok()?;
            Some(slow)
        }
    }

    /// The bytes of the page: whoever reads them waits until they are filled.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the page is mapped as long as this lives, and is filled before it is read.
        unsafe { std::slice::from_raw_parts(self.page.cast(), PAGE) }
    }

    /// Fills the page, and lets its readers go on.
    ///
    /// # Panics
    /// Where it is filled already.
    pub fn fill(&self, byte: u8) {
        let source = [byte; PAGE];
        let mut copy = Copy {
            target: self.page as u64,
            source: source.as_ptr() as u64,
            length: PAGE as u64,
            mode: 0,
            copied: 0,
        };
        // SAFETY: both pages are alive, and as long as is said.
        unsafe { tell::<COPY, _>(&self.fd, &mut copy) }.expect("the page is empty");
    }
}

impl Drop for SlowPage {
    fn drop(&mut self) {
        // SAFETY: the page was mapped here, and what lends its bytes is gone.
        let _ = unsafe { munmap(self.page, PAGE) };
    }
}

/// Makes a call of userfaultfd(2).
///
/// # Safety
/// The structure has to be that of the call, and what it points to alive.
unsafe fn tell<const CALL: Opcode, T>(fd: &OwnedFd, structure: &mut T) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { ioctl(fd, Updater::<CALL, T>::new(structure)) }
}
