use std::process::ExitCode;

/// Values cross between stores as many small allocations, which this allocator serves best.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tenon::cli::main()
}
