"""TIFF of every type of samples, with any number of bands and with empty pixels, beside tifffile and NumPy."""

import itertools

import numpy as np
import tifffile

from common import WORK, check, compare, picture, refusal, run

PATH = WORK / "samples.tif"
OUT = WORK / "samples-out.tif"

EXACT = ("uint8", "uint16", "int8", "int16", "float16", "float32")
ROUNDED = ("uint32", "int32", "float64")
NODATA = 42113


def quantity(dtype, bands=1, height=83, width=117):
    """Slopes and noise over most of what a type can hold."""
    slopes = np.stack([picture(height, width, 1, 16) * (1 + band / 7) for band in range(bands)], axis=-1) / 65535
    if dtype.startswith("float"):
        values = (slopes - 0.4) * (3000 if dtype == "float16" else 87654.25)
    else:
        info = np.iinfo(dtype)
        values = info.min + slopes / 2 * (float(info.max) - info.min)
    values = values.astype(dtype)
    return values[..., 0] if bands == 1 else values


def write(array, nodata=None, **options):
    bands = array.shape[2] if array.ndim == 3 else 1
    options.setdefault("photometric", "minisblack")
    options.setdefault("planarconfig", "contig" if bands > 1 else None)
    tags = [(NODATA, "s", 0, nodata, True)] if nodata is not None else None
    if options["planarconfig"] == "separate":
        array = np.moveaxis(array, 2, 0)
    tifffile.imwrite(PATH, array, extratags=tags, metadata=None, **options)


def seen():
    return tifffile.imread(OUT)


def same(given, expected):
    assert given.dtype == expected.dtype, f"{given.dtype} instead of {expected.dtype}"
    assert given.shape == expected.shape, f"{given.shape} instead of {expected.shape}"
    assert np.array_equal(given, expected, equal_nan=given.dtype.kind == "f"), "values differ"


@check
def samples_of_every_type_come_back_as_they_were():
    layouts = ({}, {"tile": (32, 48)}, {"rowsperstrip": 7})
    codings = ((None, False), ("zlib", False), ("zlib", True), ("lzw", True), ("zstd", True), ("packbits", False))
    for dtype, options, (compression, predictor) in itertools.product(EXACT, layouts, codings):
        for bands, planar, order in ((1, None, "<"), (3, "contig", ">"), (5, "contig", "<"), (5, "separate", ">")):
            array = quantity(dtype, bands)
            write(array, compression=compression, predictor=predictor, planarconfig=planar, byteorder=order, **options)
            run(PATH, "", OUT)
            same(seen(), array)


@check
def floats_are_read_with_either_predictor():
    """tifffile writes predictor 3 alone; the other one is that of whole numbers of the same bits."""
    for dtype, order in itertools.product(("float16", "float32"), "<>"):
        array = quantity(dtype, 3)
        write(array, compression="zlib", predictor=True, byteorder=order, photometric="rgb")
        assert tifffile.TiffFile(PATH).pages[0].predictor == 3
        run(PATH, "", OUT)
        same(seen(), array)
        array = quantity(dtype)
        write(array.view("int16" if dtype == "float16" else "int32"), compression="zlib", predictor=True)
        patch(PATH, {339: 3})
        assert tifffile.TiffFile(PATH).pages[0].predictor == 2
        run(PATH, "", OUT)
        same(seen(), array)


@check
def a_deflated_result_has_the_same_samples():
    for dtype, bands in itertools.product(EXACT, (1, 3, 5)):
        array = quantity(dtype, bands)
        write(array)
        run(PATH, "", OUT, TILEMILL_OUTPUT__TIFF_COMPRESSION="deflate")
        same(seen(), array)


@check
def wide_samples_are_taken_as_floats_when_asked_for():
    for dtype, order in itertools.product(ROUNDED, "<>"):
        array = quantity(dtype, 2)
        write(array, compression="zlib", predictor=True, byteorder=order)
        told = refusal(lambda: run(PATH, "", OUT))
        assert "output.sample_type" in told and "float32" in told, told
        run(PATH, "", OUT, TILEMILL_OUTPUT__SAMPLE_TYPE="float32")
        same(seen(), array.astype("float32"))


@check
def samples_of_twelve_bits_become_sixteen():
    array = (picture(channels=1, depth=16) >> 4).astype(np.uint16)[:, :116]
    # Pairs of samples in three bytes, as TIFF 6.0 has them.
    first, second = array[:, ::2], array[:, 1::2]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1).astype(np.uint8)
    tifffile.imwrite(PATH, packed.reshape(83, -1), metadata=None, photometric="minisblack")
    patch(PATH, {258: 12, 256: 116})
    run(PATH, "", OUT)
    same(seen(), array << 4 | array >> 8)


def patch(path, tags):
    """Writes values of tags that the file has, and that fit into an entry."""
    data = bytearray(path.read_bytes())
    place = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[place : place + 2], "little")
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag = int.from_bytes(data[entry : entry + 2], "little")
        if tag in tags:
            width = 2 if data[entry + 2] == 3 else 4
            data[entry + 8 : entry + 12] = tags[tag].to_bytes(width, "little").ljust(4, b"\0")
    path.write_bytes(data)


def holes(height=83, width=117):
    """A collar at the left and the top, a round hole, and single pixels."""
    y, x = np.mgrid[0:height, 0:width]
    single = np.random.default_rng(3).random((height, width)) < 0.01
    return (x < 20 + y // 5) | (y < 9) | (np.hypot(x - 80, y - 50) < 12) | single


def with_holes(dtype, nodata, bands=1):
    array = quantity(dtype, bands)
    array = np.where(array == np.array(nodata).astype(dtype), array + np.array(1).astype(dtype), array)
    empty = holes()
    array[empty] = nodata
    return array.astype(dtype), empty


def weights(sigma):
    reach = int(np.ceil(3 * sigma))
    bell = np.exp(-np.arange(-reach, reach + 1) ** 2 / (2 * sigma**2))
    return bell / bell.sum()


def convolved(array, bell):
    """Along rows, then along columns, with the edges repeated."""
    reach = len(bell) // 2
    for axis in (0, 1):
        pads = [(reach, reach) if at == axis else (0, 0) for at in (0, 1)]
        padded = np.pad(array, pads, mode="edge")
        shifted = [np.take(padded, range(at, at + array.shape[axis]), axis) for at in range(len(bell))]
        array = sum(weight * part for weight, part in zip(bell, shifted))
    return array


def normalised(array, empty, bell):
    """The mean of what is not empty, weighted by a bell."""
    full = (~empty).astype(float)
    return convolved(np.where(empty, 0, array.astype(float)), bell) / np.maximum(convolved(full, bell), 1e-12)


NODATAS = (("int16", -32768), ("int16", 0), ("uint8", 0), ("uint16", 65535), ("float32", -9999.0), ("float32", np.nan))


@check
def empty_pixels_stay_empty_and_lend_nothing():
    """Within what a bell of whole weights and a rounded result differ: 8e-4 of the range, and half a step."""
    for dtype, nodata in NODATAS:
        array, empty = with_holes(dtype, nodata)
        write(array, nodata=str(nodata))
        for chain, bell in (("blur:2", weights(2)), ("blur:5", weights(5)), ("box:3", np.full(7, 1 / 7))):
            run(PATH, chain, OUT)
            given = seen()
            assert given.dtype == array.dtype
            same(given[empty], array[empty])
            expected = normalised(array, empty, bell)[~empty]
            span = np.ptp(array[~empty].astype(float))
            # A value that would be that of empty pixels moves one step.
            largest = 8e-4 * span + (1.6 if array.dtype.kind in "iu" else 0)
            difference = np.abs(given[~empty].astype(float) - expected)
            assert difference.max() <= largest, f"{dtype}, {nodata}, {chain}: {difference.max()} above {largest}"
        tags = tifffile.TiffFile(OUT).pages[0].tags
        assert float(tags[NODATA].value) == nodata or np.isnan(nodata), tags[NODATA].value


@check
def a_value_of_no_data_that_samples_cannot_have_is_ignored():
    for dtype, nodata in (("int16", "-99999"), ("uint8", "256"), ("int8", "0.5"), ("uint16", "-1")):
        array = quantity(dtype)
        write(array, nodata=nodata)
        run(PATH, "", OUT)
        same(seen(), array)


@check
def alpha_of_signed_numbers_is_a_band_without_a_name():
    array = quantity("int16", 4)
    tifffile.imwrite(PATH, array, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    run(PATH, "bands:4,3,2,1", OUT)
    same(seen(), array[..., ::-1])


@check
def medians_go_by_what_is_not_empty():
    for dtype, nodata in NODATAS:
        array, empty = with_holes(dtype, nodata)
        write(array, nodata=str(nodata))
        run(PATH, "median:2", OUT)
        given = seen()
        padded, hollow = np.pad(array, 2, mode="edge"), np.pad(empty, 2, mode="edge")
        expected = array.copy()
        for y, x in zip(*np.nonzero(~empty)):
            values = np.sort(padded[y : y + 5, x : x + 5][~hollow[y : y + 5, x : x + 5]])
            expected[y, x] = values[(len(values) - 1) // 2]
        same(given, expected)


@check
def a_negative_leaves_the_collar():
    array, empty = with_holes("uint8", 0, 3)
    write(array, nodata="0", photometric="rgb")
    run(PATH, "invert", OUT)
    expected = np.where(empty[..., None], 0, 255 - array.astype(int))
    # No pixel that is there becomes one of the collar.
    expected[~empty & (expected == 0).all(axis=-1)] = 1
    same(seen(), expected.astype(np.uint8))


@check
def empty_pixels_are_transparent_where_no_value_stands_for_them():
    array, empty = with_holes("int16", -32768)
    write(array, nodata="-32768")
    target = WORK / "samples-out.png"
    run(PATH, "scale:-32767:32767", target)
    from PIL import Image

    alpha = np.asarray(Image.open(target).convert("LA"))[..., 1]
    same(alpha, np.where(empty, 0, 255).astype(np.uint8))


@check
def floats_are_filtered_as_numpy_does():
    array = quantity("float32", 2)
    write(array)
    planes = [array[..., band].astype(float) for band in (0, 1)]
    span = max(np.ptp(plane) for plane in planes)

    def each(function):
        return np.stack([function(plane) for plane in planes], axis=-1)

    def edges(plane):
        across = convolved_with(plane, [1, 2, 1], [-1, 0, 1])
        down = convolved_with(plane, [-1, 0, 1], [1, 2, 1])
        return np.hypot(across, down) / 4

    def pixelated(plane):
        out = plane.copy()
        for y, x in itertools.product(range(0, plane.shape[0], 16), range(0, plane.shape[1], 16)):
            out[y : y + 16, x : x + 16] = plane[y : y + 16, x : x + 16].mean()
        return out

    blurred = each(lambda plane: convolved(plane, weights(1)))
    # The weights of a bell are whole 65,536ths; all else is exact but for the last rounding.
    for chain, expected, share in (
        ("blur:2", each(lambda plane: convolved(plane, weights(2))), 8e-4),
        ("sharpen", 2 * each(lambda plane: plane) - blurred, 8e-4),
        ("box:4", each(lambda plane: convolved(plane, np.full(9, 1 / 9))), 1e-6),
        ("edges", each(edges), 1e-6),
        ("pixelate", each(pixelated), 1e-6),
        ("brightness:1.5", each(lambda plane: plane * 1.5), 1e-6),
        ("contrast:2", each(lambda plane: (plane - 0.5) * 2 + 0.5), 1e-6),
        ("bands:2,1", each(lambda plane: plane)[..., ::-1], 0),
    ):
        run(PATH, chain, OUT)
        given = seen()
        assert given.dtype == np.float32
        compare(given, expected, span * share)


def convolved_with(plane, column, row):
    padded = np.pad(plane, 1, mode="edge")
    height, width = plane.shape
    return sum(
        column[y] * row[x] * padded[y : y + height, x : x + width] for y, x in itertools.product(range(3), range(3))
    )


@check
def normalised_bands_lie_between_the_percentiles_of_numpy():
    for dtype in ("uint8", "uint16", "int16", "float32"):
        for low, high, bits in ((2, 98, 8), (0, 100, 16), (10, 99.5, 16)):
            array, empty = with_holes(dtype, 7, bands=3)
            write(array, "7")
            run(PATH, f"normalize:{low}:{high}:{bits}", OUT)
            given, full = seen().astype(float), (1 << bits) - 1
            for band in range(3):
                values = array[..., band].astype(float)
                black, white = np.percentile(values[~empty], [low, high])
                expected = np.clip(np.floor((values - black) / (white - black) * full + 0.5), 0, full)
                # Floats are counted in buckets whose ends are less than 1/128 of the value apart.
                allowed = full / 120 if dtype in ("int16", "float32") else 1
                compare(np.where(empty, 0, given[..., band]), np.where(empty, 0, expected), allowed)


@check
def what_needs_colours_or_black_and_white_says_so():
    write(quantity("uint8", 5))
    told = refusal(lambda: run(PATH, "grayscale", OUT))
    assert "grayscale" in told and "bands:3,2,1" in told, told
    write(quantity("float32"))
    for chain in ("invert", "gamma", "threshold", "posterize", "equalize", "autolevels"):
        told = refusal(lambda: run(PATH, chain, OUT))
        assert chain in told and "scale:0:1" in told, told
    told = refusal(lambda: run(PATH, "", WORK / "samples-out.png"))
    assert "PNG" in told and "scale:0:1" in told, told
    run(PATH, "scale:-40000:60000:16,invert", WORK / "samples-out.png")
