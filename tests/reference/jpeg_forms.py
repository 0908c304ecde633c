"""JPEG in all samplings, colours and scans that libjpeg-turbo writes, beside its own decoder."""

import itertools
import struct
import subprocess

import numpy as np
from PIL import Image

from common import TILEMILL, WORK, check, compare, noted, picture, read, refusal, run

SCANS = {
    "apart": "0;\n1;\n2;\n",
    "grouped": "0;\n1 2;\n",
    "refined": "0: 0-0, 0, 1;\n2: 0-0, 0, 1;\n1: 0-0, 0, 1;\n0: 1-5, 0, 2;\n1: 1-63, 0, 1;\n2: 1-63, 0, 1;\n"
    "0: 6-63, 0, 2;\n0: 1-63, 2, 1;\n0 1 2: 0-0, 1, 0;\n0: 1-63, 1, 0;\n1: 1-63, 1, 0;\n2: 1-63, 1, 0;\n",
}


def cjpeg(path, array, *options):
    """Writes a file; whether that is possible with these options."""
    height, width = array.shape[:2]
    ppm = b"P6 %d %d 255\n" % (width, height) + array.tobytes()
    return subprocess.run(["cjpeg", "-outfile", path, *options], input=ppm, capture_output=True).returncode == 0


def djpeg(path, *options):
    done = subprocess.run(["djpeg", *options, path], capture_output=True)
    # 2 is a warning.
    assert done.returncode in (0, 2), done.stderr
    (WORK / "djpeg.ppm").write_bytes(done.stdout)
    return np.asarray(Image.open(WORK / "djpeg.ppm"))


def run_all(paths, chain):
    """The results of many files, by their paths, and those that are refused with what was said."""
    target = WORK / "results"
    command = [TILEMILL, "run", *paths, "-o", f"{target}/", "--filters", chain, "--format", "png", "--overwrite"]
    subprocess.run(["rm", "-rf", target], check=True)
    words = subprocess.run(command, capture_output=True, text=True).stderr.splitlines()
    refused = {path: next((line for line in words if f"{path}: " in line), "") for path in paths}
    results = {path: target / path.with_suffix(".png").name for path in paths}
    given = {path: read(result) for path, result in results.items() if result.exists()}
    return given, {path: line for path, line in refused.items() if path not in given}


def samplings(array, *options):
    """A file for each sampling that cjpeg can write."""
    for factors in itertools.product(range(1, 5), repeat=6):
        sampling = ",".join(f"{across}x{down}" for across, down in zip(factors[::2], factors[1::2]))
        path = WORK / f"sampled-{sampling}.jpg"
        if cjpeg(path, array, "-quality", "90", "-sample", sampling, *options):
            yield path


def smooth(height=43, width=61):
    """A picture without noise: what is enlarged otherwise shows."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / width, 127 + 120 * np.sin(x / 6) * np.cos(y / 9), np.where(np.hypot(x - 30, y - 20) < 14, 200, y * 3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


@check
def jpeg_of_every_sampling_is_decoded_as_djpeg_does():
    (WORK / "apart.txt").write_text(SCANS["apart"])
    # With all components in a scan there are at most ten blocks in an MCU; apart there are more samplings.
    for count, options in ((311, []), (311, ["-progressive"]), (1156, ["-scans", WORK / "apart.txt"])):
        paths = list(samplings(smooth(), *options))
        assert len(paths) == count, len(paths)
        given, refused = run_all(paths, "")
        for path in paths:
            if "3x" in path.stem:
                assert "JPEG with a component sampled 3x" in refused[path], refused[path]
            else:
                # Inverse transforms are a level apart, and blue is up to 1.772 times that.
                compare(given[path], djpeg(path), 3)


@check
def jpeg_luma_is_that_of_the_file_in_every_sampling():
    paths = [path for path in samplings(picture(43, 61)) if "3x" not in path.stem]
    for chain in ("grayscale", "brightness:1,grayscale", "sepia:0,sharpen:0,grayscale"):
        given, refused = run_all(paths, chain)
        assert not refused, refused
        for path in paths:
            compare(given[path], djpeg(path, "-grayscale"), 1)
    hard = WORK / "hard.jpg"
    for quality in ("10", "75"):
        cjpeg(hard, picture(), "-quality", quality, "-sample", "2x2")
        results = {}
        for chain in ("grayscale", "gamma:1,grayscale", "edges", "grayscale,edges", "threshold", "grayscale,threshold"):
            run(hard, chain, WORK / "out.png")
            results[chain] = read(WORK / "out.png")
        compare(results["grayscale"], djpeg(hard, "-grayscale"), 1)
        compare(results["gamma:1,grayscale"], results["grayscale"], 0)
        compare(results["edges"], results["grayscale,edges"], 0)
        compare(results["threshold"], results["grayscale,threshold"], 0)


@check
def jpeg_in_every_order_of_scans_is_decoded_as_djpeg_does():
    for name, script in SCANS.items():
        (WORK / f"{name}.txt").write_text(script)
    options = {
        "arithmetic": ["-arithmetic"],
        "arithmetic-progressive": ["-arithmetic", "-progressive"],
        "arithmetic-restarts": ["-arithmetic", "-restart", "2B"],
        "progressive-restarts": ["-progressive", "-restart", "3B"],
        "apart": ["-scans", WORK / "apart.txt"],
        "arithmetic-apart": ["-arithmetic", "-scans", WORK / "apart.txt"],
        "refined": ["-scans", WORK / "refined.txt"],
        "refined-restarts": ["-scans", WORK / "refined.txt", "-restart", "2B"],
        "apart-restarts": ["-scans", WORK / "apart.txt", "-restart", "3B"],
        "grouped": ["-scans", WORK / "grouped.txt"],
    }
    paths = []
    for (height, width), sampling in itertools.product(
        ((1, 1), (9, 7), (17, 9), (33, 17), (15, 31), (64, 64)), ("1x1", "2x1", "1x2", "2x2", "4x1", "1x1,2x2,2x2")
    ):
        for name, more in options.items():
            paths.append(WORK / f"{name}_{height}x{width}_{sampling}.jpg")
            assert cjpeg(paths[-1], picture(height, width), "-quality", "85", "-sample", sampling, *more)
    given, refused = run_all(paths, "")
    for path in paths:
        if path.stem.startswith(("apart-restarts", "grouped")):
            assert "jpegtran" in refused[path], refused[path]
        else:
            compare(given[path], djpeg(path), 3)


@check
def jpeg_edges_are_not_mixed_with_what_fills_the_last_blocks():
    array = np.full((32, 32, 3), (40, 60, 200), np.uint8)
    array[30:], array[:, 30:] = (220, 40, 30), (220, 40, 30)
    for sampling, (height, width) in itertools.product(("2x2", "2x1", "1x2"), ((30, 30), (30, 32), (32, 30))):
        path = WORK / "edge.jpg"
        cjpeg(path, array, "-quality", "95", "-sample", sampling)
        file = bytearray(path.read_bytes())
        frame = file.index(b"\xff\xc0")
        # The rest of the picture becomes what fills its last blocks, as cameras leave it there.
        file[frame + 5 : frame + 9] = struct.pack(">2H", height, width)
        path.write_bytes(file)
        run(path, "", WORK / "out.png")
        compare(read(WORK / "out.png"), djpeg(path), 3)


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def without_segments(file):
    """A file without what stands before its tables."""
    at = 2
    while file[at + 1] in (*range(0xE0, 0xF0), 0xFE):
        at += 2 + struct.unpack(">H", file[at + 2 : at + 4])[0]
    return file[at:]


JFIF = segment(0xE0, b"JFIF\0\1\1\1\0\x48\0\x48\0\0")


def adobe(transform):
    return segment(0xEE, b"Adobe" + struct.pack(">3HB", 100, 0, 0, transform))


@check
def jpeg_colours_are_those_that_djpeg_sees():
    path = WORK / "told.jpg"
    cjpeg(path, picture(), "-quality", "90", "-sample", "1x1")
    rest = without_segments(path.read_bytes())
    frame = rest.index(b"\xff\xc0")
    for ids, told in itertools.product(
        (b"\1\2\3", b"RGB", b"\0\1\2", b"rgb"),
        (b"", JFIF, adobe(0), adobe(1), adobe(9), JFIF + adobe(0), adobe(0) + JFIF, JFIF + adobe(1)),
    ):
        named = bytearray(rest)
        for index in range(3):
            named[frame + 10 + 3 * index] = ids[index]
            named[named.index(b"\xff\xda") + 5 + 2 * index] = ids[index]
        path.write_bytes(b"\xff\xd8" + told + bytes(named))
        run(path, "", WORK / "out.png")
        try:
            compare(read(WORK / "out.png"), djpeg(path), 3)
        except AssertionError as error:
            raise AssertionError(f"{ids} {told}: {error}") from None


@check
def jpeg_height_may_come_behind_the_first_scan():
    path = WORK / "lines.jpg"
    for options in ([], ["-progressive"], ["-restart", "1"]):
        cjpeg(path, picture(), "-quality", "90", *options)
        expected, file = djpeg(path), bytearray(path.read_bytes())
        frame = max(file.find(b"\xff\xc0"), file.find(b"\xff\xc2"))
        lines = bytes(file[frame + 5 : frame + 7])
        file[frame + 5 : frame + 7] = bytes(2)
        # Behind the data of the first scan: at the next marker that is neither a restart nor a stuffed zero.
        at = file.index(b"\xff\xda") + 2
        while not (file[at] == 0xFF and file[at + 1] not in (0, *range(0xD0, 0xD8))):
            at += 1
        path.write_bytes(file[:at] + segment(0xDC, lines) + file[at:])
        run(path, "", WORK / "out.png")
        compare(read(WORK / "out.png"), expected, 3)
        path.write_bytes(file)
        told = refusal(lambda: run(path, "", WORK / "out.png"))
        assert "damaged" in told, told


@check
def jpeg_that_is_not_read_is_called_by_its_name():
    path = WORK / "named.jpg"
    cjpeg(path, picture(), "-quality", "90")
    file = path.read_bytes()
    frame = file.index(b"\xff\xc0")
    for place, value, words in (
        (1, 0xC3, "lossless coding"), (1, 0xCB, "lossless coding"), (1, 0xC5, "hierarchical coding"),
        (4, 12, "samples of 12 bits"), (9, 2, "2 components"),
    ):
        changed = bytearray(file)
        changed[frame + place] = value
        path.write_bytes(changed)
        told = refusal(lambda: run(path, "", WORK / "out.png"))
        assert f"JPEG with {words} cannot be processed" in told, told


@check
def the_first_exif_of_a_jpeg_counts_and_its_density_wherever_it_stands():
    block = lambda turned, name: b"Exif\0\0" + b"II*\0\x08\0\0\0\x02\0" + struct.pack(
        "<HHIHHHHII", 274, 3, 1, turned, 0, 33432, 2, 8, 38) + bytes(4) + name
    path = WORK / "told.jpg"
    cjpeg(path, picture(), "-quality", "90")
    rest = without_segments(path.read_bytes())
    first, second = segment(0xE1, block(6, b"(c) one\0")), segment(0xE1, block(1, b"(c) two\0"))
    density = segment(0xE0, b"JFIF\0\1\1\1" + struct.pack(">2H", 300, 150) + bytes(2))
    comment = segment(0xFE, b"a comment")
    for told in (first + second + density, comment + density + first + second, first + comment + second + density):
        path.write_bytes(b"\xff\xd8" + told + rest)
        run(path, "", WORK / "out.png")
        given = Image.open(WORK / "out.png")
        assert given.size == (83, 117), given.size
        assert given.getexif()[33432] == "(c) one", dict(given.getexif())
        # Turned by a quarter.
        assert [round(side) for side in given.info["dpi"]] == [150, 300], given.info["dpi"]


@check
def what_announces_other_images_goes_with_them():
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
        b' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg"/></rdf:RDF></x:xmpmeta>'
    )
    images = struct.pack("<HHI", 0xB002, 7, 32) + struct.pack("<I", 26) + bytes(4)
    images = b"MPF\0II*\0\x08\0\0\0\1\0" + images + struct.pack("<4I", 0x20030000, 1, 0, 0) + struct.pack("<4I", 0, 1, 9, 0)
    path = WORK / "more.jpg"
    cjpeg(path, picture(), "-quality", "90")
    file = path.read_bytes()
    rest = without_segments(file) + file
    announced = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    iso = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    for told, words in (
        (announced + segment(0xE2, images), "the gain map of the file was left out"),
        (iso, "the gain map of the file was left out"),
        (segment(0xE2, images), "another image of the file was left out"),
    ):
        path.write_bytes(b"\xff\xd8" + told + rest)
        for extension, policy in itertools.product(("jpg", "png", "tif", "webp"), ("safe", "all", "none")):
            target = WORK / f"alone.{extension}"
            assert words in noted(path, "", target, TILEMILL_OUTPUT__METADATA=policy)
            result = target.read_bytes()
            for name in (b"hdrgm", b"hdr-gain-map", b"MPF\0", b"21496"):
                assert name not in result, (extension, policy, name)
            if told.startswith(announced) and policy == "all":
                assert b'dc:format="image/jpeg"' in result, extension
