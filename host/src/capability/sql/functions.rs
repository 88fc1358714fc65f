//! LIKE, `replace` and `trim`, in the place of SQLite's own.
//!
//! SQLite asks its progress handler between two steps of its machine, and a function is one step. Its own three
//! compare each place of a text with a whole pattern, or with each character of a set: over two values of
//! `sql.value_bytes` one step would go on for hours, whatever the deadline and the budget. These take time in
//! proportion to their arguments (a LIKE, at most times its pattern), and on the way they ask the meter as SQLite does
//! between steps.
//!
//! What they answer is what SQLite's own would, whatever the bytes, but for texts and sets so long that those have no
//! room for their work; the tests compare them. All other functions on the list take time in proportion to their
//! arguments: `database/tests/steps.rs` measures them.

mod texts;

use super::guard::Meter;
use memchr::memmem::Finder;
use rusqlite::{Connection, ffi};
use std::{
    ffi::{CStr, c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use texts::Ends;

/// Bytes gone through between two looks at the meter: some 10 µs.
const LOOK_BYTES: usize = 4 * 1024;

type Function = for<'a> fn(&Call<'a>) -> Result<Answer<'a>, Failure>;

/// Name, arguments, function. LIKE without ESCAPE stays SQLite's own, so that a prefix is looked up in an index; the
/// checker prints it so for nothing else.
const FUNCTIONS: [(&CStr, c_int, Function); 8] = [
    (c"like", 3, like),
    (c"replace", 3, replace),
    (c"trim", 1, |call| trimmed(call, Ends { left: true, right: true })),
    (c"trim", 2, |call| trimmed(call, Ends { left: true, right: true })),
    (c"ltrim", 1, |call| trimmed(call, Ends { left: true, right: false })),
    (c"ltrim", 2, |call| trimmed(call, Ends { left: true, right: false })),
    (c"rtrim", 1, |call| trimmed(call, Ends { left: false, right: true })),
    (c"rtrim", 2, |call| trimmed(call, Ends { left: false, right: true })),
];

/// What SQLite keeps for each function.
struct Installed {
    function: Function,
    pace: Arc<Pace>,
}

/// Puts them into a connection that is about to be used. Indexes and CHECKs that call them go on working: they are
/// deterministic, and have no effect beside their result.
pub(super) fn install(connection: &Connection, meter: &Meter) -> rusqlite::Result<()> {
    let pace = Arc::new(Pace { meter: meter.clone(), left: LOOK_BYTES.into() });
    for (name, arguments, function) in FUNCTIONS {
        let installed = Box::new(Installed { function, pace: pace.clone() });
        // SAFETY: the handle is that of `connection`, which is open. What is installed is SQLite's from here on, until
        // it calls `forget`, which it also does when it does not take the function.
        let code = unsafe {
            ffi::sqlite3_create_function_v2(
                connection.handle(),
                name.as_ptr(),
                arguments,
                ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS,
                Box::into_raw(installed).cast(),
                Some(call),
                None,
                None,
                Some(forget),
            )
        };
        if code != ffi::SQLITE_OK {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        }
    }
    Ok(())
}

/// # Safety
///
/// To be called once for each function that was installed.
unsafe extern "C" fn forget(installed: *mut c_void) {
    // SAFETY: it came from `Box::into_raw`, and is given back once.
    drop(unsafe { Box::from_raw(installed.cast::<Installed>()) });
}

/// How far the functions of one connection may go before they look at the meter. One thread at a time uses it.
#[derive(Debug)]
struct Pace {
    meter: Meter,
    left: AtomicUsize,
}

/// The statement has to stop.
#[derive(Debug, PartialEq, Eq)]
struct Stopped;

impl Pace {
    /// To be asked before so many bytes are gone through.
    fn go_on(&self, bytes: usize) -> Result<(), Stopped> {
        let left = self.left.load(Ordering::Relaxed).checked_sub(bytes);
        self.left.store(left.unwrap_or(LOOK_BYTES), Ordering::Relaxed);
        match left.is_none() && self.meter.is_over() {
            true => Err(Stopped),
            false => Ok(()),
        }
    }
}

/// What comes of a call.
enum Answer<'a> {
    Null,
    Boolean(bool),
    /// A part of an argument.
    Part(&'a [u8]),
    Text(Text),
}

enum Failure {
    Stopped,
    TooBig,
    NoMemory,
    Wrong(&'static CStr),
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Failure::Stopped
    }
}

/// A text in SQLite's memory, where the statement's budget counts it.
struct Text {
    start: *mut u8,
    bytes: usize,
    filled: usize,
}

impl Text {
    fn new(bytes: usize) -> Result<Self, Failure> {
        // SAFETY: it may be asked for any size, and answers null where there is no room.
        let start = unsafe { ffi::sqlite3_malloc64(bytes as u64 + 1) }.cast::<u8>();
        match start.is_null() {
            true => Err(Failure::NoMemory),
            false => Ok(Text { start, bytes, filled: 0 }),
        }
    }

    /// What does not fit any more is left out.
    fn push(&mut self, part: &[u8]) {
        let part = &part[..part.len().min(self.bytes - self.filled)];
        // SAFETY: so much lies in the allocation behind what is filled, and it is no part of an argument.
        unsafe { self.start.add(self.filled).copy_from_nonoverlapping(part.as_ptr(), part.len()) };
        self.filled += part.len();
    }

    /// Hands it to SQLite, which frees it.
    ///
    /// # Safety
    ///
    /// The context is that of a call that goes on.
    unsafe fn give(self, context: *mut ffi::sqlite3_context) {
        // SAFETY: as much as is filled was written, and nobody else has the pointer any longer.
        unsafe {
            let length = c_int::try_from(self.filled).unwrap_or(c_int::MAX);
            ffi::sqlite3_result_text(context, self.start.cast(), length, Some(ffi::sqlite3_free));
        }
        std::mem::forget(self);
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: it came from SQLite's allocator, and was not given away.
        unsafe { ffi::sqlite3_free(self.start.cast()) };
    }
}

/// One call by SQLite.
struct Call<'a> {
    context: *mut ffi::sqlite3_context,
    values: &'a [*mut ffi::sqlite3_value],
    pace: &'a Pace,
}

impl<'a> Call<'a> {
    /// An argument as text, as SQLite reads a value that is none; nothing for NULL.
    fn text(&self, index: usize) -> Option<&'a [u8]> {
        let &value = self.values.get(index)?;
        // SAFETY: SQLite's arguments are there as long as the call. Turning one into text moves only its own bytes,
        // and no function asks for the same one twice.
        unsafe {
            let start = ffi::sqlite3_value_text(value);
            let length = usize::try_from(ffi::sqlite3_value_bytes(value)).unwrap_or(0);
            (!start.is_null()).then(|| slice::from_raw_parts(start, length))
        }
    }

    fn limit(&self, limit: c_int) -> usize {
        // SAFETY: the context is that of this call, so its connection is open. -1 changes nothing.
        let most = unsafe { ffi::sqlite3_limit(ffi::sqlite3_context_db_handle(self.context), limit, -1) };
        usize::try_from(most).unwrap_or(0)
    }
}

/// Computes the answer to a call and hands it to SQLite.
///
/// # Safety
///
/// SQLite calls it, as it calls a function of [`install`].
unsafe extern "C" fn call(context: *mut ffi::sqlite3_context, count: c_int, values: *mut *mut ffi::sqlite3_value) {
    // SAFETY: SQLite gives as many arguments as it says, and what was installed with the function.
    let (installed, values) = unsafe {
        let installed = &*ffi::sqlite3_user_data(context).cast::<Installed>();
        (installed, slice::from_raw_parts(values, usize::try_from(count).unwrap_or(0)))
    };
    let call = Call { context, values, pace: &installed.pace };
    // A panic must not go on through SQLite.
    let answer = catch_unwind(AssertUnwindSafe(|| (installed.function)(&call)));
    // SAFETY: the context is that of this call. What is a part of an argument is copied.
    unsafe {
        match answer {
            Ok(Ok(Answer::Null)) => ffi::sqlite3_result_null(context),
            Ok(Ok(Answer::Boolean(yes))) => ffi::sqlite3_result_int(context, yes.into()),
            Ok(Ok(Answer::Part(part))) => {
                let length = c_int::try_from(part.len()).unwrap_or(c_int::MAX);
                ffi::sqlite3_result_text(context, part.as_ptr().cast(), length, ffi::SQLITE_TRANSIENT());
            }
            Ok(Ok(Answer::Text(text))) => text.give(context),
            Ok(Err(Failure::Stopped)) => ffi::sqlite3_result_error_code(context, ffi::SQLITE_INTERRUPT),
            Ok(Err(Failure::TooBig)) => ffi::sqlite3_result_error_toobig(context),
            Ok(Err(Failure::NoMemory)) => ffi::sqlite3_result_error_nomem(context),
            Ok(Err(Failure::Wrong(why))) => ffi::sqlite3_result_error(context, why.as_ptr(), -1),
            Err(_) => ffi::sqlite3_result_error_code(context, ffi::SQLITE_INTERNAL),
        }
    }
}

fn like<'a>(call: &Call<'a>) -> Result<Answer<'a>, Failure> {
    let pattern = call.text(0);
    if pattern.is_some_and(|pattern| pattern.len() > call.limit(ffi::SQLITE_LIMIT_LIKE_PATTERN_LENGTH)) {
        return Err(Failure::Wrong(c"LIKE or GLOB pattern too complex"));
    }
    let Some(escape) = call.text(2) else { return Ok(Answer::Null) };
    let Some(escape) = texts::only(escape) else {
        return Err(Failure::Wrong(c"ESCAPE expression must be a single character"));
    };
    let (Some(pattern), Some(text)) = (pattern, call.text(1)) else { return Ok(Answer::Null) };
    Ok(Answer::Boolean(texts::is_like(text, pattern, escape, call.pace)?))
}

fn replace<'a>(call: &Call<'a>) -> Result<Answer<'a>, Failure> {
    let (Some(text), Some(pattern)) = (call.text(0), call.text(1)) else { return Ok(Answer::Null) };
    // A pattern that begins with a NUL is none to SQLite. Elsewhere in this function a NUL is a character like others.
    if pattern.first().is_none_or(|first| *first == 0) {
        return Ok(Answer::Part(text));
    }
    let Some(with) = call.text(2) else { return Ok(Answer::Null) };
    call.pace.go_on(pattern.len() + text.len())?;
    let finder = Finder::new(pattern);
    let mut found = 0;
    for _ in finder.find_iter(text) {
        call.pace.go_on(pattern.len())?;
        found += 1;
    }
    if found == 0 {
        return Ok(Answer::Part(text));
    }
    let bytes = (text.len() - found * pattern.len()).saturating_add(with.len().saturating_mul(found));
    if with.len() > pattern.len() && bytes > call.limit(ffi::SQLITE_LIMIT_LENGTH) {
        return Err(Failure::TooBig);
    }
    let (mut made, mut from) = (Text::new(bytes)?, 0);
    for at in finder.find_iter(text) {
        call.pace.go_on(at - from + with.len())?;
        made.push(&text[from..at]);
        made.push(with);
        from = at + pattern.len();
    }
    made.push(&text[from..]);
    Ok(Answer::Text(made))
}

fn trimmed<'a>(call: &Call<'a>, ends: Ends) -> Result<Answer<'a>, Failure> {
    let Some(text) = call.text(0) else { return Ok(Answer::Null) };
    let set = match call.values.len() {
        1 => Some(&b" "[..]),
        _ => call.text(1),
    };
    let Some(set) = set else { return Ok(Answer::Null) };
    Ok(Answer::Part(texts::trimmed(text, set, ends, call.pace)?))
}

#[cfg(test)]
mod tests;
