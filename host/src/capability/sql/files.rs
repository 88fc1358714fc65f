//! The files SQLite writes for one connection, each kind with its bound.
//!
//! Invariant: the write-ahead log never grows past `log_bytes`, and the temporary files of all connections to one
//! database (sorts, materialised queries, what a statement may have to take back) never past `temporary_bytes`
//! together. The write that would do it fails with SQLite's "full", which rolls back cleanly like a full disk. SQLite
//! bounds neither itself: `max_page_count` counts the database file alone, its heap limit is one for the whole process,
//! and its temporary files have no names to look for. So this is a thin VFS: the system's own, with a look at each
//! write.
//!
//! Why a call failed as "full" is noted here too, because SQLite does not tell a limit from a disk that has no room;
//! and the meter is told before the disk is waited for, so that others can go meanwhile.

mod room;

pub(super) use room::{LogUse, Refusal, Room};

use super::guard::Meter;
use rusqlite::ffi;
use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

/// The VFS of one connection. Drop it after the connection.
#[derive(Debug)]
pub(super) struct Files {
    vfs: *mut ffi::sqlite3_vfs,
    name: CString,
    watch: *mut Watch,
}

/// What the callbacks know. It lives until the connection and all its files are closed.
#[derive(Debug)]
struct Watch {
    room: Arc<Room>,
    parent: *mut ffi::sqlite3_vfs,
    refusal: AtomicU8,
    meter: Meter,
}

// SAFETY: the pointers are to allocations that this value owns and frees in `drop`. SQLite's registry of VFSs has its
// own lock, and what callbacks change is atomic or belongs to one file of one connection, which one thread uses at a
// time.
unsafe impl Send for Files {}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Files {
    /// Registers a VFS that counts into `room` and tells `meter` of waiting for the disk. `None` when SQLite does not
    /// take it.
    pub fn new(room: Arc<Room>, meter: Meter) -> Option<Self> {
        let name = CString::new(format!("tenon-{}", NEXT.fetch_add(1, Ordering::Relaxed))).ok()?;
        // SAFETY: a null name asks for the default VFS, which is there for as long as the process.
        let parent = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        if parent.is_null() {
            return None;
        }
        let watch = Box::into_raw(Box::new(Watch { room, parent, refusal: AtomicU8::new(0), meter }));
        // SAFETY: `parent` is a whole VFS, and stays as long as the process.
        let vfs = Box::new(unsafe { like(parent, &name, watch) });
        let files = Files { vfs: Box::into_raw(vfs), name, watch };
        // SAFETY: the VFS and its name stay where they are until `drop` has taken it out again.
        let code = unsafe { ffi::sqlite3_vfs_register(files.vfs, 0) };
        (code == ffi::SQLITE_OK).then_some(files)
    }

    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// Why the last write failed, if it was for want of room; asked once.
    pub fn refusal(&self) -> Option<Refusal> {
        // SAFETY: `watch` lives as long as this value.
        match unsafe { &*self.watch }.refusal.swap(0, Ordering::Relaxed) {
            1 => Some(Refusal::Log),
            2 => Some(Refusal::Temporary),
            3 => Some(Refusal::Disk),
            _ => None,
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // SAFETY: both came from `Box::into_raw` in `new`. The connection is closed, so no file and no statement points
        // at them any longer, and after unregistering SQLite does not either.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs);
            drop(Box::from_raw(self.vfs));
            drop(Box::from_raw(self.watch));
        }
    }
}

/// A VFS that does what `parent` does, but for opening files. The functions it takes over take no notice of which VFS
/// they are called with.
///
/// `pNext` is not read: SQLite changes it under a lock of its own whenever a VFS comes or goes. All other fields of a
/// VFS stay as they were when it was registered.
///
/// # Safety
///
/// `parent` is a registered VFS.
unsafe fn like(parent: *const ffi::sqlite3_vfs, name: &CStr, watch: *mut Watch) -> ffi::sqlite3_vfs {
    // SAFETY: each is a field of a live VFS that nobody writes to.
    unsafe {
        ffi::sqlite3_vfs {
            iVersion: (*parent).iVersion,
            szOsFile: own_offset((*parent).szOsFile) + size_of::<File>() as c_int,
            mxPathname: (*parent).mxPathname,
            pNext: ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: watch.cast(),
            xOpen: Some(open),
            xDelete: (*parent).xDelete,
            xAccess: (*parent).xAccess,
            xFullPathname: (*parent).xFullPathname,
            xDlOpen: (*parent).xDlOpen,
            xDlError: (*parent).xDlError,
            xDlSym: (*parent).xDlSym,
            xDlClose: (*parent).xDlClose,
            xRandomness: (*parent).xRandomness,
            xSleep: (*parent).xSleep,
            xCurrentTime: (*parent).xCurrentTime,
            xGetLastError: (*parent).xGetLastError,
            xCurrentTimeInt64: (*parent).xCurrentTimeInt64,
            xSetSystemCall: (*parent).xSetSystemCall,
            xGetSystemCall: (*parent).xGetSystemCall,
            xNextSystemCall: (*parent).xNextSystemCall,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Log,
    Temporary,
    Other,
}

/// What is kept behind the parent's own part of an open file. `pMethods` points to it, so `methods` comes first.
#[repr(C)]
struct File {
    methods: ffi::sqlite3_io_methods,
    parent: *const ffi::sqlite3_io_methods,
    watch: *const Watch,
    kind: Kind,
    /// Bytes counted for this file, while it is a temporary one.
    counted: u64,
}

impl File {
    /// Whether the file may grow to `end`.
    fn reserve(&mut self, end: u64) -> Result<(), Refusal> {
        // SAFETY: the watch outlives every file; see `Files`.
        let room = unsafe { &(*self.watch).room };
        match self.kind {
            Kind::Other => Ok(()),
            Kind::Log if end > room.log_max => Err(Refusal::Log),
            Kind::Log => {
                room.log_end.store(end, Ordering::Relaxed);
                Ok(())
            }
            Kind::Temporary => {
                let more = end.saturating_sub(self.counted);
                let taken = |used: u64| used.checked_add(more).filter(|used| *used <= room.temporary_max);
                room.temporary
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
                    .map_err(|_| Refusal::Temporary)?;
                self.counted += more;
                Ok(())
            }
        }
    }

    fn shrink(&mut self, to: u64) {
        // SAFETY: the watch outlives every file; see `Files`.
        let room = unsafe { &(*self.watch).room };
        let less = self.counted.saturating_sub(to);
        room.temporary.fetch_sub(less, Ordering::Relaxed);
        self.counted -= less;
    }

    fn note(&self, refusal: Refusal) {
        // SAFETY: the watch outlives every file; see `Files`.
        unsafe { &*self.watch }.refusal.store(refusal as u8 + 1, Ordering::Relaxed);
    }
}

/// Where our part of a file begins: behind the parent's, aligned for pointers.
fn own_offset(parent_bytes: c_int) -> c_int {
    let align = align_of::<File>() as c_int;
    (parent_bytes + align - 1) / align * align
}

/// # Safety
///
/// SQLite calls it with the VFS of a live [`Files`] and with `szOsFile` bytes at `file`.
unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    const TEMPORARY: c_int = ffi::SQLITE_OPEN_TEMP_DB
        | ffi::SQLITE_OPEN_TRANSIENT_DB
        | ffi::SQLITE_OPEN_TEMP_JOURNAL
        | ffi::SQLITE_OPEN_SUBJOURNAL;
    // SAFETY: `vfs` is the one `Files::new` made, whose data is its watch, and `file` has room for the parent's part
    // and ours behind it. The parent gets its own VFS, because it keeps data of its own there.
    unsafe {
        let watch: *const Watch = (*vfs).pAppData.cast_const().cast();
        let parent = (*watch).parent;
        let Some(parent_open) = (*parent).xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = parent_open(parent, name, file, flags, out_flags);
        let methods = (*file).pMethods;
        if code != ffi::SQLITE_OK || methods.is_null() {
            return code;
        }
        let kind = match flags {
            flags if flags & ffi::SQLITE_OPEN_WAL != 0 => Kind::Log,
            flags if flags & TEMPORARY != 0 => Kind::Temporary,
            _ => Kind::Other,
        };
        let mut own = *methods;
        own.xClose = Some(close);
        own.xWrite = Some(write);
        own.xTruncate = Some(truncate);
        own.xSync = Some(sync);
        if kind != Kind::Other {
            // Version 1 has no memory maps, which would grow a file without a write.
            own.iVersion = 1;
            own.xFileControl = Some(control);
        }
        let place: *mut File = file.cast::<u8>().add(own_offset((*parent).szOsFile) as usize).cast();
        place.write(File { methods: own, parent: methods, watch, kind, counted: 0 });
        (*file).pMethods = place.cast();
        ffi::SQLITE_OK
    }
}

/// Our part of an open file.
///
/// # Safety
///
/// `file` was opened by [`open`] and is not closed; nothing else refers to our part while the reference is in use.
unsafe fn own<'a>(file: *mut ffi::sqlite3_file) -> &'a mut File {
    // SAFETY: `open` pointed `pMethods` at a `File`, whose first field is the methods. SQLite calls the methods of one
    // file from one thread at a time.
    unsafe { &mut *(*file).pMethods.cast_mut().cast::<File>() }
}

/// # Safety
///
/// As for [`own`]; `bytes` has `amount` bytes.
unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, amount: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite's contract for its file methods, handed on to the parent's as it is.
    unsafe {
        let own = own(file);
        if let Err(refusal) = own.reserve(offset.saturating_add(amount.into()).try_into().unwrap_or(u64::MAX)) {
            own.note(refusal);
            return ffi::SQLITE_FULL;
        }
        let Some(parent) = (*own.parent).xWrite else { return ffi::SQLITE_IOERR_WRITE };
        let code = parent(file, bytes, amount, offset);
        if code == ffi::SQLITE_FULL {
            own.note(Refusal::Disk);
        }
        code
    }
}

/// # Safety
///
/// As for [`own`].
unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: as in `write`.
    unsafe {
        let own = own(file);
        let Some(parent) = (*own.parent).xTruncate else { return ffi::SQLITE_IOERR_TRUNCATE };
        let code = parent(file, size);
        if code == ffi::SQLITE_OK && own.kind == Kind::Temporary {
            own.shrink(size.try_into().unwrap_or(0));
        }
        code
    }
}

/// # Safety
///
/// As for [`own`].
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: as in `write`; the watch outlives every file, see `Files`.
    unsafe {
        let own = own(file);
        (*own.watch).meter.waits();
        match (*own.parent).xSync {
            Some(parent) => parent(file, flags),
            None => ffi::SQLITE_IOERR_FSYNC,
        }
    }
}

/// Takes no hints about sizes, which could make a file grow without a write.
///
/// # Safety
///
/// As for [`own`]; `argument` is what `operation` asks for.
unsafe extern "C" fn control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    if matches!(operation, ffi::SQLITE_FCNTL_SIZE_HINT | ffi::SQLITE_FCNTL_CHUNK_SIZE) {
        return ffi::SQLITE_OK;
    }
    // SAFETY: as in `write`.
    unsafe {
        match (*own(file).parent).xFileControl {
            Some(parent) => parent(file, operation, argument),
            None => ffi::SQLITE_NOTFOUND,
        }
    }
}

/// # Safety
///
/// As for [`own`]; the file is not used afterwards.
unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: as in `write`. The parent finds the file as it left it. Our part lies behind the parent's, which leaves
    // it alone, and it needs no destructor.
    unsafe {
        let own = own(file);
        let parent = own.parent;
        (*file).pMethods = parent;
        let code = match (*parent).xClose {
            Some(parent_close) => parent_close(file),
            None => ffi::SQLITE_OK,
        };
        // Only now has the disk its bytes back.
        own.shrink(0);
        code
    }
}
