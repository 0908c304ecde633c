"""Makes the small images beside it. Needs Pillow (made with 13.0) and NumPy.

The files are committed, because other versions of Pillow write other bytes.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
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


def png(name, array, colour, depth, interlaced=False):
    """Pillow writes neither interlaced PNGs nor colours of 16 bits."""
    parts = adam7(array) if interlaced else [array]
    raw = b"".join(
        b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes()
        for part in parts
        if part.size
        for row in part
    )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, int(interlaced))
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
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
