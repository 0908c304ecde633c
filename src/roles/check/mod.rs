//! `tilemill check`: what is configured, and what is wrong with it.
//!
//! * `probe`: the checks of this machine.
//! * `cluster`: the checks of a cluster.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::{DONE, FAILED, UNREACHABLE, USAGE};
use crate::blocking;
use crate::cli::CheckArgs;
use crate::config::{Config, Origin, Search, Setting};

mod cluster;
mod probe;

/// The result of one check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    result: Finding,
    /// What was found.
    text: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// The state of what was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Finding {
    Ok,
    /// It works, but not for long or not for everything.
    Warning,
    /// It does not work as it is configured.
    Failed,
    /// A service that is configured does not answer.
    Unreachable,
}

impl Check {
    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, result: Finding::Ok, text: text.into(), remedy: None }
    }

    fn bad(name: &'static str, result: Finding, text: impl Into<String>, remedy: &str) -> Self {
        Self { name, result, text: text.into(), remedy: Some(remedy.to_owned()) }
    }
}

/// Everything that is printed.
#[derive(Debug, Serialize)]
struct Findings {
    ok: bool,
    /// The file that was read.
    file: Option<String>,
    settings: Vec<Setting>,
    checks: Vec<Check>,
}

/// Checks everything and prints the findings. The configuration is the one that `serve` would use.
pub async fn check(args: &CheckArgs, named: Option<&Path>) -> anyhow::Result<u8> {
    let findings = match Config::load_settings(named, Search::WorkingDirectory) {
        Ok((config, origin, settings)) => {
            let of_cluster = cluster::all(&config).await;
            let mut checks = blocking::run(move || probe::all(&config)).await;
            checks.extend(of_cluster);
            Findings::new(Some(origin), settings, checks)
        }
        Err(error) => {
            let remedy = "correct it as the text says; then everything else is checked";
            let check = Check::bad("configuration", Finding::Failed, error.to_string(), remedy);
            Findings::new(None, Vec::new(), vec![check])
        }
    };
    let mut out = io::stdout();
    let printed = if args.json { findings.print_json(&mut out) } else { findings.print(&mut out) };
    Ok(if printed.is_ok() { findings.exit_code() } else { FAILED })
}

impl Findings {
    fn new(origin: Option<Origin>, settings: Vec<Setting>, checks: Vec<Check>) -> Self {
        let ok = checks.iter().all(|check| matches!(check.result, Finding::Ok | Finding::Warning));
        let file = match origin {
            Some(Origin::File(path)) => Some(path.display().to_string()),
            _ => None,
        };
        Self { ok, file, settings, checks }
    }

    fn exit_code(&self) -> u8 {
        let any = |result| self.checks.iter().any(|check| check.result == result);
        match (self.ok, any(Finding::Failed)) {
            (true, _) => DONE,
            (false, true) => USAGE,
            (false, false) => UNREACHABLE,
        }
    }

    fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.settings.is_empty() {
            let file = self.file.as_deref().unwrap_or("no file found, the defaults are used");
            writeln!(out, "configuration: {file}\n")?;
        }
        let text = |setting: &Setting| {
            setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned)
        };
        let keys = self.settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
        let values = self.settings.iter().map(|setting| text(setting).len()).max().unwrap_or(0);
        for setting in &self.settings {
            let Setting { key, origin, .. } = setting;
            writeln!(out, "  {key:keys$}  {:values$}  {origin}", text(setting))?;
        }
        writeln!(out)?;
        let names = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        self.checks.iter().try_for_each(|check| check.print(names, out))
    }
}

impl Check {
    fn print(&self, width: usize, out: &mut impl Write) -> io::Result<()> {
        let result = match self.result {
            Finding::Ok => "ok",
            Finding::Warning => "warning",
            Finding::Failed => "FAILED",
            Finding::Unreachable => "UNREACHABLE",
        };
        writeln!(out, "  {result:11}  {:width$}  {}", self.name, self.text)?;
        match &self.remedy {
            Some(remedy) => writeln!(out, "  {:11}  {:width$}  -> {remedy}", "", ""),
            None => Ok(()),
        }
    }
}
