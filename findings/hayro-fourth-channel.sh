#!/usr/bin/env bash
# hayro-jpeg2000 0.5.0 decides by the setting `strict` what a fourth channel is that a JP2 file does not define. Of a file
# whose colour space is sRGB, with four components and without a `cdef` box, it says RGB with alpha by default, and CMYK
# with `strict`, which is meant for damaged files. OpenJPEG keeps sRGB and four components. Satellite images with a
# near-infrared band are such files: either answer gives that band a meaning that the file does not.
#
# Seen on 2026-12-01:
#   lenient: RGB, alpha true; strict: CMYK, alpha false
#
# Needs cargo and python3-venv. Compiles for some ten seconds.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet numpy==2.4.6 imagecodecs==2026.3.6
venv/bin/python - <<'PYTHON'
import imagecodecs
import numpy as np

bands = np.arange(8 * 8 * 4, dtype=np.uint8).reshape(8, 8, 4)
data = imagecodecs.jpeg2k_encode(bands, codecformat="jp2", reversible=True)
assert b"cdef" not in data, "channels are defined"
place = data.index(b"colr")
assert data[place + 4 : place + 11] == bytes([1, 0, 0, 0, 0, 0, 16]), "the colour space is not sRGB"
open("bands.jp2", "wb").write(data)
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
use hayro_jpeg2000::{DecodeSettings, Image};

fn main() {
    let data = std::fs::read("bands.jp2").unwrap();
    let said = [false, true].map(|strict| {
        let settings = DecodeSettings { strict, ..DecodeSettings::default() };
        let image = Image::new(&data, &settings).unwrap();
        format!("{:?}, alpha {}", image.color_space(), image.has_alpha())
    });
    println!("lenient: {}; strict: {}", said[0], said[1]);
}
RUST
cargo run --quiet | tee seen
diff seen - <<'SEEN' || { echo "it has changed" >&2; exit 1; }
lenient: RGB, alpha true; strict: CMYK, alpha false
SEEN
