#!/usr/bin/env bash
# Little CMS 2.19 (in Pillow 13.0.0) converts a grey profile whose table says L* = 0 … 100 to other greys if its header
# says version 4 instead of 2, with the same table. In the perceptual intent, which is the default, it assumes that each
# table of version 4 was made for the reference medium, whose black is L* = 3.1, and moves that to black.
#
# Seen on 2026-11-30 (greys 18, 64, 128, 255 of 8 bits in sRGB):
#   version 2: 21 60 119 255; version 4: 14 57 119 255; version 4, relative colorimetric: 21 60 119 255
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet pillow==13.0.0
venv/bin/python - <<'PYTHON'
import io
import struct

from PIL import Image, ImageCms


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *[round(number * 65536) for number in numbers])


def profile(version):
    ends = struct.pack(">2H", 0, 65535)
    table = b"mft2" + bytes(4) + bytes([1, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">2H", 2, 2) + ends
    table += struct.pack(">6H", 0, 32768, 32768, 65280, 32768, 32768) + ends * 3
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"t\0" + bytes(78),
            b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249), b"A2B0": table}
    heads, body = b"", b""
    for name, data in tags.items():
        heads += name + struct.pack(">2I", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 132 + len(heads) + len(body)
    head = struct.pack(">I4sI12s", size, bytes(4), version, b"prtrGRAYLab ") + bytes(12) + b"acsp" + bytes(28)
    return (head + fixed(0.9642, 1, 0.8249)).ljust(128, b"\0") + struct.pack(">I", len(tags)) + heads + body


def greys(version, intent):
    image = Image.frombytes("L", (4, 1), bytes([18, 64, 128, 255]))
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile(version)))
    made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), intent, "RGB")
    return " ".join(str(made.getpixel((x, 0))[1]) for x in range(4))


perceptual, relative = ImageCms.Intent.PERCEPTUAL, ImageCms.Intent.RELATIVE_COLORIMETRIC
old, new, same = greys(0x02400000, perceptual), greys(0x04200000, perceptual), greys(0x04200000, relative)
print(f"version 2: {old}; version 4: {new}; version 4, relative colorimetric: {same}")
assert old == same and old != new, "it has changed"
PYTHON
