"""What tilemill makes of pictures beside what Pillow, OpenCV and scikit-image make of them.

    reference.py TILEMILL [NAME…]

Each check states the largest difference that it allows, in levels of the depth it is made at.
"""

import itertools
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from skimage import color, exposure, filters

TILEMILL = Path(sys.argv[1]).resolve()
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


def run(source, chain, target, *options):
    command = [TILEMILL, "run", source, "-o", target, "--filters", chain, "--overwrite"]
    command += ["--tile-size", str(SIDE), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


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
