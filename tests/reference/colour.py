"""Colour profiles on the way to sRGB."""

import itertools
import struct

import numpy as np
import tifffile
from PIL import Image, ImageCms
from scipy import interpolate
from skimage import color

from common import DATA, WORK, check, compare, picture, read, run
from profiles import SRGB, curve, fixed, grey_profile, profile, rgb_profile, to_srgb, xyz_in_srgb


@check
def cmyk_without_a_profile_is_the_light_that_inks_let_through():
    array = np.dstack([picture(channels=3), picture(channels=1) // 2])
    image = Image.fromarray(array, mode="CMYK")
    expected = (255 - array[..., :3].astype(float)) * (255 - array[..., 3:].astype(float)) / 255
    for name, options, largest in (
        ("a.tif", {}, 0.51),
        ("a.tif", {"compression": "tiff_lzw"}, 0.51),
        ("a.jpg", {"quality": 100, "subsampling": 0}, 14),
    ):
        image.save(WORK / name, **options)
        run(WORK / name, "", WORK / "out.png")
        compare(read(WORK / "out.png"), expected, largest)


def cmyk_table():
    """9 steps for each ink, to Lab of 8 bits as inks on paper might look."""
    steps = np.array(list(itertools.product(np.linspace(0, 1, 9), repeat=4)))
    light = (1 - steps[:, :3] * [0.9, 0.85, 0.8]) * (1 - 0.9 * steps[:, 3:])
    lab = color.rgb2lab(light[None])[0]
    return np.clip(np.rint((lab + [0, 128, 128]) * [255 / 100, 1, 1]), 0, 255).astype(np.uint8)


def cmyk_profile():
    ramp = bytes(range(256))
    head = b"mft1" + bytes(4) + bytes([4, 3, 9, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return profile(b"CMYK", {b"A2B0": head + ramp * 4 + cmyk_table().tobytes() + ramp * 3})


def cmyk_in_srgb(inks):
    """What the table says, between its steps in a straight line, without any rounding on the way."""
    table = interpolate.RegularGridInterpolator((np.linspace(0, 255, 9),) * 4, cmyk_table().reshape(9, 9, 9, 9, 3))
    lab = table(inks.reshape(-1, 4)) / [255 / 100, 1, 1] - [0, 128, 128]
    xyz = color.lab2xyz(lab[None], illuminant="D50")[0]
    return xyz_in_srgb(xyz).reshape(*inks.shape[:2], 3)


def between(sides, grid, places):
    """A table, between its points in a straight line along each side."""
    table = interpolate.RegularGridInterpolator(sides, grid.reshape(*map(len, sides), 3))
    return table(places.reshape(-1, 3))


def rgb_table_in_srgb(values):
    """What the profiles of tests/data/make.py say, from 0 to 1: `rgb_table_profile`, `rgb_curves_profile`."""
    sides = [np.linspace(0, 1, 5)] * 3
    steps = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = 100 * np.cbrt(steps @ [0.25, 0.65, 0.1])
    lab = [lightness, 70 * (steps[:, 0] - steps[:, 1]), 60 * (steps[:, 1] - steps[:, 2])]
    curve = np.interp(values, np.linspace(0, 1, 33), np.linspace(0, 1, 33) ** 1.3)
    lab = between(sides, np.stack(lab, axis=-1), curve)
    return xyz_in_srgb(color.lab2xyz(lab[None], illuminant="D50")[0]).reshape(values.shape)


def rgb_curves_in_srgb(values):
    sides = [np.linspace(0, 1, count) for count in (3, 4, 5)]
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3) ** 1.1
    light = between(sides, grid, values**1.7) ** 1.2
    xyz = light @ SRGB.T + [0.001 * 65535 / 32768, 0, 0]
    return xyz_in_srgb(np.clip(xyz, 0, None)).reshape(values.shape)


@check
def tables_of_rgb_become_srgb_as_they_say():
    for name, exact in (("tabled.jpg", rgb_table_in_srgb), ("tabled-alpha.png", rgb_curves_in_srgb)):
        icc, array = Image.open(DATA / name).info["icc_profile"], picture(channels=4)
        Image.fromarray(array).save(WORK / "a.png", icc_profile=icc)
        run(WORK / "a.png", "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="none")
        given = np.asarray(Image.open(WORK / "out.png"))
        compare(given[..., 3], array[..., 3], 0)
        compare(given[..., :3], exact(array[..., :3] / 255), 1)
        # Little CMS goes by four corners of a cell, not by eight: in cells as large as these that shows.
        little = to_srgb(Image.fromarray(array[..., :3]), icc)
        assert np.abs(given[..., :3].astype(float) - little).mean() < 2, name


@check
def colours_become_srgb_as_by_little_cms():
    rgb, grey = Image.fromarray(picture()), Image.fromarray(picture(channels=1))
    inks = Image.fromarray(np.dstack([picture(channels=3), picture(channels=1) // 2]), mode="CMYK")
    for image, icc, largest in ((rgb, rgb_profile(), 2), (grey, grey_profile(), 1), (inks, cmyk_profile(), 14)):
        for name in ("a.tif", "a.jpg") if image.mode == "CMYK" else ("a.png", "a.tif"):
            image.save(WORK / name, icc_profile=icc, quality=100, subsampling=0)
            run(WORK / name, "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="none")
            given = Image.open(WORK / "out.png")
            assert "icc_profile" not in given.info
            decoded = Image.open(WORK / name)
            compare(np.asarray(given), to_srgb(decoded, icc), largest)
            if image.mode == "CMYK":
                # Little CMS, which rounds in its table, is up to 7 levels from this.
                exact = cmyk_in_srgb(np.asarray(decoded))
                # Of a JPEG Pillow decodes inks that are a level or two off.
                compare(np.asarray(given), exact, 0.6 if name == "a.tif" else 6)


def grey_profiles():
    """Of each kind that a grey profile may have: a curve of each kind, over XYZ and over Lab, and a table."""
    ramp = np.linspace(0, 1, 17)
    table = b"curv" + bytes(4) + struct.pack(">I17H", 17, *np.rint(ramp**1.7 * 65535).astype(int)) + bytes(2)
    formula = b"para" + bytes(4) + struct.pack(">2H", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    for name, data in (("gamma", curve(1.8)), ("straight", b"curv" + bytes(8)), ("table", table), ("formula", formula)):
        for pcs in (b"XYZ ", b"Lab "):
            yield f"{name} over {pcs}", profile(b"GRAY", {b"kTRC": data}, pcs, 0x04200000)
            yield f"{name} over {pcs}, version 2", profile(b"GRAY", {b"kTRC": data}, pcs)
    identity = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lightness = 100 * ramp**1.3
    lab = np.stack([lightness * 255 / 100, np.full(17, 128), np.full(17, 128)], axis=-1)
    byte_curve, word_ends = bytes(range(256)), struct.pack(">2H", 0, 65535)
    eight = b"mft1" + bytes(4) + bytes([1, 3, 17, 0]) + identity + byte_curve
    eight += np.rint(lab).astype(np.uint8).tobytes() + byte_curve * 3
    sixteen = b"mft2" + bytes(4) + bytes([1, 3, 17, 0]) + identity + struct.pack(">2H", 2, 2) + word_ends
    sixteen += np.rint(lab * 256).astype(">u2").tobytes() + word_ends * 3
    cells = bytes([17] + [0] * 15) + bytes([2, 0, 0, 0]) + np.rint(lab * 257).astype(">u2").tobytes()
    cells += bytes(-len(cells) % 4)
    straight = b"curv" + bytes(8)
    middle = 32 + 12 * 3
    later = b"mAB " + bytes(4) + bytes([1, 3, 0, 0]) + struct.pack(">5I", 32, 0, 0, middle, middle + len(cells))
    later += straight * 3 + cells + straight
    for name, data in (("mft1", eight), ("mft2", sixteen), ("mAB", later)):
        version = 0x04200000 if name == "mAB" else 0x02400000
        yield name, profile(b"GRAY", {b"A2B0": data}, b"Lab ", version)
    yield "a table and a curve", profile(b"GRAY", {b"A2B0": sixteen, b"kTRC": curve(3)}, b"Lab ")


@check
def greys_of_every_kind_of_profile_become_srgb_as_by_little_cms():
    grey = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (4, 1)))
    for name, icc in grey_profiles():
        grey.save(WORK / "a.png", icc_profile=icc)
        # In the other intent Little CMS takes tables of version 4 for those of a print, and makes their black darker.
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC if name == "mAB" else ImageCms.Intent.PERCEPTUAL
        expected = to_srgb(grey, icc, intent)
        # Light as it is, is steep in the dark, where Little CMS goes by a table of few steps.
        dark = 8 if name.startswith("straight over b'XYZ") else 0
        # In grey, in colours, and where the result cannot carry the profile of a grey.
        for chain, target, policy in (("", "out.png", "none"), ("sepia:0", "out.png", "safe"), ("", "out.webp", "safe")):
            run(WORK / "a.png", chain, WORK / target, TILEMILL_OUTPUT__METADATA=policy)
            given = np.asarray(Image.open(WORK / target).convert("RGB"))
            try:
                compare(given[:, dark:], np.dstack([expected] * 3)[:, dark:], 1)
            except AssertionError as error:
                raise AssertionError(f"{name}, {chain!r} to {target}: {error}") from None


@check
def sixteen_bits_stay_sixteen_bits_on_the_way_to_srgb():
    array = picture(depth=16)
    tifffile.imwrite(WORK / "a.tif", array, photometric="rgb", iccprofile=rgb_profile())
    run(WORK / "a.tif", "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="none")
    light = (array / 65535.0) ** 2.2
    adobe = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
    srgb = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
    light = np.clip(light @ (np.linalg.inv(srgb) @ adobe).T, 0, 1)
    shaped = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    # A curve is stored in 256ths of its gamma, primaries in 65,536ths.
    compare(read(WORK / "out.png"), shaped * 65535, 180)
    assert len(np.unique(read(WORK / "out.png"))) > 4000


@check
def a_profile_is_carried_where_it_fits_and_nowhere_else():
    rgb, grey = Image.fromarray(picture()), Image.fromarray(picture(channels=1))
    for extension in ("png", "tif", "jpg", "webp"):
        target = WORK / f"out.{extension}"
        rgb.save(WORK / "a.png", icc_profile=rgb_profile())
        run(WORK / "a.png", "blur", target)
        assert Image.open(target).info.get("icc_profile") == rgb_profile(), extension
        run(WORK / "a.png", "grayscale", target)
        assert "icc_profile" not in Image.open(target).info, extension
        grey.save(WORK / "a.png", icc_profile=grey_profile())
        run(WORK / "a.png", "blur", target)
        kept = Image.open(target).info.get("icc_profile")
        assert kept == (None if extension == "webp" else grey_profile()), extension
        run(WORK / "a.png", "sepia", target)
        assert "icc_profile" not in Image.open(target).info, extension
    # What is carried is not converted, and what is converted is not carried.
    rgb.save(WORK / "a.png", icc_profile=rgb_profile())
    run(WORK / "a.png", "", WORK / "out.png")
    compare(read(WORK / "out.png"), picture(), 0)
    run(WORK / "a.png", "grayscale", WORK / "out.png")
    expected = Image.fromarray(to_srgb(rgb, rgb_profile())).convert("L")
    compare(read(WORK / "out.png"), np.asarray(expected), 1)
    grey.save(WORK / "b.png", icc_profile=rgb_profile())
    run(WORK / "b.png", "", WORK / "out.png")
    assert "icc_profile" not in Image.open(WORK / "out.png").info
    compare(read(WORK / "out.png"), picture(channels=1), 0)


@check
def sixteen_bits_of_inks_are_as_exact_as_their_table():
    array = np.dstack([picture(channels=3, depth=16), picture(channels=1, depth=16) // 2])
    tifffile.imwrite(WORK / "a.tif", array, photometric="separated", iccprofile=cmyk_profile())
    run(WORK / "a.tif", "", WORK / "out.png")
    # Primaries have five digits here.
    compare(read(WORK / "out.png"), cmyk_in_srgb(array / 257.0) * 257, 60)
    assert len(np.unique(read(WORK / "out.png"))) > 4000
