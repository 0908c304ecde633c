"""PNG of every kind."""

import itertools
import struct
import zlib

import numpy as np
from PIL import Image

from common import WORK, check, compare, picture, read, refusal, run


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
def an_animation_of_one_frame_is_a_still_if_that_is_the_image():
    array = picture()
    height, width = array.shape[:2]
    frame = lambda number: chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, 0, 0, 1, 10, 0, 0))
    control = lambda frames: chunk(b"acTL", struct.pack(">2I", frames, 0))
    for extra in (control(1) + frame(0), frame(0) + control(1), control(0), control(1 << 31)):
        write_png(WORK / "a.png", array, 2, 8, False, extra)
        run(WORK / "a.png", "", WORK / "out.png")
        compare(read(WORK / "out.png"), array, 0)
    for extra, words in ((control(1), "1 frame "), (control(2) + frame(0), "2 frames "), (control(7), "7 frames ")):
        write_png(WORK / "a.png", array, 2, 8, False, extra)
        told = refusal(lambda: run(WORK / "a.png", "", WORK / "out.png"))
        assert f"PNG with an animation of {words}cannot" in told, told


@check
def what_a_png_says_beside_its_pixels_does_not_keep_it_from_being_read():
    array = picture()
    for depth, extra in (
        (8, chunk(b"eXIf", b"II*\0\x08\0\0\0" + bytes(20 << 20))),
        (8, chunk(b"cICP", bytes([1, 13, 1, 1]))),
        (16, chunk(b"cICP", bytes([9, 16, 0, 2]))),
        (8, chunk(b"fcTL", bytes(26)) + chunk(b"sBIT", bytes(3)) + chunk(b"gAMA", bytes(4))),
        (8, chunk(b"abCD", bytes(1000))),
    ):
        array = picture(depth=depth)
        for interlaced in (False, True):
            write_png(WORK / "a.png", array, 2, depth, interlaced, extra)
            run(WORK / "a.png", "", WORK / "out.png")
            compare(read(WORK / "out.png"), array, 0)
