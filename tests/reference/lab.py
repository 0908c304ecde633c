"""TIFF of CIELab and ICCLab, beside the formulas of CIE and sRGB in NumPy, and beside Little CMS."""

import itertools

import numpy as np
import tifffile
from PIL import Image, ImageCms

from common import WORK, check, compare, noted, picture, read, refusal, run

PATH = WORK / "lab.tif"
OUT = WORK / "lab.png"

D50 = np.array([0.9642, 1.0, 0.8249])

# The primaries of sRGB in XYZ under D50, as ICC's own profiles of sRGB have them.
PRIMARIES = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
TO_LIGHT = np.linalg.inv(PRIMARIES)


def srgb(lab):
    """sRGB from 0 to 1."""
    y = (lab[..., 0] + 16) / 116
    roots = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    linear = 3 * (6 / 29) ** 2 * (roots - 4 / 29)
    light = np.clip((np.where(roots > 6 / 29, roots**3, linear) * D50) @ TO_LIGHT.T, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def colours(wide):
    """Lab of all lightnesses, in and beyond sRGB, whose 16 bits are exact where 8 bits are."""
    y, x = np.mgrid[0:83, 0:117]
    lab = np.stack([x / 116 * 100, 127 * np.sin(y / 9 + x / 40), 120 * np.cos(x / 7) * (y / 82)], axis=-1)
    scale = 256 if wide else 1
    numbers = np.rint(lab * [(65535 if wide else 255) / 100, scale, scale])
    return numbers


def written(wide, photometric, **options):
    """Writes colours in one of the two encodings, and gives their Lab."""
    numbers = colours(wide)
    dtype, full, scale = ("uint16", 65535, 256) if wide else ("uint8", 255, 1)
    if photometric == "cielab":
        stored = np.stack([numbers[..., 0], numbers[..., 1], numbers[..., 2]], axis=-1).astype("int64")
        stored = (stored & full).astype(dtype)
        lab = numbers / [full / 100, scale, scale]
    else:
        stored = (numbers + [0, 128 * scale, 128 * scale]).astype(dtype)
        lab = numbers / [255 * scale / 100, scale, scale]
    if options.get("planarconfig") == "separate":
        stored = np.moveaxis(stored, -1, 0)
    tifffile.imwrite(PATH, stored, photometric=photometric, metadata=None, **options)
    return lab


@check
def lab_becomes_srgb_as_by_the_formula():
    ways = ({}, {"compression": "lzw", "predictor": True}, {"tile": (32, 48)}, {"planarconfig": "separate"}, {"byteorder": ">"})
    for wide, photometric, options in itertools.product((False, True), ("cielab", "icclab"), ways):
        expected = srgb(written(wide, photometric, **options))
        run(PATH, "", OUT)
        # A level of 8 bits: near black, where the curve is steep, the matrices differ in their fifth digit.
        compare(read(OUT) / (257 if wide else 1), expected * 255, 1)


@check
def lab_becomes_srgb_as_by_little_cms():
    """Within 2 levels where Lab lies in sRGB: Little CMS clips the others in another way."""
    lab = written(False, "cielab")
    run(PATH, "", OUT)
    image = Image.open(PATH)
    assert image.mode == "LAB", image.mode
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    # Without the table of 33 steps that Little CMS makes for speed.
    exactly = {"renderingIntent": ImageCms.Intent.RELATIVE_COLORIMETRIC, "flags": ImageCms.Flags.NOOPTIMIZE}
    transform = ImageCms.buildTransform(*profiles, "LAB", "RGB", **exactly)
    expected = np.asarray(ImageCms.applyTransform(image, transform)).astype(float)
    rgb = srgb(lab)
    inside = ((rgb > 0) & (rgb < 1)).all(axis=-1)
    assert inside.mean() > 0.2, inside.mean()
    compare(read(OUT)[inside][None].astype(float), expected[inside][None], 2)


@check
def lab_may_have_alpha():
    numbers = colours(False)
    alpha = picture(channels=1)
    stored = np.dstack([(numbers.astype("int64") & 255).astype("uint8"), alpha])
    tifffile.imwrite(PATH, stored, photometric="cielab", extrasamples=["unassalpha"], metadata=None)
    run(PATH, "", OUT)
    expected = np.dstack([srgb(numbers / [2.55, 1, 1]) * 255, alpha])
    compare(read(OUT).astype(float), expected, 1)


@check
def lab_of_other_kinds_is_refused_by_name():
    for dtype in ("float32", "uint32"):
        tifffile.imwrite(PATH, colours(False).astype(dtype), photometric="cielab", metadata=None)
        told = refusal(lambda: noted(PATH, "", OUT))
        kind = "float 32 bit" if dtype == "float32" else "32 bit"
        assert f"TIFF with Lab colours of {kind} cannot be processed; save it as grey or RGB" in told, told
    tifffile.imwrite(PATH, picture(channels=4), photometric="cielab", extrasamples=["assocalpha"], metadata=None)
    assert "Lab colours and other bands" in refusal(lambda: noted(PATH, "", OUT))
