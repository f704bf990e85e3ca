//! Exit codes, the same for every command: 0 all is well, 1 problems in the manifests or while serving,
//! 2 wrong usage or something that cannot be read (clap also ends with 2).

use std::process::ExitCode;

use crate::source::Unreadable;

pub const PROBLEMS: ExitCode = ExitCode::FAILURE;

/// Says what cannot be read.
pub fn unreadable(all: &[Unreadable]) -> ExitCode {
    for Unreadable { name, message } in all {
        eprintln!("{name}: cannot be read: {message}");
    }
    usage_code()
}

/// Says what is wrong with the flags.
pub fn usage(message: impl std::fmt::Display) -> ExitCode {
    eprintln!("error: {message}");
    usage_code()
}

fn usage_code() -> ExitCode {
    ExitCode::from(2)
}
