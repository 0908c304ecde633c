#!/usr/bin/env bash
# tifffile 2026.3.3 writes PackBits with Predictor 2 as differences of neighbours, and reads them back as pixels.
# libtiff 4.7 (in Pillow 13.0.0) applies a predictor only to LZW, deflate and Zstandard, and silently returns the
# differences as pixels. One file gives two pictures.
#
# Seen on 2026-11-30:
#   written 10 20 30 40, tifffile reads 10 20 30 40, Pillow reads 10 10 10 10
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet numpy==2.4.6 tifffile==2026.3.3 imagecodecs==2026.3.6 pillow==13.0.0
venv/bin/python - <<'PYTHON'
import numpy as np
import tifffile
from PIL import Image

pixels = np.tile(np.array([10, 20, 30, 40], np.uint8), (4, 1))
tifffile.imwrite("a.tif", pixels, photometric="minisblack", compression="packbits", predictor=True)
words = lambda row: " ".join(map(str, row))
told = (
    f"written {words(pixels[0])}, tifffile reads {words(tifffile.imread('a.tif')[0])}, "
    f"Pillow reads {words(np.asarray(Image.open('a.tif'))[0])}"
)
print(told)
assert told == "written 10 20 30 40, tifffile reads 10 20 30 40, Pillow reads 10 10 10 10"
PYTHON
