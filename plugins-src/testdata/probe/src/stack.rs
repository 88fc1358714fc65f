//! Using up the stack.

/// Calls itself as often as it is told. What is done after the call keeps it from becoming a loop, and all of it fits
/// into locals: so it is the host's limit on the stack that ends it, not the stack within the plugin's own memory.
#[inline(never)]
pub fn descend(depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    descend(depth - 1).rotate_left(7) ^ depth
}
