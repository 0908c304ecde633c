//! Parses the command line, reads the configuration and hands over to a role.

use clap::Parser;
use tilemill::cli::{Cli, Command};
use tilemill::config::{Config, Search};
use tilemill::{roles, telemetry};

/// The log level of commands whose output is for the person at the terminal.
const QUIET: &str = "error";

/// The size of a block of memory. Once a block of this size was freed, each heap of glibc keeps up to twice as much of
/// the memory that is freed in it.
const BLOCK: usize = 4 << 20;

#[tokio::main]
async fn main() {
    keep_freed_memory();
    let code = run(Cli::parse()).await.unwrap_or_else(|error| {
        eprintln!("tilemill: {error:#}");
        roles::exit_code(&error)
    });
    // Returning would wait for threads that still filter or decode, although their results are no longer needed.
    std::process::exit(code.into());
}

/// Makes glibc keep the memory of tiles for the next ones. Otherwise it keeps hardly more than one tile and returns
/// the rest to the system, and each tile waits for its pages to be cleared. The threshold follows the largest block
/// that was freed so far: see `M_MMAP_THRESHOLD` in mallopt(3).
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK)));
}

async fn run(cli: Cli) -> anyhow::Result<u8> {
    let named = cli.config.as_deref();
    match cli.command {
        Command::Serve(args) => {
            let (config, origin) = Config::load(named, Search::WorkingDirectory)?;
            telemetry::init(&config.log.level, config.log.format)?;
            roles::serve::serve(args, config, &origin).await
        }
        Command::Work(args) => {
            let (config, origin) = Config::load(named, Search::WorkingDirectory)?;
            telemetry::init(&config.log.level, config.log.format)?;
            roles::work::work(args, &config, &origin).await
        }
        Command::Collect => {
            let (config, origin) = Config::load(named, Search::WorkingDirectory)?;
            telemetry::init(&config.log.level, config.log.format)?;
            roles::collect::collect(&config, &origin).await
        }
        Command::Monitor => {
            let (config, origin) = Config::load(named, Search::WorkingDirectory)?;
            telemetry::init(&config.log.level, config.log.format)?;
            roles::monitor::monitor(&config, &origin).await
        }
        Command::Run(args) => {
            let (config, _) = Config::load(named, Search::SystemOnly)?;
            telemetry::init(QUIET, config.log.format)?;
            roles::run::run(args, config).await
        }
        Command::Submit(args) => {
            named.map_or(Ok(()), Config::check_named)?;
            roles::submit::submit(args).await
        }
        Command::Topics(args) => {
            let (config, _) = Config::load(named, Search::WorkingDirectory)?;
            telemetry::init(QUIET, config.log.format)?;
            roles::topics::topics(&args.command, &config).await
        }
        Command::Filters(args) => Ok(roles::filters::filters(&args)?),
        Command::Check(args) => roles::check::check(&args, named).await,
        Command::Completions(args) => Ok(roles::completions::completions(&args)),
        Command::Man(args) => roles::man::man(&args),
    }
}
