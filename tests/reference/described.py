"""Colours that a file describes without a profile: cICP, gAMA and cHRM of PNG, the later headers of BMP."""

import itertools
import struct
import zlib

import numpy as np
from PIL import Image

from common import WORK, check, compare, noted, picture, read, refusal, run
from png import chunk, write_png
from profiles import rgb_profile, to_srgb

D65 = (0.3127, 0.3290)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
BT2020 = ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), D65)


def light_of(places):
    """From light of red, green and blue to XYZ (SMPTE RP 177), without any adaptation: white is D65 in all of these."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in places]).T
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])


def shaped(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def srgb_light(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def bt709_light(values):
    return np.where(values < 4.5 * 0.018054, values / 4.5, ((values + 0.099297) / 1.099297) ** (1 / 0.45))


def in_srgb(array, places, light):
    top = np.iinfo(array.dtype).max
    matrix = np.linalg.inv(light_of(SRGB)) @ light_of(places)
    return top * shaped(light(array / top) @ matrix.T)


def power(gamma):
    return lambda values: values**gamma


def chrm(places):
    red, green, blue, white = places
    return chunk(b"cHRM", struct.pack(">8I", *[round(v * 100000) for v in (*white, *red, *green, *blue)]))


def gama(value):
    return chunk(b"gAMA", struct.pack(">I", value))


def cicp(*points):
    return chunk(b"cICP", bytes([*points, 0, 1]))


DESCRIBED = (
    ("Display P3", cicp(12, 13), P3, srgb_light),
    ("BT.2020", cicp(9, 14), BT2020, bt709_light),
    ("BT.709", cicp(1, 1), SRGB, bt709_light),
    ("gamma 2.2", cicp(1, 4), SRGB, power(2.2)),
    ("linear", gama(100000), SRGB, power(1)),
    ("gAMA 1/1.8", gama(55556), SRGB, power(1.8)),
    ("Adobe RGB", gama(45470) + chrm(ADOBE), ADOBE, power(100000 / 45470)),
    ("cHRM alone", chrm(ADOBE), ADOBE, srgb_light),
    ("sRGB", chunk(b"sRGB", b"\0") + gama(100000) + chrm(ADOBE), SRGB, srgb_light),
    ("sRGB for old readers", gama(45455) + chrm(SRGB), SRGB, srgb_light),
    ("gAMA for old readers", gama(45455), SRGB, srgb_light),
    ("cICP of sRGB", cicp(1, 13) + gama(100000), SRGB, srgb_light),
    ("a matrix is none", chunk(b"cICP", bytes([12, 13, 1, 1])), SRGB, srgb_light),
)


@check
def colours_that_a_png_describes_become_srgb_or_a_profile():
    for depth, (name, extra, places, light) in itertools.product((8, 16), DESCRIBED):
        array, source, target = picture(depth=depth), WORK / "a.png", WORK / "out.png"
        write_png(source, array, 2, depth, False, extra)
        expected = in_srgb(array, places, light)
        run(source, "", target, TILEMILL_OUTPUT__METADATA="none")
        try:
            # The library has D50 in other digits than profiles have, which shows where sRGB is steep.
            compare(read(target), expected, 2 if depth == 8 else 500)
            if depth == 16:
                continue
            for extension in ("png", "tif", "webp"):
                target = WORK / f"out.{extension}"
                run(source, "", target)
                given = Image.open(target)
                compare(np.asarray(given), array, 0)
                if (places, light) == (SRGB, srgb_light):
                    assert "icc_profile" not in given.info, extension
                else:
                    compare(to_srgb(given, given.info["icc_profile"]), expected, 3)
        except (AssertionError, KeyError) as error:
            raise AssertionError(f"{name}, {depth} bits: {error}") from None


@check
def grey_of_a_described_curve_becomes_srgb_or_a_profile():
    array = picture(channels=1)
    for name, extra, light in (
        ("gAMA", gama(100000) + chrm(ADOBE), power(1)),
        ("cICP", cicp(9, 14), bt709_light),
        ("sRGB", gama(45455), srgb_light),
    ):
        write_png(WORK / "a.png", array, 0, 8, False, extra)
        run(WORK / "a.png", "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="none")
        expected = 255 * shaped(light(array / 255))
        compare(read(WORK / "out.png"), expected, 1)
        run(WORK / "a.png", "", WORK / "out.png")
        given = Image.open(WORK / "out.png")
        compare(np.asarray(given), array, 0)
        assert ("icc_profile" in given.info) == (name != "sRGB"), name


@check
def a_profile_is_carried_over_sRGB_and_gamma_and_code_points_over_all():
    array = picture()
    iccp = chunk(b"iCCP", b"a\0\0" + zlib.compress(rgb_profile()))
    write_png(WORK / "a.png", array, 2, 8, False, gama(100000) + chunk(b"sRGB", b"\0") + iccp)
    run(WORK / "a.png", "", WORK / "out.png")
    assert Image.open(WORK / "out.png").info["icc_profile"] == rgb_profile()
    write_png(WORK / "a.png", array, 2, 8, False, cicp(12, 13) + iccp)
    run(WORK / "a.png", "", WORK / "out.png")
    given = Image.open(WORK / "out.png")
    assert given.info["icc_profile"] != rgb_profile()
    compare(to_srgb(given, given.info["icc_profile"]), in_srgb(array, P3, srgb_light), 3)


@check
def code_points_are_carried_as_long_as_they_are_true():
    array = picture()
    for points, described in (((12, 13), True), ((9, 16), False), ((9, 18), False), ((1, 13), False)):
        write_png(WORK / "a.png", array, 2, 8, False, cicp(*points))
        for policy in ("safe", "all"):
            told = noted(WORK / "a.png", "", WORK / "out.png", TILEMILL_OUTPUT__METADATA=policy)
            file = (WORK / "out.png").read_bytes()
            assert (b"iCCP" in file) == described, points
            assert b"cICP" + bytes([*points, 0, 1]) in file, points
            assert "colours" not in told, told
            compare(read(WORK / "out.png"), array, 0)
        run(WORK / "a.png", "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="none")
        assert b"cICP" not in (WORK / "out.png").read_bytes(), points
    # Grey of other colours than sRGB is made from sRGB, where no profile goes with it.
    write_png(WORK / "a.png", array, 2, 8, False, cicp(12, 13))
    run(WORK / "a.png", "grayscale", WORK / "out.png")
    assert b"cICP" not in (WORK / "out.png").read_bytes()


@check
def colours_that_no_profile_describes_are_named_where_they_are_lost():
    write_png(WORK / "a.png", picture(), 2, 8, False, cicp(9, 16))
    told = noted(WORK / "a.png", "", WORK / "out.jpg")
    assert "its colours are BT.2100 PQ (cICP 9, 16), which JPEG cannot say" in told, told
    told = noted(WORK / "a.png", "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="none")
    assert "its colours are BT.2100 PQ (cICP 9, 16), which the result does not say" in told, told
    write_png(WORK / "a.png", picture(), 2, 8, False, cicp(1, 13))
    assert "colours" not in noted(WORK / "a.png", "", WORK / "out.jpg")


def bmp(array, kind, fields=b"", behind=b"", length=124):
    """A bitmap whose header says what kind of colours it has (BITMAPV5HEADER)."""
    height, width = array.shape[:2]
    rows = b"".join(row[:, ::-1].tobytes() + bytes(-3 * width % 4) for row in array[::-1])
    header = struct.pack("<IiiHHIIiiII", length, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16)
    header = (header + kind[::-1] + fields).ljust(112, b"\0")
    header += struct.pack("<II", length + len(rows), len(behind)) + bytes(4)
    header = header[:length]
    file = b"BM" + struct.pack("<IHHI", 14 + len(header + rows + behind), 0, 0, 14 + length)
    return file + header + rows + behind


def calibrated(places, gamma):
    points = [v for x, y in places[:3] for v in (x, y, 1 - x - y)]
    return struct.pack("<9i3I", *[round(v * (1 << 30)) for v in points], *[round(gamma * 65536)] * 3)


@check
def colours_that_a_bmp_describes_become_srgb_or_a_profile():
    array, none = picture(), bytes(4)
    adobe = in_srgb(array, ADOBE, power(2.2))
    for name, file, expected in (
        ("a profile", bmp(array, b"MBED", behind=rgb_profile()), adobe),
        ("calibrated", bmp(array, none, calibrated(ADOBE, 2.2)), adobe),
        ("calibrated, version 4", bmp(array, none, calibrated(ADOBE, 2.2), length=108), adobe),
        ("gamma", bmp(array, none, calibrated(SRGB, 1.8)), in_srgb(array, SRGB, power(1.8))),
        ("nothing", bmp(array, none), array),
        ("no end points", bmp(array, none, calibrated(ADOBE, 2.2)[36:].rjust(48, b"\0")), array),
        ("sRGB", bmp(array, b"sRGB", calibrated(ADOBE, 2.2)), array),
        ("of the system", bmp(array, b"Win ", calibrated(ADOBE, 2.2)), array),
    ):
        (WORK / "a.bmp").write_bytes(file)
        try:
            run(WORK / "a.bmp", "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="none")
            compare(read(WORK / "out.png"), expected, 1.5)
            run(WORK / "a.bmp", "", WORK / "out.png")
            given = Image.open(WORK / "out.png")
            compare(np.asarray(given), array, 0)
            assert ("icc_profile" in given.info) == (expected is not array)
            if "icc_profile" in given.info:
                compare(to_srgb(given, given.info["icc_profile"]), expected, 3)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
    (WORK / "a.bmp").write_bytes(bmp(array, b"LINK", behind=b"C:\\colours.icc\0"))
    told = noted(WORK / "a.bmp", "", WORK / "out.png")
    assert "the colour profile that it links to" in told, told
    compare(read(WORK / "out.png"), array, 0)


@check
def bitmaps_that_are_not_read_are_called_by_what_they_hold():
    file = bytearray(bmp(picture(), b"sRGB"))
    for place, value, words in (
        (30, 4, "JPEG inside"),
        (30, 5, "PNG inside"),
        (30, 11, "CMYK colours"),
        (14, 64, "a header of OS/2"),
        (28, 64, "64 bits for each pixel"),
    ):
        other = bytearray(file)
        other[place] = value
        (WORK / "a.bmp").write_bytes(other)
        told = refusal(lambda: run(WORK / "a.bmp", "", WORK / "out.png"))
        assert f"BMP with {words} cannot be processed" in told, told
