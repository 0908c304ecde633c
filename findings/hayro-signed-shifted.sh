#!/usr/bin/env bash
# hayro-jpeg2000 0.5.0 adds half of the range to the samples of every component, as the standard says for unsigned ones
# (ISO/IEC 15444-1, G.1.2), also to those of signed components. Its interface does not tell which components are signed:
# a reader has to find bit 7 of Ssiz in the codestream, and to subtract 2^(bits - 1) again.
#
# Seen on 2026-12-01, for -32768 -5 0 7 32767 written by OpenJPEG 2.5.4 (imagecodecs 2026.3.6) as signed 16 bits:
#   OpenJPEG reads: -32768 -5 0 7 32767
#   hayro-jpeg2000 reads: 0 32763 32768 32775 65535, 16 bits
#
# Needs cargo and python3-venv. Compiles for some ten seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet numpy==2.4.6 imagecodecs==2026.3.6
venv/bin/python - <<'PYTHON' >seen
import imagecodecs
import numpy as np

heights = np.repeat(np.array([[-32768, -5, 0, 7, 32767]], np.int16), 4, axis=0)
data = imagecodecs.jpeg2k_encode(heights, codecformat="j2k", reversible=True)
open("signed.j2k", "wb").write(data)
print("OpenJPEG reads:", *imagecodecs.jpeg2k_decode(data)[0])
PYTHON
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "1.0.0"
edition = "2024"

[dependencies]
hayro-jpeg2000 = { version = "=0.5.0", default-features = false, features = ["std"] }
TOML
cat >src/main.rs <<'RUST'
use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

fn main() {
    let data = std::fs::read("signed.j2k").unwrap();
    let image = Image::new(&data, &DecodeSettings::default()).unwrap();
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).unwrap();
    let channel = &decoded.components()[0];
    let row: Vec<String> = channel.samples()[..5].iter().map(f32::to_string).collect();
    println!("hayro-jpeg2000 reads: {}, {} bits", row.join(" "), channel.bit_depth());
}
RUST
cargo run --quiet >>seen
cat seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
OpenJPEG reads: -32768 -5 0 7 32767
hayro-jpeg2000 reads: 0 32763 32768 32775 65535, 16 bits
SEEN
