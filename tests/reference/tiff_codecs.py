"""TIFF with palettes, Zstandard and CCITT compressions, as tifffile and libtiff write it."""

import itertools

import numpy as np
import tifffile
from PIL import Image

from common import WORK, check, compare, picture, read, refusal, run
from tiff_forms import SHORT, File, basics, cut, layout

PATH = WORK / "codec.tif"
TILES = ({}, {"tile": (32, 48)})


def seen():
    run(PATH, "", WORK / "out.png")
    return read(WORK / "out.png")


@check
def palettes_become_colours():
    """tifffile writes indexes of 8 and 16 bits; the colours are computed as in libtiff's TIFFRGBAImage."""
    for depth, compression, tile, order in itertools.product((8, 16), (None, "zstd", "lzw", "packbits"), TILES, "<>"):
        indexes = picture(channels=1).astype(f"u{depth // 8}") * (1 if depth == 8 else 257)
        for most in (65536, 256):
            colours = np.random.default_rng(3).integers(0, most, (3, 1 << depth), dtype=np.uint16)
            predictor = compression in ("zstd", "lzw")
            tifffile.imwrite(PATH, indexes, photometric="palette", colormap=colours, compression=compression,
                             predictor=predictor, byteorder=order, **tile)
            expected = np.moveaxis(colours[:, indexes] >> (8 if most > 256 else 0), 0, -1)
            compare(seen(), expected, 0)


@check
def palettes_of_fewer_bits_become_colours_as_by_pillow():
    for bits, side in itertools.product((1, 2, 4), (None, 32)):
        indexes = picture(channels=1, width=128) >> (8 - bits)
        each = 8 // bits
        packed = sum(indexes[:, i::each].astype(int) << (8 - bits * (i + 1)) for i in range(each)).astype(np.uint8)
        file = File()
        if side:
            packed = np.pad(packed, [(0, -len(packed) % side), (0, 0)])
            across = side // each
            places = itertools.product(range(0, len(packed), side), range(0, packed.shape[1], across))
            chunks = [packed[y : y + side, x : x + across] for y, x in places]
        else:
            chunks = cut(packed)
        colours = np.random.default_rng(bits).integers(0, 65536, 3 << bits)
        tags = basics(indexes) | layout(file, chunks, 1, side)
        file.directory(tags | {258: (SHORT, bits), 262: (SHORT, 3), 320: (SHORT, colours.tolist())})
        file.save(PATH)
        expected = np.moveaxis(colours.reshape(3, -1)[:, indexes] >> 8, 0, -1)
        compare(seen(), expected, 0)
        # Pillow does not read palettes of two bits.
        if bits != 2 and not side:
            compare(np.asarray(Image.open(PATH).convert("RGB")), expected, 0)


@check
def palettes_of_libtiff_are_decoded_as_pillow_does():
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"):
        image = Image.fromarray(picture()).quantize(200)
        image.save(PATH, compression=compression)
        compare(seen(), np.asarray(image.convert("RGB")), 0)


@check
def zstandard_is_decoded_as_tifffile_wrote_it():
    for depth, channels in itertools.product((8, 16), (1, 3, 4)):
        for options in (
            {},
            {"predictor": True},
            {"tile": (32, 48)},
            {"tile": (32, 48), "predictor": True},
            {"rowsperstrip": 7},
            {"rowsperstrip": 7, "predictor": True, "byteorder": ">"},
            {"bigtiff": True},
        ):
            array = picture(depth=depth, channels=channels)
            extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
            photometric = "minisblack" if channels == 1 else "rgb"
            tifffile.imwrite(PATH, array, compression="zstd", photometric=photometric, **extra, **options)
            compare(seen(), array, 0)
    planes = np.moveaxis(picture(), -1, 0)
    for tile in TILES:
        tifffile.imwrite(PATH, planes, compression="zstd", photometric="rgb", planarconfig="separate", **tile)
        compare(seen(), picture(), 0)


@check
def zstandard_of_every_level_is_decoded():
    """Higher levels have larger windows, and matches that reach back further."""
    array = np.tile(picture(600, 700), (2, 2, 1))
    for level in (1, 3, 9, 15, 19, 22):
        tifffile.imwrite(PATH, array, compression="zstd", compressionargs={"level": level}, photometric="rgb")
        compare(seen(), array, 0)
    # libtiff declares a window for any amount of data.
    for mode in ("L", "RGB", "RGBA", "1"):
        image = Image.fromarray(picture()).convert(mode)
        image.save(PATH, compression="zstd")
        compare(seen(), np.asarray(image.convert("L" if mode == "1" else mode)), 0)


@check
def zstandard_that_is_cut_short_is_damage():
    tifffile.imwrite(PATH, picture(), compression="zstd", photometric="rgb")
    with tifffile.TiffFile(PATH) as file:
        page = file.pages[0]
        start, length = page.dataoffsets[0], page.databytecounts[0]
        place = page.tags[279].valueoffset
    data = bytearray(PATH.read_bytes())
    for kept in (3, 10, length // 2):
        data[place : place + 4] = kept.to_bytes(4, "little")
        PATH.write_bytes(data)
        assert "damaged" in refusal(lambda: run(PATH, "", WORK / "out.png")), (start, kept)


def pages():
    """Black and white: dithered, large areas with long runs, black, white, and of one and eight columns."""
    dithered = Image.fromarray(picture(211, 317)).convert("1")
    yield dithered
    yield Image.fromarray(picture(90, 3001, 1) > 99).convert("1")
    yield Image.new("1", (1200, 50), 0)
    yield Image.new("1", (9000, 50), 1)
    yield Image.new("1", (1, 3), 0)
    yield dithered.crop((50, 0, 58, 100))


@check
def ccitt_is_decoded_as_libtiff_does():
    """T4Options (292): 1 for rows that depend on others, 4 for marks that end at bytes."""
    options = {
        "group3": ({}, {292: 1}, {292: 4}, {292: 5}, {266: 2, 292: 5}, {292: 1, 278: 7}, {262: 1}),
        "group4": ({}, {266: 2}, {278: 7}, {262: 1}),
        "tiff_ccitt": ({}, {278: 7}, {266: 2}),
    }
    for image, (compression, kinds) in itertools.product(pages(), options.items()):
        for tags in kinds:
            image.save(PATH, compression=compression, tiffinfo=tags)
            written = Image.open(PATH)
            assert all(written.tag_v2[tag] == value for tag, value in tags.items() if tag != 278)
            compare(seen(), np.asarray(written.convert("L")), 0)


@check
def ccitt_in_words_is_decoded_as_libtiff_writes_it():
    """libtiff 4.7.2 does not read what it writes."""
    for image, tags in itertools.product(pages(), ({}, {278: 9}, {266: 2})):
        image.save(PATH, compression="tiff_raw_16", tiffinfo=tags)
        assert Image.open(PATH).tag_v2[259] == 32771
        compare(seen(), np.asarray(image.convert("L")), 0)


@check
def webp_inside_is_decoded_as_tifffile_wrote_it():
    """Lossless exactly; lossy as the same stream is as a file, within a level of libwebp's."""
    for channels, options in itertools.product((3, 4), ({}, {"tile": (32, 48)}, {"rowsperstrip": 13})):
        array = picture(channels=channels)
        extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        for lossless, largest in ((True, 0), (False, 1)):
            tifffile.imwrite(PATH, array, photometric="rgb", compression="webp", metadata=None,
                             compressionargs={"lossless": lossless, "level": 80}, **extra, **options)
            given, expected = seen(), tifffile.imread(PATH)
            # Pixels that cannot be seen may have any colour.
            shown = expected[..., 3:] > 0 if channels == 4 else True
            compare(np.where(shown, given, 0), np.where(shown, expected, 0), largest)


@check
def webp_of_what_it_cannot_hold_is_refused():
    # Grey has one sample, and WebP has none of them.
    tifffile.imwrite(PATH, picture(channels=1), photometric="minisblack", compression="lzw", metadata=None)
    data = bytearray(PATH.read_bytes())
    at = data.index((259).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    data[at + 8 : at + 10] = (50001).to_bytes(2, "little")
    PATH.write_bytes(data)
    told = refusal(lambda: run(PATH, "", WORK / "out.png"))
    assert "WebP inside of other pixels than RGB and RGBA of 8 bits" in told, told


@check
def lerc_is_decoded_as_tifffile_wrote_it():
    target = WORK / "lerc-out.tif"
    for dtype, bands, level in itertools.product(("u1", "i1", "u2", "i2", "f4"), (1, 3, 5), (0, 2.5)):
        array = (picture(channels=1, depth=16)[..., None] / (1 + np.arange(bands))).astype(float) / 65535
        array = (array * (250 if dtype == "u1" else 120 if dtype == "i1" else 30000.5)).astype(dtype)
        array = array[..., 0] if bands == 1 else array
        for outer, options in itertools.product((None, "deflate", "zstd"), ({}, {"tile": (32, 48)}, {"rowsperstrip": 13})):
            arguments = {"level": level, "compression": outer}
            tifffile.imwrite(PATH, array, photometric="minisblack", planarconfig="contig" if bands > 1 else None,
                             compression="lerc", compressionargs=arguments, metadata=None, **options)
            run(PATH, "", target)
            given, expected = tifffile.imread(target), tifffile.imread(PATH)
            assert given.dtype == array.dtype
            compare(given, expected, 0)
