//! Parses the command line, reads the configuration and hands over to a role.

use std::process::ExitCode;

use clap::Parser;
use tilemill::cli::{Cli, Command};
use tilemill::config::{Config, Search};
use tilemill::{roles, telemetry};

/// The log level of commands whose output is for the person at the terminal.
const QUIET: &str = "error";

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tilemill: {error:#}");
            roles::exit_code(&error)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let named = cli.config.as_deref();
    match cli.command {
        Command::Serve(args) => {
            let (config, origin) = Config::load(named, Search::WorkingDirectory)?;
            telemetry::init(&config.log.level, config.log.format)?;
            roles::serve::serve(args, config, &origin).await
        }
        Command::Run(args) => {
            let (config, _) = Config::load(named, Search::SystemOnly)?;
            telemetry::init(QUIET, config.log.format)?;
            roles::run::run(args, config).await
        }
    }
}
