//! How often: a few times whenever the tests run, and for long in `cargo just soak`.

/// `soak` when the variable `TENON_SOAK` is set, to whatever, else `usual`.
pub fn rounds<T>(usual: T, soak: T) -> T {
    if std::env::var_os("TENON_SOAK").is_some() { soak } else { usual }
}
