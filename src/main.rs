//! Starts the window, or one command of the terminal.

use std::process::ExitCode;

/// Convolutions free and take large buffers all the time; the system's allocator returns them to the kernel each
/// time, and clearing fresh pages was a quarter of the forward time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    seamline::cli::main()
}
