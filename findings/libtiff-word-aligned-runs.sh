#!/usr/bin/env bash
# libtiff 4.7.2 (in Pillow 13.0.0) does not read the TIFF files of compression 32771 (CCITT runs, each row aligned to 16
# bits) that it writes itself: it raises nothing and returns other pixels. The file is sound: a reader that aligns each
# row gets the picture back. The same rows with compression 2, aligned to bytes, are read as they were written.
#
# Seen on 2026-12-01, for a picture of 64 × 24 pixels:
#   compression 2 reads back True, compression 32771 reads back False
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet pillow==13.0.0
venv/bin/python - <<'PYTHON'
import io

from PIL import Image, features

assert features.version("libtiff") == "4.7.2", features.version("libtiff")
picture = Image.frombytes("1", (64, 24), bytes(i * i >> 3 & 255 for i in range(8 * 24)))
told = []
for name in ("tiff_ccitt", "tiff_raw_16"):
    file = io.BytesIO()
    picture.save(file, "TIFF", compression=name)
    file.seek(0)
    read = Image.open(file)
    read.load()
    told.append(f"compression {read.tag_v2[259]} reads back {read.tobytes() == picture.tobytes()}")
told = ", ".join(told)
print(told)
assert told == "compression 2 reads back True, compression 32771 reads back False"
PYTHON
