#!/usr/bin/env bash
# half 2.7.1 does not round an f64 to the nearest f16, and errs in two ways. `f16::from_f64` uses the F16C instructions of
# x86-64 where the processor has them: it rounds to f32 first, and then to f16, so a value just below the middle between
# two halves can become the upper one. `f16::from_f64_const`, which `from_f64` uses on other processors, drops the lower 32
# bits of the f64, so a value just above the middle can become the lower one. A program that promises the same bytes on
# every processor has to round to f32 itself, and then to f16.
#
# Seen on 2026-12-01, on a processor with F16C. The halves are 1, 1.0009766 and 1.0019531:
#   1.001464842 is nearest to 1.0009766: from_f64 gives 1.0019531, from_f64_const 1.0009766
#   1.00048828126 is nearest to 1.0009766: from_f64 gives 1, from_f64_const 1
#
# Needs cargo, and an x86-64 processor with F16C. Compiles for some seconds.
set -euo pipefail
grep -qw f16c /proc/cpuinfo || { echo "skipped: this processor has no F16C" >&2; exit 77; }
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
half = "=2.7.1"
TOML
cat >src/main.rs <<'RUST'
use half::f16;

fn main() {
    let halves = [1.0_f64, 1.0009765625, 1.001953125];
    for value in [1.001464842, 1.00048828126_f64] {
        let distance = |half: &&f64| (value - **half).abs();
        let nearest = halves.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
        println!(
            "{value} is nearest to {}: from_f64 gives {}, from_f64_const {}",
            *nearest as f32,
            f16::from_f64(value),
            f16::from_f64_const(value)
        );
    }
}
RUST
cargo run --quiet | tee seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
1.001464842 is nearest to 1.0009766: from_f64 gives 1.0019531, from_f64_const 1.0009766
1.00048828126 is nearest to 1.0009766: from_f64 gives 1, from_f64_const 1
SEEN
