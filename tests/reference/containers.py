"""WebP, BMP and GIF, files of several images, and results as other readers see them."""

import itertools

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
    for name, words in (("a.gif", animation), ("a.webp", animation), ("a.png", animation), ("a.tif", "3 pages")):
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
