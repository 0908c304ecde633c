"""TIFF of every kind."""

import itertools
import subprocess

import numpy as np
import tifffile
from PIL import Image

from common import DATA, WORK, check, compare, picture, read, refusal, run


def tiff_kinds():
    for depth, channels in itertools.product((8, 16), (1, 3, 4)):
        for options in (
            {},
            {"compression": "deflate"},
            {"compression": "deflate", "predictor": True},
            {"compression": "packbits"},
            {"compression": "lzw"},
            {"tile": (32, 48)},
            {"tile": (16, 16), "compression": "deflate"},
            {"tile": (16, 16), "compression": "lzw"},
            {"tile": (32, 48), "compression": "lzw", "predictor": True},
            {"tile": (32, 48), "compression": "lzw", "predictor": True, "byteorder": ">"},
            {"bigtiff": True},
            {"bigtiff": True, "tile": (64, 64)},
            {"byteorder": ">"},
            {"rowsperstrip": 7},
            {"compression": "lzw", "predictor": True, "rowsperstrip": 7},
            {"compression": "packbits", "rowsperstrip": 5},
        ):
            yield depth, channels, options
    for depth, compression in itertools.product((8, 16), (None, "deflate", "lzw", "packbits")):
        for tile in ({}, {"tile": (32, 48)}):
            options = {"compression": compression, **tile}
            yield depth, 1, {"photometric": "miniswhite", **options}
            yield depth, 3, {"planarconfig": "separate", **options}
    for depth in (8, 16):
        for tile, compression in itertools.product(({}, {"tile": (32, 48)}), ("deflate", "lzw")):
            yield depth, 3, {"planarconfig": "separate", "compression": compression, "predictor": True, **tile}


@check
def tiff_of_every_kind_is_decoded_as_tifffile_wrote_it():
    path, target = WORK / "kind.tif", WORK / "kind-out.png"
    for depth, channels, options in tiff_kinds():
        array = picture(depth=depth, channels=channels)
        written, photometric = array, "minisblack" if channels == 1 else "rgb"
        if options.get("planarconfig"):
            written = np.moveaxis(array, -1, 0)
        if options.get("photometric"):
            written = (255 if depth == 8 else 65535) - array
        extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        tifffile.imwrite(path, written, **{"photometric": photometric, **extra, **options})
        try:
            run(path, "", target)
            compare(read(target), array, 0)
        except subprocess.CalledProcessError as error:
            told = error.stderr.decode().strip()
            raise AssertionError(f"{depth} bit, {channels} channels, {options}: {told}") from None
        except AssertionError as error:
            raise AssertionError(f"{depth} bit, {channels} channels, {options}: {error}") from None


@check
def tiff_of_libtiff_is_decoded_as_pillow_does():
    path, target = WORK / "kind.tif", WORK / "kind-out.png"
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "group4", None):
        for mode in ("L", "RGB", "RGBA", "1"):
            if compression == "group4" and mode != "1":
                continue
            image = Image.fromarray(picture()).convert(mode)
            image.save(path, compression=compression)
            run(path, "", target)
            wanted = {"1": "L"}.get(mode, mode)
            compare(np.asarray(Image.open(target).convert(wanted)), np.asarray(image.convert(wanted)), 0)


@check
def bands_that_are_no_colours_are_taken_where_no_colours_are_needed():
    for channels, photometric, extra in ((4, "rgb", ["unspecified"]), (5, "rgb", ["unspecified", "unassalpha"]),
                                         (2, "minisblack", ["unspecified"])):
        array = np.dstack([picture(channels=4), picture(channels=1)])[..., :channels]
        for options in ({}, {"compression": "lzw", "predictor": True}, {"tile": (32, 48)}):
            tifffile.imwrite(WORK / "a.tif", array, photometric=photometric, extrasamples=extra, planarconfig="contig",
                             **options)
            run(WORK / "a.tif", "", WORK / "out.tif")
            compare(tifffile.imread(WORK / "out.tif"), array, 0)
            told = refusal(lambda: run(WORK / "a.tif", "", WORK / "out.png"))
            assert "PNG holds grey and RGB" in told and "bands:3,2,1" in told, told
            run(WORK / "a.tif", "bands:2", WORK / "out.png")
    five = np.dstack([picture(channels=4), picture(channels=1)])
    tifffile.imwrite(WORK / "a.tif", five, photometric="separated", extrasamples=["unspecified"], planarconfig="contig")
    told = refusal(lambda: run(WORK / "a.tif", "", WORK / "out.png"))
    assert "CMYK colours and other bands" in told, told


@check
def a_bigtiff_that_was_written_is_what_tifffile_reads():
    """The file that a unit test of the encoder writes; only results of 4 GB are of this kind else."""
    y, x = np.mgrid[0:270, 0:290]
    expected = np.dstack([3 * x, 5 * y, x ^ y]) & 255
    with tifffile.TiffFile(DATA / "written-big.tif") as file:
        assert file.is_bigtiff and file.pages[0].is_tiled
        compare(file.asarray(), expected, 0)
