#!/usr/bin/env bash
# clap_mangen 0.3.3 writes nothing for an empty date in the title line of a manual page, where roff needs "". The
# arguments behind it move one place to the left, and man shows the name and version of the program in the place of the
# date. A page that must not change from build to build needs a fixed date, not an empty one.
#
# Seen on 2026-11-30 with clap 4.6.9, and roff 1.1.1 below it:
#   date "": .TH finding 1  "finding 1.0" "the manual"
#   date "2026-11-30": .TH finding 1 2026-11-30 "finding 1.0" "the manual"
#
# Needs cargo. Compiles for some ten seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "1.0.0"
edition = "2021"

[dependencies]
clap_mangen = "=0.3.3"
clap = { version = "=4.6.9", default-features = false, features = ["std"] }
TOML
cat >src/main.rs <<'RUST'
fn main() {
    for date in ["", "2026-11-30"] {
        let command = clap::Command::new("finding").version("1.0");
        let mut page = Vec::new();
        let man = clap_mangen::Man::new(command).date(date).manual("the manual");
        man.render_title(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        println!("date {date:?}: {}", page.lines().find(|line| line.starts_with(".TH")).unwrap());
    }
}
RUST
cargo run --quiet | tee seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
date "": .TH finding 1  "finding 1.0" "the manual"
date "2026-11-30": .TH finding 1 2026-11-30 "finding 1.0" "the manual"
SEEN
