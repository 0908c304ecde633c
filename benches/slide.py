"""Makes a tiled TIFF of 65,536² pixels with JPEG inside, whose tiles are those of a picture of 2,048², repeated.

slide.py PICTURE.jpg SLIDE.tif
"""

import struct
import subprocess
import sys
import tempfile

SIDE, TILE, PICTURE = 65536, 512, 2048
SHORT, LONG = 3, 4


def stream(picture, column, row):
    """One tile of the picture as JPEG, YCbCr 4:2:0."""
    with tempfile.NamedTemporaryFile(suffix=".ppm") as tile:
        place = [str(TILE * column), str(TILE * row), str(TILE), str(TILE)]
        subprocess.run(["vips", "crop", picture, tile.name, *place], check=True)
        return subprocess.run(["cjpeg", "-quality", "85", tile.name], check=True, capture_output=True).stdout


def main(picture, slide):
    each = PICTURE // TILE
    streams = [stream(picture, column, row) for row in range(each) for column in range(each)]
    offsets, at = [], 8
    for part in streams:
        offsets.append(at)
        at += len(part)
    across = SIDE // TILE
    order = [row % each * each + column % each for row in range(across) for column in range(across)]
    where = struct.pack(f"<{len(order)}I", *(offsets[index] for index in order))
    lengths = struct.pack(f"<{len(order)}I", *(len(streams[index]) for index in order))
    bits = struct.pack("<3H", 8, 8, 8)
    entries = [
        (256, LONG, 1, SIDE),
        (257, LONG, 1, SIDE),
        (258, SHORT, 3, at + len(where) + len(lengths)),
        (259, SHORT, 1, 7),
        (262, SHORT, 1, 6),
        (277, SHORT, 1, 3),
        (284, SHORT, 1, 1),
        (322, LONG, 1, TILE),
        (323, LONG, 1, TILE),
        (324, LONG, len(order), at),
        (325, LONG, len(order), at + len(where)),
        (530, SHORT, 2, 2 | 2 << 16),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start = at + len(where) + len(lengths) + len(bits)
    with open(slide, "wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, start))
        file.writelines([*streams, where, lengths, bits, directory, struct.pack("<I", 0)])


main(*sys.argv[1:])
