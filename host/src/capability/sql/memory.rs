//! The memory SQLite takes for one run of statements.
//!
//! Bound: while a [`Budget`] is held, SQLite's allocations on this thread may grow by `memory_bytes` and no further;
//! the one that would fails, which SQLite answers by ending the statement. Its own heap limit is one for the whole
//! process, so with it one tenant's statement would take memory from all. Five hundred columns of 4 MiB, or hundreds of
//! sorted subqueries with a cache each, would otherwise be gigabytes.
//!
//! A statement runs on one thread from beginning to end, so counting by thread is counting by statement. What is
//! counted is the net growth: pages that stay in the cache belong to the run that read them. Each connection has a page
//! cache of its own, of `cache_kib`, which only its database uses. That takes building SQLite as `.cargo/config.toml`
//! says: otherwise all caches are one group, and a tenant that reads much drives out others' pages.

use rusqlite::ffi;
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    sync::OnceLock,
};

thread_local! {
    static ALLOWANCE: Cell<Allowance> = const { Cell::new(Allowance { left: i64::MAX, refused: false }) };
}

#[derive(Clone, Copy)]
struct Allowance {
    left: i64,
    refused: bool,
}

/// Limits SQLite's memory on this thread until it is dropped.
#[derive(Debug)]
pub(super) struct Budget(());

impl Budget {
    pub fn new(bytes: u64) -> Self {
        ALLOWANCE.set(Allowance { left: i64::try_from(bytes).unwrap_or(i64::MAX), refused: false });
        Budget(())
    }

    /// Whether an allocation was refused.
    pub fn was_refused(&self) -> bool {
        ALLOWANCE.get().refused
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        ALLOWANCE.set(Allowance { left: i64::MAX, refused: false });
    }
}

/// SQLite's own allocator, which does the work.
#[derive(Debug)]
struct Inner {
    malloc: unsafe extern "C" fn(c_int) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    realloc: unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void,
    size: unsafe extern "C" fn(*mut c_void) -> c_int,
}

static INNER: OnceLock<Option<Inner>> = OnceLock::new();

/// Puts the counting in front of SQLite's allocator, once for the process. False when SQLite was in use before: then
/// budgets limit nothing.
pub fn limit_sqlite_memory() -> bool {
    INNER.get_or_init(install).is_some()
}

fn install() -> Option<Inner> {
    let mut methods = MaybeUninit::<ffi::sqlite3_mem_methods>::zeroed();
    // SAFETY: SQLite fills in the structure it is given, and refuses once it is initialised. All zeros are a valid
    // value, because every field is a number, a pointer or an optional function.
    let methods = unsafe {
        if ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, methods.as_mut_ptr()) != ffi::SQLITE_OK {
            return None;
        }
        methods.assume_init()
    };
    let inner =
        Inner { malloc: methods.xMalloc?, free: methods.xFree?, realloc: methods.xRealloc?, size: methods.xSize? };
    let counting =
        ffi::sqlite3_mem_methods { xMalloc: Some(allocate), xFree: Some(free), xRealloc: Some(reallocate), ..methods };
    // The methods may be called as soon as they are set; whoever does waits until `INNER` has its value. Nothing here
    // allocates from SQLite, so that this thread never waits for itself.
    // SAFETY: SQLite copies the structure, and its functions keep to the allocator's contract by handing on to it.
    let code = unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const counting) };
    (code == ffi::SQLITE_OK).then_some(inner)
}

fn inner() -> Option<&'static Inner> {
    INNER.wait().as_ref()
}

/// Takes bytes from the thread's allowance, or notes that there are not so many left.
fn take(bytes: i64) -> bool {
    let mut allowance = ALLOWANCE.get();
    let enough = bytes <= allowance.left;
    match enough {
        true => allowance.left = allowance.left.saturating_sub(bytes),
        false => allowance.refused = true,
    }
    ALLOWANCE.set(allowance);
    enough
}

/// # Safety
///
/// The pointer is null or one that the inner allocator gave.
unsafe fn size(inner: &Inner, pointer: *mut c_void) -> i64 {
    match pointer.is_null() {
        true => 0,
        // SAFETY: as the caller promises.
        false => unsafe { (inner.size)(pointer) }.into(),
    }
}

/// # Safety
///
/// SQLite's contract for its allocator.
unsafe extern "C" fn allocate(bytes: c_int) -> *mut c_void {
    let Some(inner) = inner() else { return std::ptr::null_mut() };
    if !take(bytes.into()) {
        return std::ptr::null_mut();
    }
    // SAFETY: handed on as it came.
    unsafe {
        let pointer = (inner.malloc)(bytes);
        take(size(inner, pointer) - i64::from(bytes));
        pointer
    }
}

/// # Safety
///
/// SQLite's contract for its allocator.
unsafe extern "C" fn free(pointer: *mut c_void) {
    let Some(inner) = inner() else { return };
    // SAFETY: handed on as it came.
    unsafe {
        take(-size(inner, pointer));
        (inner.free)(pointer);
    }
}

/// # Safety
///
/// SQLite's contract for its allocator.
unsafe extern "C" fn reallocate(pointer: *mut c_void, bytes: c_int) -> *mut c_void {
    let Some(inner) = inner() else { return std::ptr::null_mut() };
    // SAFETY: handed on as it came.
    unsafe {
        let before = size(inner, pointer);
        if !take(i64::from(bytes) - before) {
            return std::ptr::null_mut();
        }
        let moved = (inner.realloc)(pointer, bytes);
        match moved.is_null() {
            true => take(before - i64::from(bytes)),
            false => take(size(inner, moved) - i64::from(bytes)),
        };
        moved
    }
}
