"""JPEG: decoding, and what is written."""

import itertools

import cv2
import numpy as np
from PIL import Image

from common import DATA, WORK, check, compare, picture, read, run, swap


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
