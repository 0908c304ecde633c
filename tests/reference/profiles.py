"""Colour profiles that checks put into files, and what Little CMS makes of them."""

import io
import struct

import numpy as np
from PIL import ImageCms


def curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *[round(number * 65536) for number in numbers])


def profile(space, tags, pcs=None, version=0x02400000):
    """A profile of these tags (ICC.1:2010), which is connected by Lab if it is for inks, else by XYZ."""
    text = b"tilemill test\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": desc, b"cprt": b"text" + bytes(4) + text, b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249), **tags}
    table, body = b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    pcs = pcs or (b"Lab " if space == b"CMYK" else b"XYZ ")
    size = 132 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), version, kind, space, pcs) + bytes(12) + b"acsp"
    head += bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb_profile():
    """The primaries of Adobe RGB, gamma 2.2."""
    xyz = lambda *numbers: b"XYZ " + bytes(4) + fixed(*numbers)
    return profile(b"RGB ", {
        b"rXYZ": xyz(0.60974, 0.31111, 0.01947), b"gXYZ": xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": xyz(0.14919, 0.06322, 0.74457), b"rTRC": curve(2.2), b"gTRC": curve(2.2), b"bTRC": curve(2.2),
    })


def grey_profile():
    return profile(b"GRAY", {b"kTRC": curve(1.8)})


# The primaries of sRGB, adapted to D50 (ICC.1:2022, annex E; IEC 61966-2-1).
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def xyz_in_srgb(xyz):
    light = np.clip(xyz @ np.linalg.inv(SRGB).T, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def to_srgb(image, icc, intent=ImageCms.Intent.PERCEPTUAL):
    """Little CMS, in the intent that tables are asked for."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    srgb = ImageCms.createProfile("sRGB")
    mode = "L" if image.mode == "L" else "RGB"
    if mode == "L":
        return np.asarray(ImageCms.profileToProfile(image, source, srgb, intent, "RGB"))[..., 0]
    return np.asarray(ImageCms.profileToProfile(image, source, srgb, intent, mode))
