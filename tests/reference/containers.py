"""WebP, BMP and GIF, files of several images, and results as other readers see them."""

import io
import itertools
import struct

import cv2
import numpy as np
import tifffile
from PIL import Image

from common import WORK, check, compare, picture, read, refusal, run, swap


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


@check
def several_images_are_refused_in_words():
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture()), Image.fromarray(picture()[::-1].copy())]
    animation = "animation of 3 frames"
    for name, words in (("a.gif", animation), ("a.webp", animation), ("a.png", animation)):
        frames[0].save(WORK / name, save_all=True, append_images=frames[1:])
        told = refusal(lambda: run(WORK / name, "", WORK / "out.png"))
        assert words in told, told


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


def webp_chunks(image, **options):
    """The chunks of a WebP of one image, by their names, without the header of the extended kind."""
    file = io.BytesIO()
    image.save(file, "WEBP", **options)
    file, chunks, place = file.getvalue(), {}, 12
    while place < len(file):
        length = struct.unpack_from("<I", file, place + 4)[0]
        chunks[file[place : place + 4]] = file[place : place + 8 + length + length % 2]
        place += 8 + length + length % 2
    return {name: chunk for name, chunk in chunks.items() if name != b"VP8X"}


def side(length):
    return struct.pack("<I", length - 1)[:3]


def extended_webp(path, flags, size, body):
    header = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + side(size[0]) + side(size[1])
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(header + body)) + b"WEBP" + header + body)


def animated_webp(path, flags, canvas, frames, more=b""):
    """Frames of (left, top, size, chunks)."""
    body = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    for left, top, size, chunks in frames:
        place = struct.pack("<I", left // 2)[:3] + struct.pack("<I", top // 2)[:3]
        data = place + side(size[0]) + side(size[1]) + b"\x64\0\0\0" + chunks
        body += b"ANMF" + struct.pack("<I", len(data)) + data
    extended_webp(path, flags | 2, canvas, body + more)


@check
def a_webp_animation_of_one_frame_is_a_still():
    source, target = WORK / "a.webp", WORK / "out.png"
    for mode, options, largest in (
        ("RGB", {"lossless": True}, 0),
        ("RGBA", {"lossless": True, "exact": True}, 0),
        ("RGB", {"quality": 85}, 4),
        ("RGBA", {"quality": 85}, 4),
    ):
        image = Image.fromarray(picture(channels=4)).convert(mode)
        pixels = b"".join(webp_chunks(image, **options).values())
        image.save(WORK / "still.webp", **options)
        still = np.asarray(Image.open(WORK / "still.webp"))
        for flags in (0, 16):
            animated_webp(source, flags, image.size, [(0, 0, image.size, pixels)])
            run(source, "", target)
            compare(np.asarray(Image.open(target)), still, largest)
        # A frame that does not fill the image leaves it clear around it.
        canvas = (image.width + 30, image.height + 21)
        animated_webp(source, 16, canvas, [(10, 20, image.size, pixels)])
        run(source, "", target)
        given = np.asarray(Image.open(target))
        frame = given[20 : 20 + image.height, 10 : 10 + image.width]
        compare(frame, np.asarray(Image.fromarray(still).convert("RGBA")), largest)
        assert given.shape[:2] == canvas[::-1] and given[..., 3].sum() == frame[..., 3].sum()
        animated_webp(source, 16, image.size, [(0, 0, image.size, pixels)] * 3)
        told = refusal(lambda: run(source, "", target))
        assert "WebP with an animation of 3 frames cannot" in told, told


@check
def flags_of_a_webp_that_are_not_true_do_no_harm():
    """Alpha, Exif and XMP that are said to be there, and are not."""
    image = Image.fromarray(picture())
    for options, largest in (({"quality": 85}, 4), ({"lossless": True}, 0)):
        image.save(WORK / "still.webp", **options)
        still = np.asarray(Image.open(WORK / "still.webp"))
        for flags in (16, 8, 4, 28, 0):
            extended_webp(WORK / "a.webp", flags, image.size, b"".join(webp_chunks(image, **options).values()))
            run(WORK / "a.webp", "", WORK / "out.png")
            compare(np.asarray(Image.open(WORK / "out.png").convert("RGB")), still, largest)


@check
def a_gif_frame_that_is_larger_than_its_screen_is_shown():
    image = Image.fromarray(picture()).quantize(60)
    image.save(WORK / "whole.gif")
    whole, colours = (WORK / "whole.gif").read_bytes(), np.asarray(image.convert("RGB"))
    for screen, place in (((10, 7), (0, 0)), ((0, 0), (0, 0)), ((400, 5), (3, 4)), ((image.width, 3), (0, 0))):
        file = bytearray(whole)
        file[6:10] = struct.pack("<HH", *screen)
        frame = file.index(b"\x2c" + struct.pack("<HHHH", 0, 0, *image.size))
        file[frame + 1 : frame + 5] = struct.pack("<HH", *place)
        (WORK / "a.gif").write_bytes(file)
        run(WORK / "a.gif", "", WORK / "out.png")
        given = np.asarray(Image.open(WORK / "out.png").convert("RGBA"))
        size = tuple(max(screen[axis], place[axis] + image.size[axis]) for axis in (0, 1))
        assert given.shape[1::-1] == size, (screen, place, given.shape)
        shown = given[place[1] :, place[0] :][: image.height, : image.width]
        compare(shown[..., :3], colours, 0)
        assert (given[..., 3] > 0).sum() == image.width * image.height


@check
def other_formats_are_called_by_their_names_with_advice_that_fits():
    rgb = Image.fromarray(picture())
    for name, words in (
        ("a.ppm", "Netpbm"), ("a.ico", "icon (ICO)"), ("a.pdf", "PDF"), ("a.eps", "PostScript"), ("a.dds", "DDS"),
        ("a.qoi", "QOI"), ("a.icns", "ICNS"),
    ):
        rgb.save(WORK / name)
        told = refusal(lambda: run(WORK / name, "", WORK / "out.png"))
        assert words in told and "cannot be processed" in told, told
    for start, words, advice in (
        (b"IIRO\x08\0\0\0", "ORF", "develop it"),
        (b"IIU\0\x18\0\0\0", "RW2", "develop it"),
        (b"FUJIFILMCCD-RAW 0201", "RAF", "develop it"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "CR3", "develop it"),
        (b"8BPS\0\x01", "PSD", "save a copy"),
        (b"\x76\x2f\x31\x01\x02", "OpenEXR", "map its tones"),
        (b"#?RADIANCE\n", "Radiance HDR", "map its tones"),
        (b"<?xml version='1.0'?>\n<!-- a -->\n<svg xmlns='x'>", "SVG", "export it"),
        (b"\xef\xbb\xbf  <svg/>", "SVG", "export it"),
    ):
        (WORK / "a").write_bytes(start + bytes(200))
        told = refusal(lambda: run(WORK / "a", "", WORK / "out.png"))
        assert words in told and advice in told, told
