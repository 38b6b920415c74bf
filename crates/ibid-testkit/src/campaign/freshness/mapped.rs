//! `Mapped`: a file that is stored to through memory, which moves no timestamp once a page is dirty
//! (hazard B2). The only unsafe code of its campaign.

#![expect(unsafe_code, reason = "a mapping is memory that others share")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping of the whole file, for as long as this lives.
#[derive(Debug)]
pub(super) struct Mapped {
    start: *mut c_void,
    length: usize,
}

impl Mapped {
    /// Maps a file that has `length` bytes and that nobody cuts short while it is mapped.
    pub(super) fn open(path: &Path, length: usize) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        // SAFETY: the kernel chooses the address, so that no other memory is concerned.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )
        }?;
        Ok(Self { start, length })
    }

    /// Stores one byte.
    pub(super) fn store(&self, at: usize, byte: u8) {
        assert!(at < self.length, "it lies in the mapping");
        // SAFETY: within the mapping, which lives, and which is only used through this pointer.
        unsafe { self.start.cast::<u8>().add(at).write_volatile(byte) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `open`, and nothing else points there.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}
