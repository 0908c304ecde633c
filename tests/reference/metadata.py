"""Metadata and orientation."""

import io
import itertools
import struct
import zlib

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


SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 129: 1}


def block(order, main, picture=()):
    """A block of Exif whose entries are (tag, type, bytes in the order of the block)."""

    def directory(found, at):
        fixed, behind = struct.pack(order + "H", len(found)), b""
        end = at + 2 + 12 * len(found) + 4
        for tag, kind, value in found:
            count = len(value) // SIZES[kind]
            fixed += struct.pack(order + "HHI", tag, kind, count)
            if len(value) <= 4:
                fixed += value.ljust(4, b"\0")
            else:
                fixed += struct.pack(order + "I", end + len(behind))
                behind += value + bytes(len(value) % 2)
        return fixed + bytes(4) + behind

    main = list(main)
    if picture:
        length = len(directory([*main, (0x8769, 4, bytes(4))], 8))
        main = sorted([*main, (0x8769, 4, struct.pack(order + "I", 8 + length))])
    first = directory(main, 8)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + first + (directory(picture, 8 + len(first)) if picture else b"")


def save_with(path, image, exif):
    """A file with a block of Exif as it is given."""
    if path.suffix == ".png":
        image.save(path)
        file = path.read_bytes()
        body = b"eXIf" + exif
        chunk = struct.pack(">I", len(exif)) + body + struct.pack(">I", zlib.crc32(body))
        path.write_bytes(file[:33] + chunk + file[33:])
    elif path.suffix == ".webp":
        image.save(path, lossless=True, exif=b"Exif\0\0" + b"II*\0\x08\0\0\0" + bytes(6))
        file = path.read_bytes()
        at = file.index(b"EXIF")
        file = file[:at] + b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) % 2)
        path.write_bytes(b"RIFF" + struct.pack("<I", len(file) - 8) + file[8:])
    else:
        image.save(path, quality=100, subsampling=0)
        file, segment = path.read_bytes(), b"Exif\0\0" + exif
        segment = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
        path.write_bytes(file[:2] + segment + file[2:])


CONTAINERS = ("a.png", "a.webp", "a.jpg")


@check
def a_block_is_found_behind_any_number_of_names():
    image = Image.fromarray(picture())
    copyright, orientation = (33432, 2, b"(c) Somebody\0"), (274, 3, struct.pack("<H", 6))
    for source, times, policy in itertools.product(CONTAINERS, range(4), ("safe", "all")):
        exif = b"Exif\0\0" * times + block("<", [orientation, copyright])
        save_with(WORK / source, image, exif)
        for extension in ("png", "jpg", "webp", "tif"):
            run(WORK / source, "", WORK / f"out.{extension}", TILEMILL_OUTPUT__METADATA=policy)
            given = Image.open(WORK / f"out.{extension}")
            told = f"{source}, {times} names, to {extension}, {policy}: {given.size}, {dict(given.getexif())}"
            assert given.size == image.size[::-1] and given.getexif().get(33432) == "(c) Somebody", told


@check
def an_orientation_of_any_whole_type_turns_and_is_reset():
    image = Image.fromarray(picture())
    kinds = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
    for source, order, (kind, code) in itertools.product(CONTAINERS, "<>", kinds.items()):
        for value in (6, 0, 9):
            tag = (274, kind, struct.pack(order + code, value))
            save_with(WORK / source, image, block(order, [tag, (33432, 2, b"(c)\0")]))
            run(WORK / source, "", WORK / "out.png", TILEMILL_OUTPUT__METADATA="all")
            given = Image.open(WORK / "out.png")
            said = given.getexif().get(274)
            # Pillow gives a BYTE as bytes.
            said = said[0] if isinstance(said, bytes) else said
            turned = given.size == image.size[::-1]
            assert (turned, said) == (value == 6, 1), f"{source}, {order}, type {kind}, {value}: {given.size}, {said}"


@check
def text_of_exif_3_is_kept():
    image = Image.fromarray(picture())
    main = [(315, 129, "Jemand ©\0".encode()), (33432, 129, "© Somebody\0".encode())]
    for source, order in itertools.product(CONTAINERS, "<>"):
        save_with(WORK / source, image, block(order, main))
        for extension, policy in itertools.product(("png", "jpg", "webp", "tif"), ("safe", "all")):
            target = WORK / f"out.{extension}"
            run(WORK / source, "", target, TILEMILL_OUTPUT__METADATA=policy)
            for text in main:
                assert text[2] in target.read_bytes(), f"{source} to {extension}, {policy}"
            said = Image.open(target).getexif()
            assert "Somebody" in said.get(33432, "") and "Jemand" in said.get(315, ""), f"{source} to {extension}"


@check
def sizes_and_resolutions_are_those_of_the_turned_picture():
    image, ratio = Image.fromarray(picture()), struct.pack
    height, width = picture().shape[:2]
    for source, order, value in itertools.product(CONTAINERS, "<>", (1, 3, 6, 8)):
        main = [
            (256, 4, ratio(order + "I", width)),
            (257, 3, ratio(order + "H", height)),
            (274, 3, ratio(order + "H", value)),
            (282, 5, ratio(order + "II", 300, 1)),
            (283, 5, ratio(order + "II", 150, 1)),
            (296, 3, ratio(order + "H", 2)),
        ]
        sides = [(0xA002, 4, ratio(order + "I", width)), (0xA003, 4, ratio(order + "I", height))]
        save_with(WORK / source, image, block(order, main, sides))
        turned = value == 6 or value == 8
        expected = (150, 300) if turned else (300, 150)
        for extension, policy in itertools.product(("png", "jpg", "webp", "tif"), ("safe", "all")):
            target = WORK / f"out.{extension}"
            run(WORK / source, "", target, TILEMILL_OUTPUT__METADATA=policy)
            given = Image.open(target)
            said = given.getexif()
            told = f"{source} ({order}, {value}) to {extension}, {policy}: {given.size} {dict(said)} {given.info}"
            assert (said[282], said[283]) == expected, told
            if extension != "webp":
                assert tuple(round(float(side)) for side in given.info["dpi"]) == expected, told
            if policy == "all":
                picture_ifd = said.get_ifd(0x8769)
                assert (picture_ifd[0xA002], picture_ifd[0xA003]) == given.size, f"{told} {picture_ifd}"
                assert (said[256], said[257]) == given.size, told


@check
def resolutions_that_stand_outside_of_exif_are_turned_too():
    image = Image.fromarray(picture())
    exif = block("<", [(274, 3, struct.pack("<H", 6))])
    for source in ("a.png", "a.tif"):
        if source == "a.png":
            image.save(WORK / source, dpi=(300, 150), exif=b"Exif\0\0" + exif)
        else:
            image.save(WORK / source, dpi=(300, 150), tiffinfo={274: 6})
        for extension in ("png", "jpg", "tif"):
            run(WORK / source, "", WORK / f"out.{extension}")
            given = Image.open(WORK / f"out.{extension}")
            told = tuple(round(float(side)) for side in given.info["dpi"])
            assert (given.size, told) == (image.size[::-1], (150, 300)), (source, extension, given.size, told)
