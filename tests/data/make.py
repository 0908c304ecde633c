"""Makes the small images beside it. Needs Pillow (made with 13.0), NumPy, tifffile and cjpeg (libjpeg-turbo 2.1.5).

The files are committed, because other versions of Pillow write other bytes.
"""

import io
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

HERE = Path(__file__).parent
WIDTH, HEIGHT = 61, 43


def picture(channels, top):
    """Slopes, waves and a little noise, like a small photograph."""
    noise = np.random.default_rng(7)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [
        x / WIDTH,
        y / HEIGHT,
        0.5 + 0.5 * np.sin(x / 5.0) * np.cos(y / 7.0),
        np.clip(1.3 - np.hypot(x - 30, y - 20) / 30, 0, 1),
    ]
    image = np.stack(planes[:channels], axis=-1)
    image = image + noise.normal(0, 0.02, image.shape)
    return np.clip(np.rint(image * top), 0, top).astype(np.uint8 if top == 255 else np.uint16)


def chunk(name, data):
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def adam7(array):
    """The seven passes of an interlaced PNG: first column and row, then steps."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    return [array[y::down, x::across] for x, y, across, down in passes]


def png(name, array, colour, depth, interlaced=False, extra=b"", behind=b""):
    """Pillow writes neither interlaced PNGs nor colours of 16 bits."""
    parts = adam7(array) if interlaced else [array]
    raw = b"".join(
        b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes()
        for part in parts
        if part.size
        for row in part
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, int(interlaced))
    data = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) + behind + chunk(b"IEND", b"")
    (HERE / name).write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def tiled_tiff(name, array, side):
    """Pillow writes no tiles. Uncompressed, big-endian; tiles beyond the edges repeat the last pixels."""
    height, width, channels = array.shape
    padded = np.pad(array, ((0, -height % side), (0, -width % side), (0, 0)), mode="edge")
    corners = [(y, x) for y in range(0, height, side) for x in range(0, width, side)]
    tiles = [padded[y : y + side, x : x + side].astype(">u2").tobytes() for y, x in corners]
    bits, offsets = 8, 8 + 2 * channels
    counts = offsets + 4 * len(tiles)
    pixels = counts + 4 * len(tiles)
    directory = pixels + sum(map(len, tiles))
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, bits),
        (259, 3, 1, 1 << 16),
        (262, 3, 1, 2 << 16),
        (277, 3, 1, channels << 16),
        (322, 4, 1, side),
        (323, 4, 1, side),
        (324, 4, len(tiles), offsets),
        (325, 4, len(tiles), counts),
    ]
    starts = [pixels + sum(map(len, tiles[:index])) for index in range(len(tiles))]
    file = b"MM\0*" + struct.pack(">I", directory) + struct.pack(">H", 16) * channels
    file += struct.pack(f">{len(tiles)}I", *starts)
    file += struct.pack(f">{len(tiles)}I", *map(len, tiles)) + b"".join(tiles)
    file += struct.pack(">H", len(entries))
    file += b"".join(struct.pack(">HHII", *entry) for entry in entries) + bytes(4)
    (HERE / name).write_bytes(file)


def fixed(*numbers):
    return struct.pack(f">{len(numbers)}i", *[round(number * 65536) for number in numbers])


def profile(space, pcs, tags):
    """A colour profile of these tags (ICC.1:2010)."""
    text = b"tilemill test\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    white = b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)
    tags = {b"desc": desc, b"cprt": b"text" + bytes(4) + text, b"wtpt": white, **tags}
    table, body = b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    size = 132 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, kind, space, pcs) + bytes(12) + b"acsp"
    head = (head + bytes(28) + fixed(0.9642, 1, 0.8249)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + body


def wide_profile():
    """The primaries of Adobe RGB, gamma 2.2."""
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, round(2.2 * 256), 0)
    colours = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
    tags = {name + b"XYZ": b"XYZ " + bytes(4) + fixed(*xyz) for name, xyz in zip((b"r", b"g", b"b"), colours)}
    return profile(b"RGB ", b"XYZ ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def inks_profile():
    """A table of 4 steps for each ink, to Lab, about as inks on paper look."""
    steps = np.stack(np.meshgrid(*[np.linspace(0, 1, 4)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    light = (1 - steps[:, :3] * [0.9, 0.85, 0.8]) * (1 - 0.9 * steps[:, 3:])
    lightness = 100 * np.cbrt(light.mean(axis=1))
    a, b = 90 * (light[:, 0] - light[:, 1]), 70 * (light[:, 1] - light[:, 2])
    lab = np.clip(np.rint(np.stack([lightness * 2.55, a + 128, b + 128], axis=-1)), 0, 255).astype(np.uint8)
    ramp = bytes(range(256))
    head = b"mft1" + bytes(4) + bytes([4, 3, 4, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return profile(b"CMYK", b"Lab ", {b"A2B0": head + ramp * 4 + lab.tobytes() + ramp * 3})


def profiled():
    """Colours that mean something else than sRGB."""
    icc = chunk(b"iCCP", b"wide\0\0" + zlib.compress(wide_profile()))
    png("wide-16.png", picture(3, 65535), 2, 16, extra=icc)
    Image.fromarray(picture(4, 255)).save(HERE / "wide-alpha.png", icc_profile=wide_profile())
    Image.fromarray(picture(4, 255), mode="CMYK").save(HERE / "inks.jpg", quality=85, icc_profile=inks_profile())
    # What Adobe calls transform 2: YCbCr of three inks, and black.
    file = bytearray((HERE / "inks.jpg").read_bytes())
    file[file.index(b"Adobe") + 11] = 2
    (HERE / "ycck.jpg").write_bytes(file)
    tifffile.imwrite(
        HERE / "inks-16.tif", picture(4, 65535), photometric="separated", compression="deflate",
        iccprofile=inks_profile(), metadata=None,
    )
    tifffile.imwrite(HERE / "big.tif", picture(3, 255), bigtiff=True, tile=(32, 16), metadata=None)
    Image.fromarray(picture(3, 255)).save(HERE / "packbits.tif", compression="packbits")


def rgb_table_profile():
    """A table of 16 bits with 5 steps for each colour, to Lab as such tables encode it; curves on both sides."""
    steps = np.stack(np.meshgrid(*[np.linspace(0, 1, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = 100 * np.cbrt(steps @ [0.25, 0.65, 0.1])
    a, b = 70 * (steps[:, 0] - steps[:, 1]), 60 * (steps[:, 1] - steps[:, 2])
    lab = np.stack([lightness * 652.8, (a + 128) * 256, (b + 128) * 256], axis=-1)
    curve = np.rint(65535 * np.linspace(0, 1, 33) ** 1.3).astype(">u2").tobytes()
    ramp = np.rint(65535 * np.linspace(0, 1, 33)).astype(">u2").tobytes()
    head = b"mft2" + bytes(4) + bytes([3, 3, 5, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 33, 33)
    table = head + curve * 3 + np.clip(np.rint(lab), 0, 65535).astype(">u2").tobytes() + ramp * 3
    return profile(b"RGB ", b"Lab ", {b"A2B0": table})


def rgb_curves_profile():
    """The fourth version's table: curves, a grid of 3 × 4 × 5 points, curves, a matrix, curves; to XYZ."""
    gamma = lambda g: b"para" + bytes(4) + struct.pack(">HH", 0, 0) + fixed(g)
    sides = [np.linspace(0, 1, count) for count in (3, 4, 5)]
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3) ** 1.1
    grid = bytes([3, 4, 5]) + bytes(13) + bytes([2, 0, 0, 0]) + np.rint(65535 * grid).astype(">u2").tobytes()
    grid += bytes(-len(grid) % 4)
    matrix = [0.43607, 0.38515, 0.14307, 0.22249, 0.71687, 0.06061, 0.01392, 0.09708, 0.71410]
    # XYZ of 1 is half of all.
    matrix = fixed(*[number * 32768 / 65535 for number in matrix], 0.001, 0, 0)
    parts = [gamma(1.0) * 3, matrix, gamma(1.2) * 3, grid, gamma(1.7) * 3]
    places = np.cumsum([32] + [len(part) for part in parts])
    b, m, mid, clut, a = [int(place) for place in places[:5]]
    table = b"mAB " + bytes(4) + bytes([3, 3, 0, 0]) + struct.pack(">5I", b, m, mid, clut, a) + b"".join(parts)
    return profile(b"RGB ", b"XYZ ", {b"A2B0": table})


def xmp():
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r/></x:xmpmeta>'


def further():
    """What is rarer, and was read wrongly once."""
    rgb, grey = Image.fromarray(picture(3, 255)), Image.fromarray(picture(1, 255)[..., 0])
    rgb.save(HERE / "halved.jpg", quality=85, subsampling=1)
    rgb.save(HERE / "restarts.jpg", quality=85, subsampling=2, restart_marker_blocks=3)
    rgb.save(HERE / "wide.jpg", quality=90, subsampling=2, icc_profile=wide_profile(), dpi=(300, 300))
    rgb.save(HERE / "tabled.jpg", quality=90, subsampling=0, icc_profile=rgb_table_profile())
    # RGB, which Adobe's segment alone tells: the components have the numbers of YCbCr.
    rgb.save(HERE / "adobe-rgb.jpg", quality=90, keep_rgb=True)
    file = bytearray((HERE / "adobe-rgb.jpg").read_bytes())
    frame, scan = file.index(b"\xff\xc0") + 10, file.index(b"\xff\xda") + 5
    for index in range(3):
        file[frame + 3 * index] = file[scan + 2 * index] = index + 1
    (HERE / "adobe-rgb.jpg").write_bytes(file)

    exif = Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "(c) Somebody"
    icc = chunk(b"iCCP", b"table\0\0" + zlib.compress(rgb_table_profile()))
    png("tabled-16.png", picture(3, 65535), 2, 16, extra=icc)
    icc = chunk(b"iCCP", b"curves\0\0" + zlib.compress(rgb_curves_profile()))
    png("tabled-alpha.png", picture(4, 255), 6, 8, interlaced=True, extra=icc)
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp())
    density = struct.pack(">IIB", 11811, 11811, 1)
    behind = chunk(b"eXIf", exif.tobytes()[6:]) + chunk(b"iTXt", text)
    png("noted.png", picture(3, 255), 2, 8, extra=chunk(b"pHYs", density), behind=behind)
    rgb.save(HERE / "noted.webp", quality=80, exif=exif, xmp=xmp(), icc_profile=wide_profile())

    white = dict(photometric="miniswhite", metadata=None)
    tifffile.imwrite(HERE / "white-is-zero.tif", 255 - picture(1, 255)[..., 0], compression="deflate", **white)
    tifffile.imwrite(HERE / "white-is-zero-16.tif", 65535 - picture(1, 65535)[..., 0], byteorder=">", **white)
    planes = np.moveaxis(picture(3, 65535), -1, 0)
    tifffile.imwrite(
        HERE / "planes-16.tif", planes, photometric="rgb", planarconfig="separate", compression="deflate",
        predictor=True, metadata=None,
    )
    grey.convert("1").save(HERE / "group4.tif", compression="group4", tiffinfo={274: 6, 33432: "(c) Somebody"})


def quantities():
    """TIFF of what is no picture of 8 or 16 bits: heights, bands without a name, masks, and what packs them."""
    waves = picture(1, 65535)[..., 0].astype(np.float32) / 16 - 700
    empty = np.hypot(*np.mgrid[-12 : HEIGHT - 12, -40 : WIDTH - 40]) < 9
    nodata = [(42113, "s", 0, "-9999", True)]
    plain = dict(photometric="minisblack", metadata=None)
    tifffile.imwrite(
        HERE / "heights.tif", np.where(empty, np.float32(-9999), waves), tile=(32, 16), compression="deflate",
        predictor=True, extratags=nodata, **plain,
    )
    tifffile.imwrite(
        HERE / "signed.tif", np.where(empty, -9999, waves).astype(np.int16), byteorder=">", compression="lzw",
        predictor=True, extratags=nodata, **plain,
    )
    bands = np.concatenate([picture(4, 65535), picture(3, 65535)[..., ::-1]], axis=-1)
    tifffile.imwrite(
        HERE / "bands.tif", np.moveaxis(bands, -1, 0), planarconfig="separate", compression="lzw", predictor=True,
        rowsperstrip=9, **plain,
    )
    tifffile.imwrite(HERE / "halves.tif", waves.astype(np.float16), compression="deflate", predictor=True, **plain)
    tifffile.imwrite(HERE / "doubles.tif", waves.astype(np.float64), compression="deflate", **plain)
    lerc = {"level": 0.5, "compression": "deflate"}
    tifffile.imwrite(HERE / "lerc.tif", waves, tile=(32, 16), compression="lerc", compressionargs=lerc, **plain)
    tifffile.imwrite(
        HERE / "webp.tif", picture(4, 255), photometric="rgb", extrasamples=["unassalpha"], tile=(32, 16),
        compression="webp", compressionargs={"level": 75}, metadata=None,
    )
    with tifffile.TiffWriter(HERE / "masked.tif") as file:
        file.write(picture(3, 255), photometric="rgb", compression="lzw", metadata=None)
        file.write(~empty, photometric="mask", subfiletype=4, compression="deflate", metadata=None)


def wavelets():
    """JPEG 2000, alone, in boxes and in TIFF: by Pillow and imagecodecs (OpenJPEG 2.5.4)."""
    rgb, rgba = Image.fromarray(picture(3, 255)), Image.fromarray(picture(4, 255))
    rgb.save(HERE / "reversible.jp2", irreversible=False)
    rgba.save(HERE / "alpha.jp2", irreversible=False, tile_size=(32, 32), num_resolutions=3)
    rgb.save(HERE / "irreversible.j2k", irreversible=True, quality_mode="rates", quality_layers=[20, 8])
    # Large in memory alone.
    Image.new("RGB", (6000, 5700), (10, 120, 240)).save(HERE / "flat.jp2", irreversible=False)
    deep = imagecodecs.jpeg2k_encode(picture(1, 65535)[..., 0] >> 4, bitspersample=12, reversible=True)
    (HERE / "deep.jp2").write_bytes(deep)
    signed = (picture(1, 65535)[..., 0].astype(np.int32) - 32768).astype(np.int16)
    (HERE / "signed.j2k").write_bytes(imagecodecs.jpeg2k_encode(signed, codecformat="j2k", reversible=True))
    for name, compression, array in (
        ("wavelets.tif", "jpeg2000", picture(3, 65535)),
        ("aperio.tif", "aperio_jp2000_rgb", picture(3, 255)),
    ):
        tifffile.imwrite(
            HERE / name, array, photometric="rgb", tile=(32, 16), compression=compression, metadata=None,
            compressionargs={"reversible": True, "codecformat": "j2k"},
        )


def side(length):
    return struct.pack("<I", length - 1)[:3]


def frame_webp(image):
    """An animation of one frame, which does not fill its image."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "(c) Somebody"
    image.save(file, "WEBP", quality=80, exif=exif)
    file = file.getvalue()
    pixels = file[file.index(b"ALPH") : file.index(b"EXIF")]
    frame = bytes([2, 0, 0, 3, 0, 0]) + side(image.width) + side(image.height) + b"\x64\0\0\0" + pixels
    header = b"VP8X" + struct.pack("<I", 10) + bytes([0x1A, 0, 0, 0]) + side(image.width + 9) + side(image.height + 8)
    body = header + b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    body += file[file.index(b"EXIF") :]
    (HERE / "frame.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


def later_bmp(name, array, kind, fields=b"", behind=b""):
    """A bitmap whose header says what kind of colours it has (BITMAPV5HEADER)."""
    rows = b"".join(row[:, ::-1].tobytes() + bytes(-3 * WIDTH % 4) for row in array[::-1])
    header = struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16)
    header = (header + kind[::-1] + fields).ljust(112, b"\0") + struct.pack("<3I", 124 + len(rows), len(behind), 0)
    head = b"BM" + struct.pack("<IHHI", 14 + len(header + rows + behind), 0, 0, 14 + 124)
    (HERE / name).write_bytes(head + header + rows + behind)


def rarer():
    rgb, rgba = picture(3, 255), Image.fromarray(picture(4, 255))
    frame_webp(rgba)
    points = [0.64, 0.33, 0.03, 0.21, 0.71, 0.08, 0.15, 0.06, 0.79]
    numbers = struct.pack("<9i3I", *[round(v * (1 << 30)) for v in points], *[144179] * 3)
    later_bmp("calibrated.bmp", rgb, bytes(4), numbers)
    later_bmp("embedded.bmp", rgb, b"MBED", behind=wide_profile())
    places = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000))
    extra = chunk(b"cICP", bytes([12, 13, 0, 1])) + chunk(b"gAMA", struct.pack(">I", 45470)) + places
    frame = chunk(b"fcTL", struct.pack(">5I2H2B", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0))
    png("described.png", rgb, 2, 8, extra=extra + chunk(b"acTL", struct.pack(">2I", 1, 0)) + frame)
    file = io.BytesIO()
    Image.fromarray(rgb).quantize(16).save(file, "GIF")
    file = bytearray(file.getvalue())
    file[6:10] = struct.pack("<HH", 70, 20)
    (HERE / "reaching.gif").write_bytes(file)


def cjpeg(name, scans, *options):
    """A JPEG of forms that Pillow does not write."""
    ppm = b"P6 %d %d 255\n" % (WIDTH, HEIGHT) + picture(3, 255).tobytes()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write(scans)
        script.flush()
        more = ["-scans", script.name] if scans else []
        command = ["cjpeg", "-quality", "85", *options, *more, "-outfile", HERE / name]
        subprocess.run(command, input=ppm, check=True)


def sampled():
    """Luma with fewer samples than chroma, colours in scans of their own, and arithmetic coding."""
    cjpeg("coarse.jpg", "", "-sample", "1x1,2x2,1x2")
    cjpeg("upright.jpg", "", "-sample", "1x2", "-progressive")
    cjpeg("apart.jpg", "0;\n1;\n2;\n", "-sample", "2x2")
    cjpeg("arithmetic.jpg", "", "-arithmetic", "-sample", "2x1", "-restart", "2B")


def lab():
    """Lab in the encodings of TIFF 6.0, with signs, and of ICC."""
    image = picture(4, 65535)[..., 1:].astype(int)
    signed = (image - [0, 32768, 32768]) & 65535
    tifffile.imwrite(
        HERE / "lab.tif", (signed >> 8).astype(np.uint8), photometric="cielab", compression="lzw", predictor=True,
        metadata=None,
    )
    image = (image * [65280 / 65535, 1, 1]).astype(np.uint16)
    tifffile.imwrite(
        HERE / "lab-16.tif", image, photometric="icclab", compression="deflate", tile=(32, 16), metadata=None
    )


def steps():
    """Frames of a disc that moves, with soft edges."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    frames = []
    for number in range(5):
        frame = picture(4, 255)
        soft = np.clip(14 - np.hypot(x - 8 - 11 * number, y - 20), 0, 1) * 255
        frame[..., 3] = 255 if number == 0 else np.rint(soft)
        frame[..., :3] = np.roll(frame[..., :3], 20 * number, axis=1)
        frames.append(frame)
    return frames


def moving_png(name, frames, top):
    """An animated PNG whose frames after the first are parts of the image, cleared, restored and kept in turn."""
    depth, scale = (16, 257) if top == 65535 else (8, 1)
    def packed(frame):
        rows = (frame.astype(np.uint16) * scale).astype(">u2" if depth == 16 else np.uint8)
        return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
    def control(number, frame, x, y, kind, over):
        height, width = frame.shape[:2]
        return chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, x, y, 1, 10, kind, over))
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, 6, 0, 0, 0))
    data += chunk(b"acTL", struct.pack(">2I", len(frames), 0)) + control(0, frames[0], 0, 0, 0, 0)
    data += chunk(b"IDAT", packed(frames[0]))
    number = 1
    for index, frame in enumerate(frames[1:]):
        part = frame[3 : 39 - index, 4 + index : 57]
        data += control(number, part, 4 + index, 3, (0, 1, 2, 0)[index], (1, 1, 0, 1)[index])
        data += chunk(b"fdAT", struct.pack(">I", number + 1) + packed(part))
        number += 2
    (HERE / name).write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b""))


def moving():
    """Animations whose frames are parts of the image and need the ones before them."""
    moving_png("moving.png", steps(), 255)
    moving_png("moving-16.png", steps(), 65535)
    images = [Image.fromarray(frame) for frame in steps()]
    options = dict(save_all=True, append_images=images[1:], duration=100)
    images[0].save(HERE / "moving.gif", disposal=[1, 2, 1, 3, 1], **options)
    images[0].save(HERE / "moving.webp", quality=80, **options)


def main():
    rgb = Image.fromarray(picture(3, 255))
    rgba = Image.fromarray(picture(4, 255))
    grey = Image.fromarray(picture(1, 255)[..., 0])
    grey16 = Image.fromarray(picture(1, 65535)[..., 0])

    rgb.save(HERE / "baseline-420.jpg", quality=85, subsampling=2)
    rgb.save(HERE / "baseline-444.jpg", quality=95, subsampling=0)
    rgb.save(HERE / "progressive.jpg", quality=85, progressive=True)
    grey.save(HERE / "grey.jpg", quality=85)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(HERE / "turned.jpg", quality=85, exif=exif)

    grey.save(HERE / "grey-8.png")
    rgba.save(HERE / "rgba-8.png")
    rgb.quantize(32).save(HERE / "palette.png")
    grey.convert("1").save(HERE / "bilevel.png")
    png("rgb-16.png", picture(3, 65535), 2, 16)
    png("rgba-16.png", picture(4, 65535), 6, 16)
    png("interlaced.png", picture(3, 255), 2, 8, interlaced=True)

    rgb.save(HERE / "rgb-lzw.tif", compression="tiff_lzw")
    grey16.save(HERE / "grey-16.tif")
    rgba.save(HERE / "rgba-deflate.tif", compression="tiff_adobe_deflate")
    rgb.convert("CMYK").save(HERE / "cmyk.tif", compression="tiff_lzw")
    grey.convert("F").save(HERE / "float.tif", compression="tiff_adobe_deflate")
    grey.save(HERE / "pages.tif", compression="tiff_lzw", save_all=True, append_images=[grey, grey])

    profiled()
    further()
    rarer()
    quantities()
    wavelets()
    sampled()
    lab()
    moving()

    tiled_tiff("tiled-16.tif", picture(3, 65535), 16)

    rgb.save(HERE / "lossy.webp", quality=80)
    rgba.save(HERE / "lossless.webp", lossless=True)
    rgb.save(HERE / "rgb.bmp")
    rgb.quantize(64).save(HERE / "still.gif")

    small = [frame.resize((16, 12)) for frame in (rgb, rgb.transpose(Image.Transpose.ROTATE_180))]
    small[0].save(HERE / "animated.gif", save_all=True, append_images=small[1:])
    small[0].save(HERE / "animated.webp", save_all=True, append_images=small[1:])
    small[0].save(HERE / "animated.png", save_all=True, append_images=small[1:])


if __name__ == "__main__":
    main()
