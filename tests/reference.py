"""What tilemill makes of pictures beside what Pillow, OpenCV and scikit-image make of them.

    reference.py TILEMILL [NAME…]

Each check states the largest difference that it allows, in levels of the depth it is made at.
"""

import io
import itertools
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms, ImageEnhance, ImageOps
from scipy import interpolate
from skimage import color, exposure, filters

TILEMILL = Path(sys.argv[1]).resolve()
DATA = Path(__file__).parent / "data"
WORK = Path(tempfile.mkdtemp())
CHECKS = []
SIDE = 31  # of a tile: odd, and smaller than every picture


def check(function):
    CHECKS.append(function)
    return function


def picture(height=83, width=117, channels=3, depth=8):
    """Slopes, waves, an edge and noise: what filters differ on."""
    top = (1 << depth) - 1
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        x / width,
        0.5 + 0.5 * np.sin(x / 6.0) * np.cos(y / 9.0),
        np.where(np.hypot(x - 60, y - 40) < 25, 0.85, y / height * 0.6),
        np.clip(1.2 - np.hypot(x - 50, y - 30) / 50, 0, 1),
    ]
    image = np.stack(planes[:channels], axis=-1)
    image += np.random.default_rng(5).normal(0, 0.04, image.shape)
    image = np.clip(np.rint(image * top), 0, top).astype(np.uint8 if depth == 8 else np.uint16)
    return image[..., 0] if channels == 1 else image


def swap(array):
    """Between red first and OpenCV's blue first."""
    if array.ndim == 2:
        return array
    return array[..., [2, 1, 0, 3][: array.shape[2]]]


def run(source, chain, target, **environment):
    command = [TILEMILL, "run", source, "-o", target, "--filters", chain, "--overwrite"]
    command += ["--tile-size", str(SIDE)]
    environment = {**os.environ, **environment}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def ours(array, chain):
    """What tilemill makes of an array."""
    source, target = WORK / "in.png", WORK / "out.png"
    cv2.imwrite(str(source), swap(array))
    run(source, chain, target)
    return read(target)


def read(path):
    return swap(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def compare(given, expected, largest, inside=0):
    """Fails when any value differs by more than `largest`, `inside` pixels from the edge."""
    assert given.shape == expected.shape, f"{given.shape} instead of {expected.shape}"
    cut = slice(inside, -inside or None)
    difference = np.abs(given[cut, cut].astype(float) - expected[cut, cut].astype(float))
    assert difference.max() <= largest, (
        f"differs by up to {difference.max():.2f}, {difference.mean():.4f} on average; allowed is {largest}"
    )


def luma(array):
    return np.asarray(Image.fromarray(array).convert("L"))


@check
def grayscale_is_that_of_pillow():
    compare(ours(picture(), "grayscale"), luma(picture()), 0)
    bt709 = color.rgb2gray(picture()) * 255
    compare(ours(picture(), "grayscale:bt709"), bt709, 1)


@check
def invert_is_that_of_pillow():
    compare(ours(picture(), "invert"), np.asarray(ImageOps.invert(Image.fromarray(picture()))), 0)


@check
def sepia_is_the_matrix_of_the_w3c_as_opencv_multiplies_it():
    tint = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
    for amount in (1.0, 0.3):
        matrix = amount * tint + (1 - amount) * np.eye(3)
        compare(ours(picture(), f"sepia:{amount}"), cv2.transform(picture(), matrix), 1)
    wide = cv2.transform(picture(depth=16), tint)
    compare(ours(picture(depth=16), "sepia"), wide, 1)


@check
def brightness_is_that_of_pillow():
    for factor in (0.4, 1.7):
        expected = ImageEnhance.Brightness(Image.fromarray(picture())).enhance(factor)
        compare(ours(picture(), f"brightness:{factor}"), np.asarray(expected), 1)


@check
def contrast_is_that_of_opencv():
    for factor in (0.4, 1.7):
        expected = cv2.convertScaleAbs(np.maximum(picture() * factor + 127.5 * (1 - factor), 0))
        compare(ours(picture(), f"contrast:{factor}"), expected, 1)


@check
def gamma_is_that_of_scikit_image():
    for depth, gamma in itertools.product((8, 16), (0.45, 2.2)):
        array, top = picture(depth=depth), (1 << depth) - 1
        expected = exposure.adjust_gamma(array / top, 1 / gamma) * top
        compare(ours(array, f"gamma:{gamma}"), expected, 0.51)


@check
def saturation_is_that_of_pillow():
    for factor in (0.0, 0.5, 2.0):
        expected = ImageEnhance.Color(Image.fromarray(picture())).enhance(factor)
        # Pillow rounds the luma before it is multiplied, and cuts fractions off.
        compare(ours(picture(), f"saturation:{factor}"), np.asarray(expected), 2)


@check
def threshold_is_that_of_opencv():
    for percent in (20, 50):
        _, expected = cv2.threshold(luma(picture()), np.ceil(2.55 * percent) - 1, 255, cv2.THRESH_BINARY)
        compare(ours(picture(), f"threshold:{percent}"), expected, 0)


@check
def posterize_takes_the_nearest_level_as_numpy_finds_it():
    for levels in (2, 5, 16):
        steps = np.arange(levels) * 255 / (levels - 1)
        nearest = np.digitize(picture(), (steps[1:] + steps[:-1]) / 2)
        compare(ours(picture(), f"posterize:{levels}"), np.floor(steps[nearest] + 0.5), 0)


@check
def sixteen_bits_are_filtered_as_eight_are():
    """By the formulas that others compute with 8 bits."""
    wide, top = picture(depth=16), 65535
    exact = wide.astype(np.float64)
    luma16 = exact @ [0.299, 0.587, 0.114]
    compare(ours(wide, "invert"), top - exact, 0)
    compare(ours(wide, "grayscale"), luma16, 1)
    # Its weights have other fourth digits.
    compare(ours(wide, "grayscale:bt709"), color.rgb2gray(wide) * top, 16)
    for factor in (0.4, 1.7):
        compare(ours(wide, f"brightness:{factor}"), np.clip(exact * factor, 0, top), 0.51)
        compare(ours(wide, f"contrast:{factor}"), np.clip((exact - top / 2) * factor + top / 2, 0, top), 0.51)
        expected = luma16[..., None] + factor * (exact - luma16[..., None])
        compare(ours(wide, f"saturation:{factor}"), np.clip(expected, 0, top), 2)
    given = ours(wide, "threshold:30")
    given = given if given.ndim == 2 else given[..., 0]
    # Where luma is at the level either may be right.
    sure = np.abs(luma16 - 0.3 * top) > 1
    compare(given[sure][None], np.where(luma16 >= 0.3 * top, top, 0)[sure][None], 0)
    steps = np.arange(5) * top / 4
    nearest = np.digitize(wide, (steps[1:] + steps[:-1]) / 2)
    compare(ours(wide, "posterize:5"), np.floor(steps[nearest] + 0.5), 0)
    soft = cv2.GaussianBlur(exact, (13, 13), 2.0, borderType=cv2.BORDER_REPLICATE)
    # A blur of 16 bits may be off by 8, as above, and is multiplied.
    compare(ours(wide, "sharpen:1.5:2"), np.clip(exact + 1.5 * (exact - soft), 0, top), 13)
    means = exact[:77, :112].reshape(11, 7, 16, 7, 3).mean(axis=(1, 3))
    given = ours(wide, "pixelate:7")[:77, :112]
    compare(given, means.repeat(7, axis=0).repeat(7, axis=1), 0.51)


@check
def blur_is_that_of_opencv():
    for sigma in (0.7, 2.0, 8.0):
        side = 2 * int(np.ceil(3 * sigma)) + 1
        gauss = lambda array: cv2.GaussianBlur(array, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        compare(ours(picture(), f"blur:{sigma}"), gauss(picture().astype(np.float64)), 0.52)
        wide = picture(depth=16)
        compare(ours(wide, f"blur:{sigma}"), gauss(wide.astype(np.float64)), 8)


@check
def blur_weighs_colours_by_alpha():
    array = picture(channels=4)
    product = array.astype(np.float64)
    product[..., :3] *= product[..., 3:]
    product = cv2.GaussianBlur(product, (13, 13), 2.0, borderType=cv2.BORDER_REPLICATE)
    given = ours(array, "blur:2")
    compare(given[..., 3], product[..., 3], 0.52)
    seen = product[..., 3] > 8
    expected = product[..., :3] / np.maximum(product[..., 3:], 1)
    compare(given[..., :3][seen][None], expected[seen][None], 1)


@check
def box_is_that_of_opencv():
    for radius in (1, 2, 9):
        side = 2 * radius + 1
        box = lambda array: cv2.blur(array, (side, side), borderType=cv2.BORDER_REPLICATE)
        compare(ours(picture(), f"box:{radius}"), box(picture().astype(np.float64)), 0.51)
        wide = picture(depth=16)
        compare(ours(wide, f"box:{radius}"), box(wide.astype(np.float64)), 0.51)


@check
def sharpen_is_that_of_scikit_image():
    for amount, radius in ((1.0, 1.0), (2.5, 3.0)):
        # With `channel_axis` this version of it mixes the channels up.
        masked = [filters.unsharp_mask(plane, radius, amount, preserve_range=True)
                  for plane in np.moveaxis(picture(), -1, 0)]
        expected = np.clip(np.stack(masked, axis=-1), 0, 255)
        # Its bell is cut off at 4 sigma, ours at 3, and the difference is multiplied.
        inside = int(4 * radius) + 1
        compare(ours(picture(), f"sharpen:{amount}:{radius}"), expected, 1 + amount / 2, inside)


@check
def sharpen_leaves_small_differences_alone():
    array = picture()
    soft = cv2.GaussianBlur(array.astype(np.float64), (7, 7), 1.0, borderType=cv2.BORDER_REPLICATE)
    difference = array - soft
    expected = np.clip(np.where(np.abs(difference) >= 9, array + 1.5 * difference, array), 0, 255)
    given = ours(array, "sharpen:1.5:1:9").astype(float)
    # Where the difference is at the threshold either may be right.
    sure = np.abs(np.abs(difference) - 9) > 0.2
    compare(given[sure][None], expected[sure][None], 1)


@check
def edges_are_those_of_opencv():
    for depth in (8, 16):
        grey = picture(channels=1, depth=depth).astype(np.float64)
        across = cv2.Sobel(grey, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_REPLICATE)
        down = cv2.Sobel(grey, cv2.CV_64F, 0, 1, borderType=cv2.BORDER_REPLICATE)
        expected = np.minimum(cv2.magnitude(across, down) / 4, (1 << depth) - 1)
        compare(ours(picture(channels=1, depth=depth), "edges"), expected, 0.51)
    expected = filters.sobel(luma(picture()) / 255) * np.sqrt(2) * 255
    compare(ours(picture(), "edges"), expected, 0.51, inside=1)


@check
def emboss_is_a_convolution_of_opencv():
    kernel = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], float)
    for depth in (8, 16):
        array = picture(depth=depth)
        expected = cv2.filter2D(array, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        compare(ours(array, "emboss"), expected, 0)


@check
def median_is_that_of_opencv():
    for radius in (1, 2, 3, 6):
        compare(ours(picture(), f"median:{radius}"), cv2.medianBlur(picture(), 2 * radius + 1), 0)
    for radius in (1, 2):
        wide = picture(depth=16)
        compare(ours(wide, f"median:{radius}"), cv2.medianBlur(wide, 2 * radius + 1), 0)


@check
def pixelate_is_a_reduction_of_pillow():
    for size in (2, 7, 16):
        small = Image.fromarray(picture()).reduce(size)
        large = np.asarray(small).repeat(size, axis=0).repeat(size, axis=1)
        compare(ours(picture(), f"pixelate:{size}"), large[:83, :117], 1)


@check
def denoise_is_that_of_opencv():
    grey, both = picture(channels=1), picture()
    for array, strength in ((grey, 12), (both, 12), (grey, 30)):
        expected = cv2.fastNlMeansDenoising(array, None, strength, 7, 21)
        given = ours(array, f"denoise:{strength}:10:3")
        # It reflects the picture at its edges, and weighs in coarser steps.
        compare(given, expected, 2, inside=13)


@check
def equalize_is_that_of_opencv():
    grey = picture(channels=1)
    compare(ours(grey // 2 + 30, "equalize"), cv2.equalizeHist(grey // 2 + 30), 0)
    ycc = cv2.cvtColor(picture() // 3 + 60, cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = cv2.equalizeHist(ycc[..., 0])
    # A luma that is rounded the other way ends three levels off, and chroma is rounded twice.
    compare(ours(picture() // 3 + 60, "equalize"), cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), 8)
    wide = picture(channels=1, depth=16) // 3 + 9000
    share = exposure.equalize_hist(wide, nbins=65536)
    # It counts the darkest value, which OpenCV does not, and groups values in bins of its own.
    darkest = (wide == wide.min()).mean()
    compare(ours(wide, "equalize"), np.maximum(share - darkest, 0) / (1 - darkest) * 65535, 65535 * 0.002)


@check
def autolevels_are_those_of_pillow():
    array = (picture() * 0.6 + 40).astype(np.uint8)
    for cutoff in (0, 1, 5):
        expected = ImageOps.autocontrast(Image.fromarray(array), cutoff)
        compare(ours(array, f"autolevels:{cutoff}"), np.asarray(expected), 1)


def chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def pack(rows, depth):
    """Rows of values, several to a byte where they are small."""
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in rows]
    if depth == 8:
        return [row.astype(np.uint8).tobytes() for row in rows]
    bits = [((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8) for row in rows]
    return [np.packbits(row.reshape(-1)).tobytes() for row in bits]


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def write_png(path, array, colour, depth, interlaced, extra=b""):
    height, width = array.shape[:2]
    parts = [array]
    if interlaced:
        parts = [array[y::down, x::across] for x, y, across, down in ADAM7]
    rows = [row for part in parts if part.size for row in pack(part.reshape(len(part), -1), depth)]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    file = chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + file)


def png_kinds():
    depths = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
    for colour, of_colour in depths.items():
        for depth, interlaced, keyed in itertools.product(of_colour, (False, True), (False, True)):
            if not keyed or colour in (0, 2, 3):
                yield colour, depth, interlaced, keyed


@check
def png_of_every_kind_is_decoded_as_pillow_or_opencv_does():
    random = np.random.default_rng(3)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for colour, depth, interlaced, keyed in png_kinds():
        array = random.integers(0, 1 << depth, (13, 19, channels[colour]))
        if keyed and colour != 3:
            array[2:5] = array[2, 2]
        extra = b""
        if colour == 3:
            extra = chunk(b"PLTE", random.integers(0, 256, 3 << depth).astype(np.uint8).tobytes())
            if keyed:
                extra += chunk(b"tRNS", bytes([0, 99, 255, 3][: 1 << depth]))
        elif keyed:
            extra = chunk(b"tRNS", array[2, 2].astype(">u2").tobytes())
        path, target = WORK / "kind.png", WORK / "kind-out.png"
        write_png(path, array, colour, depth, interlaced, extra)
        run(path, "", target)
        given = Image.open(target)
        what = f"colour type {colour}, {depth} bit, interlaced {interlaced}, keyed {keyed}"
        try:
            compare_kind(path, target, given, array, depth, colour, keyed)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from None


def compare_kind(path, target, given, array, depth, colour, keyed):
    if depth == 16:
        # Pillow has no colours of 16 bits.
        values = read(target)
        if keyed:
            clear = (array == array[2, 2]).all(axis=-1)
            assert ((values[..., -1] == 0) == clear).all(), "another alpha"
            values = values[..., :-1]
            values = values[..., :1] if colour == 0 else values
        elif colour == 4:
            values = values[..., [0, 3]]
        compare(values.reshape(array.shape), array, 0)
        return
    if keyed and colour == 0:
        # Pillow takes a key of 2 or 4 bits for one of 8.
        values = np.where(array == array[2, 2], 0, 255)
        values = np.concatenate([array * (255 // ((1 << depth) - 1)), values], axis=-1)
        compare(np.asarray(given.convert("LA")), values, 0)
        return
    expected = Image.open(path)
    mode = {"1": "L", "P": "RGBA" if keyed else "RGB"}.get(expected.mode, expected.mode)
    if keyed:
        mode = "RGBA"
    compare(np.asarray(given.convert(mode)), np.asarray(expected.convert(mode)), 0)


@check
def jpeg_of_every_kind_is_decoded_as_pillow_does():
    image = Image.fromarray(picture())
    path, target = WORK / "kind.jpg", WORK / "kind-out.png"
    for subsampling, progressive, restart in itertools.product((0, 1, 2), (False, True), (0, 3)):
        image.save(path, quality=90, subsampling=subsampling, progressive=progressive, restart_marker_blocks=restart)
        run(path, "", target)
        # Inverse transforms and the way chroma is enlarged may differ by a little.
        compare(read(target), np.asarray(Image.open(path)), 5)
    image.convert("L").save(path, quality=90)
    run(path, "", target)
    compare(read(target), np.asarray(Image.open(path)), 2)
    # RGB, by letters for components, and by Adobe's segment alone.
    image.save(path, quality=90, keep_rgb=True)
    for path in (path, DATA / "adobe-rgb.jpg"):
        run(path, "", target)
        compare(read(target), np.asarray(Image.open(path)), 2)


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
            if not tile:
                yield depth, 3, {"planarconfig": "separate", **options}
    for depth in (8, 16):
        yield depth, 3, {"planarconfig": "separate", "compression": "deflate", "predictor": True}


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
def webp_bmp_and_gif_are_decoded_as_pillow_does():
    target = WORK / "kind-out.png"
    for name, mode, options, largest in (
        ("a.webp", "RGB", {"lossless": True}, 0),
        ("a.webp", "RGBA", {"lossless": True, "exact": True}, 0),
        ("a.webp", "RGB", {"quality": 85}, 4),
        ("a.bmp", "RGB", {}, 0),
        ("a.bmp", "L", {}, 0),
        ("a.bmp", "P", {}, 0),
        ("a.bmp", "1", {}, 0),
        ("a.gif", "P", {}, 0),
    ):
        image = Image.fromarray(picture(channels=4)).convert("RGB" if mode == "P" else mode)
        if mode == "P":
            image = image.quantize(60)
        path = WORK / name
        image.save(path, **options)
        run(path, "", target)
        wanted = "RGBA" if mode == "RGBA" else "RGB"
        expected = np.asarray(Image.open(path).convert(wanted))
        compare(np.asarray(Image.open(target).convert(wanted)), expected, largest)


def refusal(function):
    """What is said when a file is refused."""
    try:
        function()
    except subprocess.CalledProcessError as error:
        return error.stderr.decode()
    raise AssertionError("it was not refused")


@check
def several_images_are_refused_in_words():
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture()), Image.fromarray(picture()[::-1].copy())]
    for name, words in (("a.gif", "animation"), ("a.webp", "animation"), ("a.png", "animation"), ("a.tif", "3 pages")):
        frames[0].save(WORK / name, save_all=True, append_images=frames[1:])
        told = refusal(lambda: run(WORK / name, "", WORK / "out.png"))
        assert words in told, told


@check
def bands_that_are_not_alpha_are_refused_in_words():
    for channels, photometric, extra in ((4, "rgb", ["unspecified"]), (5, "rgb", ["unspecified", "unassalpha"]),
                                         (5, "separated", ["unspecified"]), (2, "minisblack", ["unspecified"])):
        array = np.dstack([picture(channels=4), picture(channels=1)])[..., :channels]
        for options in ({}, {"compression": "lzw", "predictor": True}, {"tile": (32, 48)}):
            tifffile.imwrite(WORK / "a.tif", array, photometric=photometric, extrasamples=extra, planarconfig="contig",
                             **options)
            told = refusal(lambda: run(WORK / "a.tif", "", WORK / "out.png"))
            assert f"{channels} bands" in told, told


@check
def planes_in_tiles_are_refused_in_words():
    planes = np.moveaxis(picture(), -1, 0)
    tifffile.imwrite(WORK / "a.tif", planes, photometric="rgb", planarconfig="separate", tile=(32, 48))
    told = refusal(lambda: run(WORK / "a.tif", "", WORK / "out.png"))
    assert "planes in tiles" in told, told


@check
def a_bigtiff_that_was_written_is_what_tifffile_reads():
    """The file that a unit test of the encoder writes; only results of 4 GB are of this kind else."""
    y, x = np.mgrid[0:270, 0:290]
    expected = np.dstack([3 * x, 5 * y, x ^ y]) & 255
    with tifffile.TiffFile(DATA / "written-big.tif") as file:
        assert file.is_bigtiff and file.pages[0].is_tiled
        compare(file.asarray(), expected, 0)


@check
def results_are_what_other_readers_read():
    """Every format that is written, in every way, read back by Pillow, OpenCV and tifffile."""
    for depth, channels in itertools.product((8, 16), (1, 3, 4)):
        array = picture(height=331, width=290, depth=depth, channels=channels)
        source = WORK / "in.png"
        cv2.imwrite(str(source), swap(array))
        for compression in ("none", "deflate"):
            target = WORK / "out.tif"
            run(source, "", target, TILEMILL_OUTPUT__TIFF_COMPRESSION=compression)
            compare(tifffile.imread(target), array, 0)
            assert tifffile.TiffFile(target).pages[0].is_tiled
            if depth == 8:
                compare(np.asarray(Image.open(target)), array, 0)
        for speed in ("fast", "balanced", "small"):
            run(source, "", WORK / "out.png", TILEMILL_OUTPUT__PNG_SPEED=speed)
            compare(read(WORK / "out.png"), array, 0)
        if depth == 8:
            run(source, "", WORK / "out.webp")
            given = np.asarray(Image.open(WORK / "out.webp").convert("RGBA"))
            expected = np.asarray(Image.fromarray(array).convert("RGBA"))
            seen = expected[..., 3] > 0
            compare(given[seen][None], expected[seen][None], 0)


@check
def jpeg_subsampling_is_what_was_asked_for():
    source, target = WORK / "in.png", WORK / "out.jpg"
    cv2.imwrite(str(source), swap(picture()))
    for asked, expected in (("4:4:4", (1, 1)), ("4:2:2", (2, 1)), ("4:2:0", (2, 2)), ("auto", (1, 1))):
        run(source, "", target, TILEMILL_OUTPUT__SUBSAMPLING=asked)
        image = Image.open(target)
        image.load()
        assert image.layer[0][1:3] == expected, (asked, image.layer)
        difference = np.abs(np.asarray(image).astype(float) - picture()).mean()
        # The noise is in the chroma, too.
        assert difference < 10, difference


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


@check
def ycck_is_decoded_as_pillow_does():
    """A JPEG as Photoshop writes it: YCbCr of three inks, and the light that black lets through."""
    inks = np.dstack([picture(channels=3), picture(channels=1) // 2])
    ycc = np.asarray(Image.fromarray(inks[..., :3].copy()).convert("YCbCr"))
    stored = np.dstack([ycc, 255 - inks[..., 3]])
    # Pillow turns four channels round and stores them, and says that Adobe wrote them.
    Image.fromarray(255 - stored, mode="CMYK").save(WORK / "a.jpg", quality=100, subsampling=0)
    file = bytearray((WORK / "a.jpg").read_bytes())
    adobe = file.index(b"Adobe")
    file[adobe + 11] = 2
    (WORK / "a.jpg").write_bytes(file)
    run(WORK / "a.jpg", "", WORK / "out.png")
    light = 255.0 - np.asarray(Image.open(WORK / "a.jpg"))
    compare(read(WORK / "out.png"), light[..., :3] * light[..., 3:] / 255, 4)
    compare(light, 255.0 - inks, 14)


def curve(gamma):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *[round(number * 65536) for number in numbers])


def profile(space, tags):
    """A profile of these tags (ICC.1:2010)."""
    text = b"tilemill test\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": desc, b"cprt": b"text" + bytes(4) + text, b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249), **tags}
    table, body = b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    pcs = b"Lab " if space == b"CMYK" else b"XYZ "
    size = 132 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, kind, space, pcs) + bytes(12) + b"acsp"
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


# The primaries of sRGB, adapted to D50 (ICC.1:2022, annex E; IEC 61966-2-1).
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def xyz_in_srgb(xyz):
    light = np.clip(xyz @ np.linalg.inv(SRGB).T, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


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


def to_srgb(image, icc):
    """Little CMS, in the intent that tables are asked for."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    srgb = ImageCms.createProfile("sRGB")
    mode = "L" if image.mode == "L" else "RGB"
    if mode == "L":
        return np.asarray(ImageCms.profileToProfile(image, source, srgb, outputMode="RGB"))[..., 0]
    return np.asarray(ImageCms.profileToProfile(image, source, srgb, outputMode=mode))


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


@check
def the_resolution_is_kept_from_each_format_to_each():
    image = Image.fromarray(picture())
    for source in ("a.jpg", "a.png", "a.tif"):
        image.save(WORK / source, dpi=(300, 150))
        for extension, policy in itertools.product(("jpg", "png", "tif", "webp"), ("safe", "all", "none")):
            target = WORK / f"out.{extension}"
            run(WORK / source, "", target, TILEMILL_OUTPUT__METADATA=policy)
            given = Image.open(target)
            told = given.info.get("dpi", (1, 1))
            if extension == "webp":
                told = [given.getexif().get(tag, 1) for tag in (282, 283)]
            told = [round(float(side)) for side in told]
            assert (told == [300, 150]) == (policy != "none"), (source, extension, policy, told)


def exif():
    exif = Image.Exif()
    exif[274] = 6
    exif[271], exif[315], exif[33432], exif[306] = "Maker", "Somebody", "(c) Somebody", "2026:02:03 04:05:06"
    exif.get_ifd(0x8769)[36867] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8769)[42033] = "serial number"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 1.0)
    return exif


@check
def metadata_is_kept_as_the_policy_says_and_orientation_is_applied():
    image = Image.fromarray(picture())
    upright = np.asarray(ImageOps.exif_transpose(Image.fromarray(picture())).transpose(Image.Transpose.ROTATE_270))
    for source in ("a.jpg", "a.png", "a.webp"):
        extra = {"lossless": True} if source == "a.webp" else {"quality": 100, "subsampling": 0}
        image.save(WORK / source, exif=exif(), **extra)
        for extension, policy in itertools.product(("png", "tif", "jpg", "webp"), ("safe", "all", "none")):
            target = WORK / f"out.{extension}"
            run(WORK / source, "", target, TILEMILL_OUTPUT__METADATA=policy)
            told = f"{source} to {extension}, {policy}"
            given = Image.open(target)
            assert given.size == (83, 117), f"{told}: {given.size}"
            if extension != "jpg" and source != "a.jpg":
                compare(np.asarray(given.convert("RGB")), upright, 0)
            said = given.getexif()
            assert said.get(274, 1) == 1, f"{told}: orientation {said.get(274)}"
            picture_ifd, gps = said.get_ifd(0x8769), said.get_ifd(0x8825)
            told += f": {dict(said)} {picture_ifd} {gps}"
            kept, everything = policy != "none", policy == "all"
            assert (said.get(33432) == "(c) Somebody") == kept, told
            assert (said.get(306) == "2026:02:03 04:05:06") == kept, told
            assert (picture_ifd.get(36867) == "2026:01:02 03:04:05") == kept, told
            assert (said.get(271) == "Maker") == everything, told
            assert (picture_ifd.get(42033) == "serial number") == everything, told
            assert (gps.get(1) == "N") == everything, told
    # From TIFF, where the same stands among the tags of the pixels.
    image.save(WORK / "a.tif", exif=exif())
    run(WORK / "a.tif", "", WORK / "out.png")
    compare(read(WORK / "out.png"), upright, 0)
    assert Image.open(WORK / "out.png").getexif().get(33432) == "(c) Somebody"
    run(WORK / "a.jpg", "", WORK / "b.tif", TILEMILL_OUTPUT__METADATA="all")
    for extension, policy in itertools.product(("png", "tif", "jpg", "webp"), ("safe", "all")):
        target = WORK / f"out.{extension}"
        run(WORK / "b.tif", "", target, TILEMILL_OUTPUT__METADATA=policy)
        said = Image.open(target).getexif()
        assert said.get_ifd(0x8769)[36867] == "2026:01:02 03:04:05", extension
        assert (said.get_ifd(0x8825).get(1) == "N") == (policy == "all"), (extension, policy)


@check
def thumbnails_and_places_are_out_by_default():
    """A thumbnail shows what the picture was before; bytes of neither remain."""
    thumbnail = io.BytesIO()
    Image.fromarray(picture()).resize((16, 12)).save(thumbnail, "JPEG")
    thumbnail = thumbnail.getvalue()
    main = struct.pack("<HHHIIHHII", 2, 274, 3, 1, 8, 0x8825, 4, 1, 100) + struct.pack("<I", 50)
    second = struct.pack("<HHHIIHHIII", 2, 513, 4, 1, 130, 514, 4, 1, len(thumbnail), 0)
    gps = struct.pack("<HHHI4sI", 1, 1, 2, 2, b"N\0\0\0", 0)
    block = b"II*\0\x08\0\0\0" + main
    block = block.ljust(50, b"\0") + second
    block = block.ljust(100, b"\0") + gps
    block = block.ljust(130, b"\0") + thumbnail
    Image.fromarray(picture()).save(WORK / "a.jpg", exif=b"Exif\0\0" + block)
    for extension in ("jpg", "png", "tif", "webp"):
        target = WORK / f"out.{extension}"
        run(WORK / "a.jpg", "", target)
        assert thumbnail[2:200] not in target.read_bytes(), extension
        assert not Image.open(target).getexif().get_ifd(0x8825), extension
    run(WORK / "a.jpg", "", WORK / "out.jpg", TILEMILL_OUTPUT__METADATA="all")
    assert thumbnail in (WORK / "out.jpg").read_bytes()


def main():
    words = sys.argv[2:]
    failed = passed = 0
    for function in CHECKS:
        name = function.__name__
        if words and not any(word in name for word in words):
            continue
        try:
            function()
            passed += 1
            print(f"ok      {name}")
        except subprocess.CalledProcessError as error:
            failed += 1
            print(f"FAILED  {name}: {error.stderr.decode().strip()}")
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {name}: {error}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or passed == 0)


if __name__ == "__main__":
    main()
