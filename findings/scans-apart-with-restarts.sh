#!/usr/bin/env bash
# A baseline JPEG may have a scan for each component, and restart markers within them (ITU-T T.81, A.2.2, B.2.4.4);
# cjpeg writes such files. zune-jpeg 0.5.16-rc3 decodes one to wrong pixels, and reports success even in strict mode.
# With each feature alone (separate scans, restarts) the pixels are right.
#
# Seen on 2026-11-30 with cjpeg of libjpeg-turbo 2.1.5 (largest difference from djpeg, in levels of luma):
#   interleaved 1, restarts 1, apart 1, apart with restarts 58
set -euo pipefail
command -v cjpeg >/dev/null || { echo "cjpeg is missing: apt-get install libjpeg-turbo-progs" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
zune-jpeg = "=0.5.16-rc3"
TOML
cat > src/main.rs <<'RUST'
use zune_jpeg::{zune_core::{bytestream::ZCursor, options::DecoderOptions}, JpegDecoder};

fn main() {
    let mut told = Vec::new();
    for (name, words) in [("plain", "interleaved"), ("restarts", "restarts"), ("apart", "apart"), ("both", "apart with restarts")] {
        let file = std::fs::read(format!("{name}.jpg")).unwrap();
        let options = DecoderOptions::default().set_strict_mode(true);
        let pixels = JpegDecoder::new_with_options(ZCursor::new(&file), options).decode().unwrap();
        let ppm = std::fs::read(format!("{name}.ppm")).unwrap();
        let expected = &ppm[ppm.len() - pixels.len()..];
        let luma = |p: &[u8]| (299 * i32::from(p[0]) + 587 * i32::from(p[1]) + 114 * i32::from(p[2])) / 1000;
        let pairs = pixels.chunks(3).zip(expected.chunks(3));
        let largest = pairs.map(|(a, b)| (luma(a) - luma(b)).abs()).max().unwrap();
        told.push(largest);
        println!("{words} {largest}");
    }
    assert!(told[..3].iter().all(|largest| *largest < 5) && told[3] > 30, "it has changed");
}
RUST
python3 - > in.ppm <<'PYTHON'
import sys
pixels = bytes(v for y in range(64) for x in range(64) for v in (4 * x, 4 * y, (x * y) % 256))
sys.stdout.buffer.write(b"P6 64 64 255\n" + pixels)
PYTHON
printf '0;\n1;\n2;\n' > apart.txt
cjpeg -sample 1x1 -outfile plain.jpg in.ppm
cjpeg -sample 1x1 -restart 3B -outfile restarts.jpg in.ppm
cjpeg -sample 1x1 -scans apart.txt -outfile apart.jpg in.ppm
cjpeg -sample 1x1 -scans apart.txt -restart 3B -outfile both.jpg in.ppm
for name in plain restarts apart both; do djpeg -outfile $name.ppm $name.jpg; done
cargo run --quiet --release
