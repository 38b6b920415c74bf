//! `Disks`: a mounted folder whose files are disks in memory, served over `/dev/fuse`.
//!
//! One file is written down write by write and flush by flush; the others are what a power cut
//! could have left of it. The kernel's protocol is spoken here as far as a loop device and
//! `e2fsck` need it, in bytes, without unsafe code. Each disk has a name and an inode of its own,
//! so that the kernel never answers for one disk with pages of another.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::image::{Image, Record};

/// The inode of the folder.
const ROOT: u64 = 1;
/// The inode of the disk that is written down.
pub(super) const LIVE: u64 = 2;
/// The most that one request writes.
const MAX_WRITE: u32 = 128 << 10;
/// How long the kernel may believe names and attributes.
const FOREVER: u64 = 3600;

const HEADER: usize = 40;
const WRITE_HEADER: usize = 40;

const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;

/// What the disks are, and what happened to the live one.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) images: HashMap<u64, Image>,
    pub(super) log: Vec<Record>,
}

/// The disks and the thread that serves them, until the folder is unmounted.
#[derive(Default)]
pub(super) struct Disks {
    disks: Arc<Mutex<Shelf>>,
    server: Option<JoinHandle<()>>,
}

impl Disks {
    /// Serves what is asked for on `device`, an open `/dev/fuse` that was mounted.
    pub(super) fn serve(&mut self, device: File) {
        let disks = Arc::clone(&self.disks);
        self.server = Some(thread::spawn(move || serve(device, &disks)));
    }

    /// Returns the disks, to be looked at or changed.
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.disks)
    }

    /// Waits until the folder is unmounted.
    pub(super) fn join(&mut self) {
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn lock(disks: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    disks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers requests until the kernel says that there are no more.
fn serve(mut device: File, disks: &Mutex<Shelf>) {
    let mut buffer = vec![0; HEADER + WRITE_HEADER + MAX_WRITE as usize + 4096];
    loop {
        let length = match device.read(&mut buffer) {
            Ok(length) => length,
            // A request that was taken back.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let Some(request) = Request::read(&buffer[..length]) else {
            return;
        };
        let (error, body) = match request.answer(&mut lock(disks)) {
            Answer::None => continue,
            Answer::Body(body) => (0, body),
            Answer::Error(code) => (-code, Vec::new()),
        };
        let mut reply = Vec::with_capacity(16 + body.len());
        let length = u32::try_from(16 + body.len()).expect("a reply is small");
        reply.extend(length.to_le_bytes());
        reply.extend(error.to_le_bytes());
        reply.extend(request.unique.to_le_bytes());
        reply.extend(body);
        // The asker may be gone.
        let _ = device.write(&reply);
    }
}

/// One request of the kernel.
struct Request<'a> {
    operation: u32,
    unique: u64,
    inode: u64,
    body: &'a [u8],
}

enum Answer {
    /// The kernel waits for none.
    None,
    Body(Vec<u8>),
    Error(i32),
}

impl<'a> Request<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        Some(Self {
            operation: u32_at(bytes, 4)?,
            unique: u64_at(bytes, 8)?,
            inode: u64_at(bytes, 16)?,
            body: bytes.get(HEADER..)?,
        })
    }

    fn answer(&self, disks: &mut Shelf) -> Answer {
        let body = match self.operation {
            // FORGET, INTERRUPT, BATCH_FORGET.
            2 | 36 | 42 => return Answer::None,
            // INIT.
            26 => Some(greeting()),
            // LOOKUP.
            1 => self.look_up(disks),
            // GETATTR, SETATTR.
            3 | 4 => attributes(disks, self.inode).map(|attributes| {
                let mut body = validity();
                body.extend(attributes);
                body
            }),
            // OPEN, OPENDIR: a handle, and that cached pages may stay.
            14 | 27 => Some([[0; 8], [2, 0, 0, 0, 0, 0, 0, 0]].concat()),
            // READ.
            15 => self.read_disk(disks),
            // WRITE.
            16 => self.write_disk(disks),
            // STATFS.
            17 => Some(vec![0; 80]),
            // FSYNC.
            20 => {
                if self.inode == LIVE {
                    disks.log.push(Record::Flush);
                }
                Some(Vec::new())
            }
            // READDIR (nobody lists), RELEASE, FLUSH, RELEASEDIR, ACCESS, DESTROY.
            28 | 18 | 25 | 29 | 34 | 38 => Some(Vec::new()),
            _ => return Answer::Error(ENOSYS),
        };
        body.map_or(Answer::Error(ENOENT), Answer::Body)
    }

    /// A disk is named by its inode.
    fn look_up(&self, disks: &Shelf) -> Option<Vec<u8>> {
        let name = self.body.split(|byte| *byte == 0).next()?;
        let inode: u64 = std::str::from_utf8(name).ok()?.parse().ok()?;
        if inode == ROOT {
            return None;
        }
        let attributes = attributes(disks, inode)?;
        let mut body = Vec::new();
        for number in [inode, 0, FOREVER, FOREVER, 0] {
            body.extend(number.to_le_bytes());
        }
        body.extend(attributes);
        Some(body)
    }

    fn read_disk(&self, disks: &Shelf) -> Option<Vec<u8>> {
        let offset = u64_at(self.body, 8)?;
        let size = u32_at(self.body, 16)? as usize;
        Some(disks.images.get(&self.inode)?.read(offset, size))
    }

    fn write_disk(&self, disks: &mut Shelf) -> Option<Vec<u8>> {
        let offset = u64_at(self.body, 8)?;
        let size = u32_at(self.body, 16)?;
        let bytes = self.body.get(WRITE_HEADER..WRITE_HEADER + size as usize)?;
        disks.images.get_mut(&self.inode)?.write(offset, bytes);
        if self.inode == LIVE {
            let bytes = bytes.into();
            disks.log.push(Record::Write { offset, bytes });
        }
        Some(u64::from(size).to_le_bytes().to_vec())
    }
}

/// Answers INIT with the version that is spoken and what one request may write.
fn greeting() -> Vec<u8> {
    // Reads ahead, large writes, and how many pages they have.
    let flags: u32 = 1 | 1 << 5 | 1 << 22;
    let mut body = Vec::new();
    for number in [7, 31, 128 << 10, flags] {
        body.extend(u32::to_le_bytes(number));
    }
    for number in [16u16, 12] {
        body.extend(number.to_le_bytes());
    }
    body.extend(MAX_WRITE.to_le_bytes());
    body.extend(1u32.to_le_bytes());
    let pages = u16::try_from(MAX_WRITE / 4096).expect("a small constant");
    body.extend(pages.to_le_bytes());
    body.resize(64, 0);
    body
}

fn validity() -> Vec<u8> {
    [FOREVER.to_le_bytes(), [0; 8]].concat()
}

/// Returns the attributes of the folder or of a disk, as the kernel reads them.
fn attributes(disks: &Shelf, inode: u64) -> Option<Vec<u8>> {
    let (size, mode) = if inode == ROOT {
        (0, 0o040_755)
    } else {
        (disks.images.get(&inode)?.size(), 0o100_600)
    };
    let mut body = Vec::new();
    for number in [inode, size, size / 512, 0, 0, 0] {
        body.extend(u64::to_le_bytes(number));
    }
    for number in [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0] {
        body.extend(u32::to_le_bytes(number));
    }
    Some(body)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

impl Drop for Disks {
    fn drop(&mut self) {
        self.join();
    }
}
