//! `tilemill man`: the manual pages, one for each command.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::DONE;
use crate::cli::{Cli, ManArgs};

/// A section on something other than options: a heading, then terms with their meanings.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

const SECTIONS: &[Section] = &[
    (
        "EXIT STATUS",
        &[
            ("0", "Done."),
            ("1", "A job failed, or a service or disk that the process was using did."),
            (
                "2",
                "The command line or the configuration cannot be used, or an address or a directory is in use or \
                 forbidden.",
            ),
            ("3", "A service cannot be reached, or a role lacks its topics."),
            ("130", "Interrupted."),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("TILEMILL_CONFIG", "The configuration file, unless --config names one."),
            (
                "TILEMILL_SECTION__KEY",
                "Overrides a key of the file: TILEMILL_LIMITS__MAX_UPLOAD is limits.max_upload.",
            ),
            ("TILEMILL_SERVER", "The server of tilemill submit."),
            (
                "TILEMILL_TOKEN",
                "The token that tilemill submit sends to a proxy in front of its server.",
            ),
            (
                "NETRC",
                "The file of logins that tilemill submit --netrc reads, instead of ~/.netrc.",
            ),
            ("WORKER_ID", "The name of the worker in tilemill work and tilemill serve."),
        ],
    ),
    (
        "FILES",
        &[
            ("./config.toml", "The configuration, where there is one; not for run and submit."),
            ("/etc/tilemill/config.toml", "Else this one; not for submit."),
            ("~/.netrc", "The logins of hosts, for tilemill submit --netrc."),
        ],
    ),
];

/// Writes the pages into a directory, which is created if it is missing.
pub fn man(args: &ManArgs) -> anyhow::Result<u8> {
    let directory = &args.directory;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    fs::create_dir_all(directory)
        .and_then(|()| write_pages(&command, directory))
        .with_context(|| format!("write manual pages to {}", directory.display()))?;
    Ok(DONE)
}

fn write_pages(command: &Command, directory: &Path) -> io::Result<()> {
    let source = format!("tilemill {}", env!("CARGO_PKG_VERSION"));
    // With an empty date, the source would be shown in its place.
    let page = Man::new(command.clone()).date(" ").source(source).manual("tilemill");
    let mut file = File::create(directory.join(page.get_filename()))?;
    page.render(&mut file)?;
    if command.get_name() == "tilemill" {
        sections().to_writer(&mut file)?;
    }
    file.flush()?;
    command.get_subcommands().try_for_each(|command| write_pages(command, directory))
}

fn sections() -> Roff {
    let mut roff = Roff::new();
    for (heading, entries) in SECTIONS {
        roff.control("SH", [*heading]);
        for (term, meaning) in *entries {
            roff.control("TP", []);
            roff.text([bold(*term)]);
            roff.text([roman(*meaning)]);
        }
    }
    roff
}
