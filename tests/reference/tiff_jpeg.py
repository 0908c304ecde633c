"""TIFF with JPEG inside: as libjpeg decodes the streams, through tifffile, and through Pillow's libtiff.

Inverse transforms differ by a level, and the way from YCbCr to RGB multiplies that: 2 levels for samples as they are
stored, 5 for colours.
"""

import io
import itertools

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from common import WORK, check, compare, luma, picture
from tiff_forms import LONG, PATH, RATIONAL, SHORT, File, basics, cut, seen, told

JPEG = 7
AS_STORED, AS_COLOURS = 2, 5
LAYOUTS = ({"tile": (32, 48)}, {"tile": (64, 64)}, {"rowsperstrip": 16}, {"rowsperstrip": 200})


def pillow():
    return np.asarray(Image.open(PATH))


def streams(array, side=None, **options):
    """Strips of 16 rows, or tiles with that side."""
    return [imagecodecs.jpeg8_encode(np.ascontiguousarray(part), level=90, **options) for part in cut(array, side)]


def make(array, photometric, chunks, side=None, more=()):
    file = File()
    places = [(file.add(chunk), len(chunk)) for chunk in chunks]
    offsets, lengths = (list(values) for values in zip(*places))
    tags = basics(array, JPEG) | {262: (SHORT, photometric)}
    if side is None:
        tags |= {273: (LONG, offsets), 278: (SHORT, 16), 279: (LONG, lengths)}
    else:
        tags |= {322: (SHORT, side), 323: (SHORT, side), 324: (LONG, offsets), 325: (LONG, lengths)}
    file.directory(tags | dict(more))
    file.save()


def old_style(stream, more=()):
    """A file whose strip is an old-style JPEG stream, with tags that tell where it is."""
    file = File()
    place = file.add(stream)
    tags = basics(picture(), 6) | {262: (SHORT, 6), 273: (LONG, [place]), 279: (LONG, [len(stream)])}
    tags |= {513: (LONG, place), 514: (LONG, len(stream)), 530: (SHORT, [2, 2])}
    file.directory(tags | dict(more))
    file.save()


@check
def old_style_jpeg_is_decoded_as_tifffile_and_libtiff_do():
    for sampling, pair in (("444", [1, 1]), ("422", [2, 1]), ("420", [2, 2])):
        stream = imagecodecs.jpeg8_encode(picture(), level=90, subsampling=sampling)
        old_style(stream, {530: (SHORT, pair)})
        whole = np.asarray(Image.open(io.BytesIO(stream)))
        compare(seen(), whole, AS_COLOURS)
        compare(seen(), tifffile.imread(PATH), AS_COLOURS)
        # libtiff repeats the samples of chroma where libjpeg mixes neighbours.
        compare(luma(seen()), luma(pillow()), AS_COLOURS)
        if sampling == "444":
            compare(seen(), pillow(), AS_COLOURS)


@check
def tiff_of_jpeg_is_decoded_as_tifffile_and_libtiff_do():
    array = picture()
    for layout, sampling in itertools.product(LAYOUTS, ((1, 1), (2, 1), (2, 2))):
        tifffile.imwrite(PATH, array, photometric="ycbcr", compression="jpeg", subsampling=sampling,
                         compressionargs={"level": 90}, **layout)
        given = seen()
        compare(given, tifffile.imread(PATH), AS_COLOURS)
        compare(given, pillow(), AS_COLOURS)
    for layout in LAYOUTS:
        options = {"compression": "jpeg", "compressionargs": {"level": 90}, **layout}
        stored = {"level": 90, "outcolorspace": "rgb"}
        tifffile.imwrite(PATH, array, photometric="rgb", **{**options, "compressionargs": stored})
        assert tifffile.TiffFile(PATH).pages[0].photometric == 2
        compare(seen(), tifffile.imread(PATH), AS_STORED)
        compare(seen(), pillow(), AS_STORED)
        for photometric, grey in (("minisblack", array[..., 0]), ("miniswhite", 255 - array[..., 0])):
            tifffile.imwrite(PATH, np.ascontiguousarray(grey), photometric=photometric, **options)
            expected = tifffile.imread(PATH)
            compare(seen(), expected if photometric == "minisblack" else 255 - expected, AS_STORED)
        planes = np.moveaxis(array, -1, 0)
        tifffile.imwrite(PATH, planes, photometric="rgb", planarconfig="separate", **options)
        compare(seen(), np.moveaxis(tifffile.imread(PATH), 0, -1), AS_STORED)


@check
def tiff_of_jpeg_with_shared_tables_is_decoded_as_libtiff_does():
    """As libtiff itself writes it."""
    for mode, quality in itertools.product(("L", "RGB", "YCbCr", "CMYK"), (30, 90)):
        Image.fromarray(picture()).convert(mode).save(PATH, compression="jpeg", quality=quality)
        assert 347 in Image.open(PATH).tag_v2, mode
        expected = pillow().astype(float)
        if mode == "CMYK":
            light = 255 - expected
            expected = light[..., :3] * light[..., 3:] / 255
        compare(seen(), expected, AS_COLOURS if mode == "YCbCr" else 3)


@check
def tiff_of_jpeg_takes_its_colours_from_its_tags():
    array = picture()
    # Whatever markers say: JFIF, Adobe, the letters R, G and B.
    for space in ("RGB", "YCBCR"):
        chunks = streams(array, 32, colorspace="RGB", outcolorspace=space, subsampling="444")
        for photometric in (2, 6):
            make(array, photometric, chunks, 32)
            compare(seen(), pillow(), AS_COLOURS)
    # libtiff leaves all of these to libjpeg, which does not know them.
    chunks = streams(array, 32, subsampling="420")
    make(array, 6, chunks, 32)
    expected = seen()
    compare(expected, pillow(), AS_COLOURS)
    for more in (
        {266: (SHORT, 2)},
        {317: (SHORT, 2)},
        {530: (SHORT, [2, 2])},
        {529: (RATIONAL, [2126, 10000, 7152, 10000, 722, 10000])},
        {532: (RATIONAL, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])},
    ):
        make(array, 6, chunks, 32, more)
        compare(seen(), expected, 0)
        # Pillow opens no YCbCr with this order, but leaves it to libtiff for RGB.
        if 266 not in more:
            compare(expected, pillow(), AS_COLOURS)
    make(array, 2, streams(array, 32, subsampling="444"), 32, {266: (SHORT, 2)})
    compare(seen(), pillow(), AS_STORED)


@check
def tiff_of_jpeg_in_rare_forms_is_decoded_as_libtiff_does():
    array = picture()
    # A last strip of as many rows as the others.
    padded = np.pad(array, [(0, -len(array) % 16), (0, 0), (0, 0)], mode="edge")
    make(array, 6, streams(padded, subsampling="420"))
    compare(seen(), pillow(), AS_COLOURS)
    # Progressive.
    Image.fromarray(array).save(WORK / "a.jpg", quality=90, progressive=True)
    make(array, 6, [(WORK / "a.jpg").read_bytes()], more={278: (SHORT, 200)})
    compare(seen(), pillow(), AS_COLOURS)
    compare(seen(), np.asarray(Image.open(WORK / "a.jpg")), AS_COLOURS)
    # A tile that is left out.
    file = File()
    chunks = streams(array, 32, subsampling="420")
    places = [(0, 0) if index == 1 else (file.add(chunk), len(chunk)) for index, chunk in enumerate(chunks)]
    offsets, lengths = (list(values) for values in zip(*places))
    tags = basics(array, JPEG) | {262: (SHORT, 6), 322: (SHORT, 32), 323: (SHORT, 32)}
    file.directory(tags | {324: (LONG, offsets), 325: (LONG, lengths)})
    file.save()
    given = seen()
    assert not given[:32, 32:64].any()
    make(array, 6, chunks, 32)
    expected = seen()
    expected[:32, 32:64] = 0
    compare(given, expected, 0)


@check
def tiff_of_jpeg_that_libtiff_does_not_read_is_not_read():
    array = picture()
    whole = streams(array, 32, subsampling="420")
    larger = streams(np.pad(array, [(0, 64), (0, 64), (0, 0)]), 48, subsampling="444")
    for photometric, chunks in ((6, [larger[0], *whole[1:]]), (6, [*whole[:-1], larger[0]]), (2, whole),
                                (6, streams(array[..., 0], 32)), (6, [chunk[2:] for chunk in whole])):
        make(array, photometric, chunks, 32)
        assert "the TIFF file is damaged" in told(), told()
        try:
            pillow()
        except OSError:
            continue
        raise AssertionError("libtiff reads it")
