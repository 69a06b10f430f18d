//! Starts the window, or one command of the terminal.

use std::process::ExitCode;

/// Convolutions free and take large buffers all the time; the system's allocator returns them to the kernel each
/// time, and clearing fresh pages was a quarter of the forward time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long freed memory stays with the program. A training step frees and takes gigabytes in large pieces, and when the
/// time is over all that is free just then goes back together, to be cleared again when it is next taken. At the
/// allocator's own second that was a quarter of a step of ResNet-50; a minute is many steps.
const KEEP_FREED_MS: std::ffi::c_long = 60_000;
/// The allocator's number for that option, `mi_option_purge_delay` of its header.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    // SAFETY: sets one number of the allocator that is linked in, before any other thread exists.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEEP_FREED_MS) };
    seamline::cli::main()
}
