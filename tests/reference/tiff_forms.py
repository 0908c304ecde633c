"""Rare forms of TIFF: as libtiff 4.7 reads them, or refused by their true names."""

import itertools
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

from common import WORK, check, compare, noted, picture, read, refusal, run

SHORT, LONG, ASCII, BYTE, RATIONAL, UTF8 = 3, 4, 2, 1, 5, 129
NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
PATH = WORK / "form.tif"


class File:
    """A TIFF file that is put together by hand, with whatever tags it is given."""

    def __init__(self, order="<"):
        self.order, self.bytes, self.last = order, bytearray(8), 4
        self.bytes[:4] = b"II*\0" if order == "<" else b"MM\0*"

    def add(self, data):
        place = len(self.bytes)
        self.bytes += data + bytes(len(data) % 2)
        return place

    def directory(self, tags, linked=True):
        """Tags are numbers to (type, values). Gives its place; puts it into the chain where `linked`."""
        entries = b""
        for tag, (kind, values) in sorted(tags.items()):
            values = values if isinstance(values, (list, tuple, bytes)) else [values]
            letters = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 13: "I", UTF8: "B"}[kind]
            data = struct.pack(f"{self.order}{len(values)}{letters}", *values)
            count = len(values) // (2 if kind == RATIONAL else 1)
            field = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(f"{self.order}I", self.add(data))
            entries += struct.pack(f"{self.order}HHI", tag, kind, count) + field
        place = self.add(struct.pack(f"{self.order}H", len(tags)) + entries + bytes(4))
        if linked:
            struct.pack_into(f"{self.order}I", self.bytes, self.last, place)
            self.last = place + 2 + len(entries)
        return place

    def save(self, path=PATH):
        path.write_bytes(self.bytes)


def pack_bits(data):
    """Every byte as it is."""
    parts = [data[at : at + 128] for at in range(0, len(data), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def old_lzw(data):
    """Low bits first, and each width of codes for one code more than in TIFF 6.0."""
    bits, count, out = 0, 0, bytearray()
    table, width = {}, 9

    def put(code):
        nonlocal bits, count
        bits |= code << count
        count += width
        while count >= 8:
            out.append(bits & 255)
            bits, count = bits >> 8, count - 8

    put(256)
    table, after, word = {bytes([i]): i for i in range(256)}, 258, b""
    for value in data:
        longer = word + bytes([value])
        if longer in table:
            word = longer
            continue
        put(table[word])
        if after == 4094:
            put(256)
            table, after, width = {bytes([i]): i for i in range(256)}, 258, 9
        else:
            table[longer] = after
            after += 1
            width = 9 if after <= 512 else 10 if after <= 1024 else 11 if after <= 2048 else 12
        word = bytes([value])
    put(table[word])
    put(257)
    return bytes(out) + bytes([bits & 255])


PACKERS = {NONE: bytes, DEFLATE: zlib.compress, PACKBITS: pack_bits, LZW: old_lzw}


def turn(data):
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def basics(array, compression=NONE):
    height, width = array.shape[:2]
    samples = 1 if array.ndim == 2 else array.shape[2]
    return {
        256: (LONG, width),
        257: (LONG, height),
        258: (SHORT, [array.itemsize * 8] * samples),
        259: (SHORT, compression),
        262: (SHORT, 1 if samples < 3 else 2),
        277: (SHORT, samples),
    }


def cut(array, side=None):
    """Strips of 16 rows, or tiles with that side, whose parts beyond the edges are zeros."""
    if side is None:
        return [array[y : y + 16] for y in range(0, len(array), 16)]
    high, wide = -array.shape[0] % side, -array.shape[1] % side
    array = np.pad(array, [(0, high), (0, wide)] + [(0, 0)] * (array.ndim - 2))
    places = itertools.product(range(0, array.shape[0], side), range(0, array.shape[1], side))
    return [array[y : y + side, x : x + side] for y, x in places]


def layout(file, chunks, compression, side=None, missing=(), turned=False):
    """Adds chunks and gives the tags that tell where they are; those that are `missing` are nowhere."""
    offsets, lengths = [], []
    for index, chunk in enumerate(chunks):
        data = chunk.astype(chunk.dtype.newbyteorder(file.order)).tobytes()
        data = b"" if index in missing else PACKERS[compression](data)
        data = turn(data) if turned else data
        offsets.append(file.add(data) if data else 0)
        lengths.append(len(data))
    if side is None:
        return {273: (LONG, offsets), 278: (SHORT, 16), 279: (LONG, lengths)}
    return {322: (SHORT, side), 323: (SHORT, side), 324: (LONG, offsets), 325: (LONG, lengths)}


def make(array, compression=NONE, more=(), side=None, missing=(), order="<", without=(), turned=False):
    """Writes a file of one picture, with `more` tags or other values for them."""
    file = File(order)
    tags = basics(array, compression) | layout(file, cut(array, side), compression, side, missing, turned)
    tags |= dict(more)
    file.directory({tag: value for tag, value in tags.items() if tag not in without})
    file.save()


def seen(path=PATH):
    run(path, "", WORK / "out.png")
    return read(WORK / "out.png")


def told(path=PATH):
    return refusal(lambda: run(path, "", WORK / "out.png"))


@check
def tiff_chunks_that_are_left_out_are_zeros_or_what_stands_for_no_data():
    for depth, channels, compression, side, order in itertools.product((8, 16), (1, 3), PACKERS, (None, 32), "<>"):
        array = picture(depth=depth, channels=channels)
        for text, value in ((None, 0), (b"200\0", 200), (b"-9999 \0", 0), (b"nan\0", 0)):
            more = {42113: (ASCII, text)} if text else {}
            make(array, compression, more, side, missing=(1, 2), order=order)
            run(PATH, "", WORK / "out.tif")
            expected = array.copy()
            if side:
                expected[:32, 32:96] = value
            else:
                expected[16:48] = value
            # As TIFF: elsewhere what stands for no data is transparent.
            compare(tifffile.imread(WORK / "out.tif"), expected, 0)
    # A length of 0 alone means that as well.
    array = picture(channels=1)
    file = File()
    places = layout(file, cut(array, 32), NONE, 32)
    places[325][1][3] = 0
    file.directory(basics(array) | places)
    file.save()
    expected = array.copy()
    expected[:32, 96:] = 0
    compare(seen(), expected, 0)


@check
def tiff_lengths_that_are_too_short_are_damage():
    array = picture(channels=1)
    for compression, side in itertools.product(PACKERS, (None, 32)):
        file = File()
        places = layout(file, cut(array, side), compression, side)
        tag = 325 if side else 279
        for index in range(3):
            # The end of a chunk may be a checksum or a code that says that it ends.
            places[tag][1][index] -= 3 if compression == NONE else places[tag][1][index] // 2
        file.directory(basics(array, compression) | places)
        file.save()
        assert "damaged" in told(), (compression, side)


@check
def tiff_predictors_count_where_libtiff_has_them():
    for compression, side, depth in itertools.product((NONE, PACKBITS), (None, 32), (8, 16)):
        array = picture(channels=1, depth=depth)
        for predictor in (2, 3, 7, 0):
            make(array, compression, {317: (SHORT, predictor)}, side)
            compare(seen(), array, 0)
            if depth == 8:
                compare(np.asarray(Image.open(PATH)), array, 0)
    array = picture(channels=1)
    for compression, (predictor, words) in itertools.product(
        (LZW, DEFLATE), ((3, "predictor 3 of integer samples"), (7, "predictor 7"), (0, "predictor 0"))
    ):
        make(array, compression, {317: (SHORT, predictor)})
        assert f"TIFF with {words} cannot" in told(), told()
    make(array, more={259: (SHORT, 6), 317: (SHORT, 9)})
    words = "old-style JPEG inside whose tables are in tags cannot be processed; save it as RGB, as `tiff2rgba` does"
    assert words in told(), told()


@check
def tiff_of_the_old_lzw_is_decoded_as_pillow_does():
    for channels, side in itertools.product((1, 3), (None, 32)):
        array = picture(400, 300, channels=channels)
        make(array, LZW, side=side)
        compare(seen(), array, 0)
        compare(np.asarray(Image.open(PATH)), array, 0)


@check
def tiff_with_bits_turned_round_is_decoded_as_libtiff_does():
    for compression, side in itertools.product(PACKERS, (None, 32)):
        if compression == LZW:
            continue
        array = picture(channels=3)
        make(array, compression, {266: (SHORT, 2)}, side, turned=True)
        compare(seen(), array, 0)
    image = Image.fromarray(picture()).convert("1")
    image.save(PATH, compression="group4", tiffinfo={266: 2})
    assert Image.open(PATH).tag_v2[266] == 2
    compare(seen(), np.asarray(Image.open(PATH).convert("L")), 0)


@check
def tiff_tags_that_are_missing_are_what_libtiff_takes():
    array = picture(channels=3)
    # The tags of strips may tell of tiles.
    file = File()
    places = layout(file, cut(array, 32), NONE, 32)
    places[273], places[279] = places.pop(324), places.pop(325)
    file.directory(basics(array) | places)
    file.save()
    compare(seen(), array, 0)
    for compression in PACKERS:
        make(array, compression, without=(279,))
        compare(seen(), array, 0)
        make(array, compression, side=32, without=(325,))
        compare(seen(), array, 0)
        make(array, compression, {258: (SHORT, 8)})
        compare(seen(), array, 0)
        # One strip of all rows, with no number of rows, and lengths that are missing or 0.
        for more, without in (({}, (278,)), ({}, (278, 279)), ({279: (LONG, 0)}, (278,)), ({278: (LONG, 0)}, ())):
            file = File()
            places = layout(file, [array], compression)
            tags = basics(array, compression) | places | more
            file.directory({tag: value for tag, value in tags.items() if tag not in without})
            file.save()
            compare(seen(), array, 0)
    make(array, without=(262,))
    compare(seen(), array, 0)
    bits = np.packbits(array[..., 0] > 99, axis=1)
    make(bits, more={256: (LONG, array.shape[1])}, without=(258, 277))
    compare(seen(), (array[..., 0] > 99) * np.uint8(255), 0)


@check
def tiff_of_fewer_bits_is_decoded_to_eight():
    grey = picture(channels=1)
    for bits, compression, side, photometric in itertools.product((1, 2, 4), PACKERS, (None, 32), (0, 1)):
        levels = grey >> (8 - bits)
        padded = np.pad(levels, [(0, 0), (0, -levels.shape[1] % 32 if side else -levels.shape[1] % 8)])
        each = 8 // bits
        packed = sum(padded[:, i::each].astype(int) << (8 - bits * (i + 1)) for i in range(each)).astype(np.uint8)
        packed = packed[:, : -(-grey.shape[1] // each)]
        file = File()
        if side:
            across = side // each
            packed = np.pad(packed, [(0, -len(packed) % side), (0, -packed.shape[1] % across)])
            places = itertools.product(range(0, len(packed), side), range(0, packed.shape[1], across))
            chunks = [packed[y : y + side, x : x + across] for y, x in places]
        else:
            chunks = cut(packed)
        tags = basics(grey, compression) | layout(file, chunks, compression, side)
        file.directory(tags | {258: (SHORT, bits), 262: (SHORT, photometric)})
        file.save()
        expected = levels * np.uint8(255 // ((1 << bits) - 1))
        compare(seen(), expected if photometric else 255 - expected, 0)


@check
def tiff_of_planes_and_of_white_that_is_zero_is_decoded():
    for depth, compression, tile in itertools.product((8, 16), (None, "lzw", "deflate", "packbits"), (None, (32, 48))):
        options = {"compression": compression, "planarconfig": "separate", **({"tile": tile} if tile else {})}
        for channels in (3, 4):
            array = picture(depth=depth, channels=channels)
            extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
            tifffile.imwrite(PATH, np.moveaxis(array, -1, 0), photometric="rgb", **extra, **options)
            compare(seen(), array, 0)
        array, top = picture(depth=depth, channels=2), (1 << depth) - 1
        written = np.stack([top - array[..., 0], array[..., 1]], axis=-1)
        for planar in ("separate", "contig"):
            written = np.moveaxis(written, -1, 0) if planar == "separate" else written
            tifffile.imwrite(PATH, written, photometric="miniswhite", extrasamples=["unassalpha"],
                             **{**options, "planarconfig": planar})
            written = np.moveaxis(written, 0, -1) if planar == "separate" else written
            given = seen()
            compare(given[..., 0], array[..., 0], 0)
            compare(given[..., 3], array[..., 1], 0)
    inks = picture(channels=4)
    tifffile.imwrite(PATH, inks, photometric="separated", planarconfig="contig")
    expected = seen()
    tifffile.imwrite(PATH, np.moveaxis(inks, -1, 0), photometric="separated", planarconfig="separate")
    compare(seen(), expected, 0)


@check
def tiff_orientations_that_are_none_are_not_applied():
    array = picture(channels=1)
    for kind, value in ((SHORT, 300), (SHORT, 9), (SHORT, 0), (LONG, 1 << 20), (BYTE, 200)):
        make(array, more={274: (kind, value)})
        compare(seen(), array, 0)
    for kind in (BYTE, SHORT, LONG):
        for order in "<>":
            make(array, more={274: (kind, 3)}, order=order)
            compare(seen(), array[::-1, ::-1], 0)


@check
def tiff_text_of_exif_3_is_kept():
    words = {315: "Jemand ©", 33432: "© Somebody"}
    texts = {tag: (UTF8, text.encode() + b"\0") for tag, text in words.items()}
    for order, policy, extension in itertools.product("<>", ("safe", "all"), ("png", "jpg", "webp", "tif")):
        make(picture(channels=1), more=texts, order=order)
        target = WORK / f"out.{extension}"
        run(PATH, "", target, TILEMILL_OUTPUT__METADATA=policy)
        # Pillow reads ASCII as Latin-1.
        said = Image.open(target).getexif()
        given = {tag: said.get(tag, "").encode("latin-1").decode() for tag in words}
        assert given == words, (order, policy, extension, given)


def with_preview(kinds, more=(), sub=(), linked=False, whole=None, preview=None):
    """A small copy first; the picture is in a directory that it points to, or in the next one."""
    file = File()
    whole = picture() if whole is None else whole
    preview = np.ascontiguousarray(whole[::4, ::4]) if preview is None else preview
    parts = [basics(array) | layout(file, cut(array), NONE) | kind for array, kind in zip((preview, whole), kinds)]
    if linked:
        file.directory(parts[0] | dict(more))
        file.directory(parts[1] | dict(sub))
    else:
        place = file.directory(parts[1] | dict(sub), linked=False)
        file.directory(parts[0] | {330: (LONG, place)} | dict(more))
    file.save()
    return whole


REDUCED, FULL, OLD_REDUCED = {254: (LONG, 1)}, {254: (LONG, 0)}, {255: (SHORT, 2)}


@check
def tiff_whose_first_directory_is_a_preview_is_its_picture():
    for kinds in ((REDUCED, FULL), (REDUCED, {}), (OLD_REDUCED, FULL), ({}, FULL)):
        with_preview(kinds)
        compare(seen(), picture(), 0)
    for kinds in ((REDUCED, FULL), (FULL, REDUCED), (OLD_REDUCED, {}), ({}, OLD_REDUCED)):
        whole = with_preview(kinds, linked=True)
        expected = whole if kinds[1] in (FULL, {}) else whole[::4, ::4]
        compare(seen(), expected, 0)
    # What the directory of the picture does not say the first one does.
    more = {274: (SHORT, 3), 282: (RATIONAL, (300, 1)), 283: (RATIONAL, (150, 1)), 296: (SHORT, 2), 33432: (ASCII, b"me\0")}
    with_preview((REDUCED, FULL), more)
    compare(seen(), picture()[::-1, ::-1], 0)
    out = Image.open(WORK / "out.png")
    assert [round(side) for side in out.info["dpi"]] == [300, 150], out.info
    assert out.getexif()[33432] == "me"
    with_preview((REDUCED, FULL), more, {274: (SHORT, 1)})
    compare(seen(), picture(), 0)
    # Those that a picture points to are its smaller copies.
    small = np.ascontiguousarray(picture()[::2, ::2])
    with_preview(({}, {}), whole=small, preview=picture())
    compare(seen(), picture(), 0)


@check
def tiff_of_raw_files_is_refused_in_words():
    words = "raw picture of a camera cannot be processed; develop it"
    for photometric, kind in itertools.product((32803, 34892), (REDUCED, {})):
        for linked in (False, True):
            with_preview((kind, FULL), sub={262: (SHORT, photometric), 259: (SHORT, 7)}, linked=linked)
            assert words in told(), told()
    for more in ({}, REDUCED):
        make(picture(), more={262: (SHORT, 32803)} | more)
        assert words in told(), told()
    make(picture())
    data = bytearray(PATH.read_bytes())
    data[8:10] = b"CR"
    PATH.write_bytes(data)
    assert words in told(), told()


@check
def tiff_directories_that_point_to_one_another_do_not_hang():
    array = picture()
    file = File()
    tags = basics(array) | layout(file, cut(array), NONE)
    first = file.directory(tags | {330: (LONG, 8), 254: (LONG, 1)})
    struct.pack_into("<I", file.bytes, file.last, first)
    at = file.bytes.index(struct.pack("<HHII", 330, 4, 1, 8))
    struct.pack_into("<I", file.bytes, at + 8, first)
    file.save()
    compare(seen(), array, 0)
    # A page that another page points to is a page.
    file = File()
    tags |= layout(file, cut(array), NONE)
    file.directory(tags | {330: (LONG, 8)})
    second = file.directory(tags)
    at = file.bytes.index(struct.pack("<HHII", 330, 4, 1, 8))
    struct.pack_into("<I", file.bytes, at + 8, second)
    file.save()
    assert "the first of 2 pages was taken" in noted(PATH, "", WORK / "out.png")


@check
def tiff_of_several_pictures_gives_the_first_and_says_how_many_there_are():
    array = picture()
    make(array, more={270: (ASCII, b"ImageJ=1.54f\nimages=5\nslices=5\n\0")})
    assert "the first of 5 pages was taken" in noted(PATH, "", WORK / "out.png")
    compare(read(WORK / "out.png"), array, 0)
    for text in (b"ImageJ=1.54f\nimages=1\n\0", b"ImageJ=1.54f\n\0", b"My ImageJ=\nimages=5\n\0"):
        make(array, more={270: (ASCII, text)})
        compare(seen(), array, 0)
    with_preview((FULL, {254: (LONG, 2)}), linked=True)
    assert "the first of 2 pages was taken" in noted(PATH, "", WORK / "out.png")
    # A mask of another size is none of the picture.
    with_preview((FULL, {254: (LONG, 4)}), linked=True)
    compare(seen(), array[::4, ::4], 0)
    with_preview((FULL, {254: (LONG, 5)}), linked=True)
    compare(seen(), array[::4, ::4], 0)


@check
def tiff_that_is_not_read_is_called_by_its_true_name():
    narrow = "save it with 8 or 16 bits, or as floats of 32 bits, as `gdal_translate -ot Float32` does"
    for name, words in (("u8", "64-bit samples"), ("i8", "signed 64-bit samples")):
        tifffile.imwrite(PATH, picture(channels=1).astype(name), photometric="minisblack")
        assert f"TIFF with {words} cannot be processed; {narrow}" in told(), told()
    tifffile.imwrite(PATH, picture(channels=1).astype("i2"), photometric="miniswhite")
    assert "TIFF with samples of signed 16 bit whose 0 is white cannot" in told(), told()
    tifffile.imwrite(PATH, picture(channels=1).astype("c8"), photometric="minisblack")
    assert "TIFF with complex 64-bit samples cannot" in told(), told()
    array, inks = picture(channels=1), picture(channels=4)
    five = np.dstack([inks, array])
    for array, more, words in (
        (array, {258: (SHORT, 24)}, "24-bit samples"),
        (picture(), {339: (SHORT, [1, 1, 2])}, "samples of several kinds"),
        (picture(channels=2), {262: (SHORT, 3), 338: (SHORT, 2)}, "a palette and alpha cannot be processed; save it as RGB with alpha"),
        (array, {262: (SHORT, 4)}, "a mask and no picture"),
        (picture(), {262: (SHORT, 6)}, "YCbCr colours"),
        (picture(), {262: (SHORT, 10)}, "ITULab colours"),
        (picture(), {258: (SHORT, [8, 8, 16])}, "samples of 8, 8, 16 bits"),
        (picture(), {258: (SHORT, 4)}, "4-bit samples cannot be processed; scale it to 8 bit"),
        (inks, {262: (SHORT, 5), 332: (SHORT, 2)}, "inks that are not CMYK (InkSet 2, NumberOfInks 4)"),
        (inks, {262: (SHORT, 5), 334: (SHORT, 3)}, "inks that are not CMYK (InkSet 1, NumberOfInks 3)"),
        (five, {262: (SHORT, 5), 338: (SHORT, 2)}, "CMYK colours and alpha"),
        (array, {259: (SHORT, 34925)}, "LZMA inside cannot be processed; save it with LZW or deflate, as `tiffcp -c lzw` does"),
        (array, {259: (SHORT, 3)}, "CCITT group 3 of 8-bit samples"),
        (array, {259: (SHORT, 32809)}, "compression 32809"),
    ):
        make(array, more=more)
        assert f"TIFF with {words}" in told(), told()
