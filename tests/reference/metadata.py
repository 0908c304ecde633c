"""Metadata and orientation."""

import io
import itertools
import struct

import numpy as np
from PIL import Image, ImageOps

from common import WORK, check, compare, picture, read, run


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
