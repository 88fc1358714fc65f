//! The instance's own memory: it was another tenant's before, and must not tell.

use std::cell::Cell;

use crate::run::Run;

/// Pages asked for each time: 1.5 MiB, more than the host keeps mapped from one instance to the next.
const PAGES: usize = 24;
const PAGE_BYTES: usize = 64 * 1024;

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
    static TENANT: Cell<u8> = const { Cell::new(0) };
}

/// New pages hold nothing but zeros; then they are filled with what the next instance must not see.
pub fn grow(run: &mut Run) -> Result<(), String> {
    let before = core::arch::wasm32::memory_grow::<0>(PAGES);
    if before == usize::MAX {
        // The limit of the call is reached. Another batch has more.
        return Ok(());
    }
    // SAFETY: these pages were just added to the memory, nobody else knows of them, and the allocator, which asks for
    // pages of its own, never takes those.
    let pages = unsafe { std::slice::from_raw_parts_mut((before * PAGE_BYTES) as *mut u8, PAGES * PAGE_BYTES) };
    let (_, words, _) = unsafe { pages.align_to::<u64>() };
    if words.iter().any(|word| *word != 0) {
        let text: String =
            pages.iter().filter(|byte| byte.is_ascii_graphic()).take(64).map(|byte| *byte as char).collect();
        return Err(format!("new memory is not empty: {text:?}"));
    }
    let own = run.value();
    for place in pages.chunks_exact_mut(16 * 1024) {
        place[..own.len()].copy_from_slice(own.as_bytes());
    }
    run.saw();
    Ok(())
}

/// What a call leaves behind in its instance is gone with it.
pub fn statics(run: &mut Run) -> Result<(), String> {
    let tenant = run.own().as_bytes().last().copied().unwrap_or_default();
    let (seen, whose) = (SEEN.get(), TENANT.get());
    if seen != 0 && whose != tenant {
        return Err(format!("a static was set {seen} times for another tenant"));
    }
    SEEN.set(seen + 1);
    TENANT.set(tenant);
    Ok(())
}
