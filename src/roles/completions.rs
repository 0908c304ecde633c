//! `tilemill completions`: a script that completes commands and options in a shell.

use std::io::Write;

use clap::CommandFactory;

use super::{DONE, FAILED};
use crate::cli::{Cli, CompletionsArgs};

/// Prints the script.
#[must_use]
pub fn completions(args: &CompletionsArgs) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tilemill", &mut script);
    let printed = std::io::stdout().write_all(&script);
    if printed.is_ok() { DONE } else { FAILED }
}
