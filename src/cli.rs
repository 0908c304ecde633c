//! The command line: the commands and their options, but not what they do.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{
    NonEmptyStringValueParser, PossibleValue, StringValueParser, TypedValueParser,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::Secret;
use crate::raster::decode::Container;
use crate::raster::encode::{OutputFormat, SampleChoice};
use crate::raster::filter::filters;
use crate::service::topics::Purpose;

/// Filters images of any size in parallel tiles; the result is the same to the byte, however many
/// tiles, threads or machines.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Configuration file; submit reads none [default: `TILEMILL_CONFIG`, ./config.toml (not for run),
    /// /etc/tilemill/config.toml]
    // `config` reads `TILEMILL_CONFIG` itself, so that its error tells whether the option or the variable named a file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the web page and the API, and filter uploaded images
    Serve(ServeArgs),
    /// Filter images on this machine, without a server
    Run(RunArgs),
    /// Send images to a server, wait for the results and fetch them
    Submit(SubmitArgs),
    /// Filter tiles for a cluster, on all cores of this machine
    Work(WorkArgs),
    /// Stitch the results of a cluster, and store the images
    Collect,
    /// Track which workers of a cluster are alive, and which have fallen silent
    Monitor,
    /// Set up and inspect the topics in Kafka
    Topics(TopicsArgs),
    /// List the filters, or describe one of them
    Filters(FiltersArgs),
    /// Show the configuration, and what is wrong with it
    Check(CheckArgs),
    /// Print a script that completes commands and options in a shell
    Completions(CompletionsArgs),
    /// Write the manual pages, one for each command
    Man(ManArgs),
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on [default: `server.listen`, 127.0.0.1:5001]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Name of the worker in this process, which has none in a cluster [default: host name and a random suffix]
    #[arg(long, env = "WORKER_ID", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub id: Option<String>,
    /// Serve the files of the page from this directory, for development
    #[arg(long, value_name = "DIRECTORY")]
    pub static_dir: Option<PathBuf>,
}

/// Options of `work`.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// Name of the worker [default: host name and a random suffix]
    #[arg(long, env = "WORKER_ID", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub id: Option<String>,
}

/// How images are processed, here or on a server.
#[derive(Debug, Clone, Args)]
pub struct WishArgs {
    /// Filters in order, such as "grayscale" or "blur:2.5,invert"; "" only re-encodes; `tilemill filters` lists them
    #[arg(short, long, default_value = "grayscale", value_name = "CHAIN", value_parser = FilterNames)]
    pub filters: String,
    /// Side of a tile in pixels; the result does not depend on it [default: `tile.size`, 512; for
    /// submit, that of the server]
    #[arg(long, value_name = "PIXELS")]
    pub tile_size: Option<u32>,
    /// Format of the result.
    #[arg(long, value_name = "FORMAT", help = writable())]
    pub format: Option<OutputFormat>,
    /// JPEG quality, 1 to 100 [default: `output.quality`, 90; for submit, that of the server]
    #[arg(short, long, value_name = "QUALITY")]
    pub quality: Option<u8>,
    /// Samples of a TIFF whose original has signed numbers or floats: "own" or "float32" [default:
    /// `output.sample_type`, own; for submit, that of the server]
    #[arg(long, value_name = "TYPE")]
    pub sample_type: Option<SampleChoice>,
    /// Page of a TIFF, or frame of an animated GIF, WebP or PNG, counted from 0 [default: the first page of a TIFF that
    /// is no smaller copy of another; an animation has no default]
    #[arg(long, value_name = "NUMBER")]
    pub page: Option<u32>,
}

/// Accepts any text, since a server may know other filters, and offers the names that are known here.
#[derive(Debug, Clone)]
struct FilterNames;

impl TypedValueParser for FilterNames {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(filters().iter().map(|filter| PossibleValue::new(filter.name))))
    }
}

/// Options of `filters`.
#[derive(Debug, Args)]
pub struct FiltersArgs {
    /// A filter
    #[arg(value_name = "NAME", value_parser = FilterNames)]
    pub name: Option<String>,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Images, and patterns of their names.
    #[arg(required = true, value_name = "IN", help = readable())]
    pub inputs: Vec<PathBuf>,
    /// Where the result goes: a file, or a directory (several images need one)
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// How they are processed.
    #[command(flatten)]
    pub wishes: WishArgs,
    /// Compute threads [default: one for each core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// What is done about outputs that exist.
    #[command(flatten)]
    pub existing: ExistingArgs,
    /// Write a line of JSON for each image to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// What is done about outputs that exist; without one of these options, the command refuses to begin.
#[derive(Debug, Args)]
pub struct ExistingArgs {
    /// Replace outputs that exist
    #[arg(long, conflicts_with = "skip_existing")]
    pub overwrite: bool,
    /// Keep outputs that exist and make the others, such as to resume an interrupted batch
    #[arg(long, requires = "output")]
    pub skip_existing: bool,
}

/// Options of `submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// Images, or patterns such as "*.tif"; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Where the result goes: a file, a directory (several images need one), or - for standard
    /// output [default: it stays on the server, and its address is printed]
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// The server
    // Only this command reads the variable: `config` leaves it out. The URL may contain a password.
    #[arg(
        long,
        env = "TILEMILL_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:5001",
        value_name = "URL"
    )]
    pub server: String,
    /// Name and password for a proxy in front of the server; they may also stand in its URL. Without PASSWORD, submit
    /// asks for it. Other users of this machine see what is typed here. A token is taken from `TILEMILL_TOKEN`
    // No parser that could fail: an error would show the value.
    #[arg(long, value_name = "NAME[:PASSWORD]")]
    pub user: Option<Secret>,
    /// Take name and password from ~/.netrc, or the file that `NETRC` names
    #[arg(long)]
    pub netrc: bool,
    /// How the images are processed.
    #[command(flatten)]
    pub wishes: WishArgs,
    /// What is done about outputs that exist.
    #[command(flatten)]
    pub existing: ExistingArgs,
    /// Write a line of JSON for each image to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Options of `topics`.
#[derive(Debug, Args)]
pub struct TopicsArgs {
    /// What is done.
    #[command(subcommand)]
    pub command: TopicsCommand,
}

/// The commands of `topics`.
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Create missing topics, and apply the configured settings to all of them
    Create,
    /// List the topics
    List,
    /// Show the topics with their settings, and what differs from the configuration
    Describe,
    /// Give a topic more partitions, in place
    Scale(ScaleArgs),
    /// Remove the topics with all their messages
    Delete(DeleteArgs),
}

/// Options of `topics scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Number of partitions that the topic is to have
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub partitions: u32,
    /// Topic to scale; servers notice new partitions of the results at their next start
    #[arg(long, value_name = "TOPIC", default_value = "tasks")]
    pub topic: TopicRole,
}

/// A topic by what it is for; `topics.*` may give it another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TopicRole {
    /// Tiles to be filtered
    Tasks,
    /// Filtered tiles
    Results,
    /// Heartbeats of workers
    Heartbeats,
}

impl TopicRole {
    /// The purpose by which services know the topic.
    #[must_use]
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::Tasks => Purpose::Tasks,
            Self::Results => Purpose::Results,
            Self::Heartbeats => Purpose::Heartbeats,
        }
    }
}

/// Options of `topics delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to print the script for
    pub shell: Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where the pages go, such as ~/.local/share/man/man1
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,
}

/// What `run` takes, with the formats that can be read.
fn readable() -> &'static str {
    static WORDS: LazyLock<String> = LazyLock::new(|| {
        let formats = listed(Container::ALL.iter().map(ToString::to_string), "or still");
        format!("Images: {formats}; patterns such as \"*.tif\" too")
    });
    &WORDS
}

/// What `--format` takes.
fn writable() -> &'static str {
    static WORDS: LazyLock<String> = LazyLock::new(|| {
        let formats = listed(OutputFormat::ALL.iter().map(|format| format.name().to_owned()), "or");
        format!(
            "Format of the result: {formats} [default: by the extension of OUT; where OUT is a directory or not given, \
             that of the image, or PNG]"
        )
    });
    &WORDS
}

/// Words in a sentence: separated by commas, and by `last` before the last one.
pub(crate) fn listed(words: impl Iterator<Item = String>, last: &str) -> String {
    let words: Vec<_> = words.collect();
    let (end, others) = words.split_last().expect("there are formats");
    format!("{} {last} {end}", others.join(", "))
}
