//! The texts that list formats agree with the formats that there are.

use std::collections::BTreeSet;

use clap::CommandFactory;
use serde_json::Value;
use tempfile::TempDir;
use tilemill::cli::Cli;
use tilemill::raster::decode::Container;
use tilemill::raster::encode::OutputFormat;

use crate::support::Server;

const PAGE: &str = include_str!("../../static/index.html");

/// The values of an attribute that stands once in the page.
fn attribute(name: &str) -> &str {
    PAGE.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap()
}

#[test]
fn the_page_offers_files_of_every_format_that_can_be_read() {
    let offered: BTreeSet<_> = attribute("accept").split(',').map(str::to_owned).collect();
    let extensions = Container::ALL.iter().flat_map(|format| format.extensions());
    let extensions = extensions.map(|extension| format!(".{extension}"));
    let all = extensions.chain(Container::ALL.map(|format| format.mime().to_owned()));
    assert_eq!(offered, all.collect());
}

#[test]
fn the_page_offers_every_format_that_can_be_written() {
    let (_, select) = PAGE.split_once("<select id=\"format\"").unwrap();
    let (select, _) = select.split_once("</select>").unwrap();
    for format in OutputFormat::ALL {
        let name = serde_json::to_value(format).unwrap();
        let option = format!("<option value={name}>{format}</option>");
        assert!(select.contains(&option), "{option} is not in {select}");
    }
    // One more leaves the choice to the server.
    assert_eq!(select.matches("<option").count(), OutputFormat::ALL.len() + 1);
}

#[test]
fn the_command_line_names_every_format() {
    let mut cli = Cli::command();
    let mut help = |command: &str| {
        let command = cli.find_subcommand_mut(command).unwrap();
        command.render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let [read, written] = [help("run"), help("submit")];
    for format in Container::ALL {
        assert!(read.contains(&format.to_string()), "{format} is not in {read}");
    }
    for format in OutputFormat::ALL {
        let name = serde_json::to_value(format).unwrap();
        assert!(written.contains(name.as_str().unwrap()), "{format} is not in {written}");
    }
}

#[test]
fn the_description_of_the_api_has_every_format() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(&directory);
    let (_, description) = server.get("/api/openapi.json");
    let kinds = |what: &str| -> BTreeSet<String> {
        let path = format!("/api/jobs/{{id}}/{what}");
        let content = &description["paths"][path]["get"]["responses"]["200"]["content"];
        content.as_object().unwrap().keys().cloned().collect()
    };
    let read = Container::ALL.map(|format| format.mime().to_owned());
    assert_eq!(kinds("original"), BTreeSet::from(read));
    let written = OutputFormat::ALL.map(|format| format.mime().to_owned());
    assert_eq!(kinds("result"), BTreeSet::from(written));
    let names = &description["components"]["schemas"]["OutputFormat"]["enum"];
    assert_eq!(
        *names,
        Value::from(OutputFormat::ALL.map(|format| serde_json::json!(format)).to_vec())
    );
    server.stop();
}
