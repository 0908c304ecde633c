//! Parses the command line, reads the configuration and hands over to a role.

use clap::Parser;
use tilemill::cli::{Cli, Command};
use tilemill::config::{Config, Search};
use tilemill::{roles, telemetry};

/// The log level of commands whose output is for the person at the terminal.
const QUIET: &str = "error";

/// The size of a block of memory: glibc keeps twice as much of what each of its heaps got back, once a block of this
/// size was freed.
const BLOCK: usize = 4 << 20;

#[tokio::main]
async fn main() {
    keep_freed_memory();
    let code = run(Cli::parse()).await.unwrap_or_else(|error| {
        eprintln!("tilemill: {error:#}");
        roles::exit_code(&error)
    });
    // Not by returning: that would wait for threads that filter or decode what nobody wants any more.
    std::process::exit(code.into());
}

/// Lets glibc keep the memory of tiles for the next ones. Without that it keeps hardly more than one tile, returns the
/// rest to the system, and each tile waits for its pages to be cleared. The rule is that of mallopt(3) under
/// `M_MMAP_THRESHOLD`: it goes by the largest block that was freed so far.
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
