//! Asks for a password at the terminal, without showing it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::blocking;
use crate::roles::{Interrupted, StopSignal};

/// The terminal of this process, even if its input and output are redirected.
const TERMINAL: &str = "/dev/tty";

/// Asks for the password of a user.
pub(super) async fn ask(name: &str, server: &str) -> anyhow::Result<String> {
    let terminal =
        File::options().read(true).write(true).open(TERMINAL).ok().with_context(|| {
            format!(
                "no password of {name} is given, and there is no terminal to ask for it; use \
             --user {name}:PASSWORD or --netrc"
            )
        })?;
    let mut stop = StopSignal::listen().context("listen for signals")?;
    let silent = Silent::make(terminal).context("ask for a password")?;
    let mut said = silent.terminal.try_clone()?;
    write!(said, "Password of {name} at {server}: ")?;
    let typed = silent.terminal.try_clone()?;
    let typed = tokio::select! {
        typed = blocking::run(move || first_line(typed)) => typed,
        () = stop.received() => Err(Interrupted.into()),
    };
    drop(silent);
    writeln!(said)?;
    typed
}

fn first_line(from: File) -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(from).read_line(&mut line).context("read a password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not echo, until this is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn make(terminal: File) -> rustix::io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Fails if the terminal is gone, which is no harm.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
