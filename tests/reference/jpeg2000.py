"""JPEG 2000, alone and in TIFF, beside OpenJPEG by Pillow and imagecodecs."""

import cv2
import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from common import WORK, check, compare, picture, refusal, run, swap

OUT, TIFF = WORK / "wavelets-out.png", WORK / "wavelets-out.tif"


def read(path):
    run(path, "", OUT)
    array = cv2.imread(str(OUT), cv2.IMREAD_UNCHANGED)
    return array if array.ndim == 2 else swap(array)


def encoded(name, array, **options):
    path = WORK / name
    path.write_bytes(imagecodecs.jpeg2k_encode(np.ascontiguousarray(array), **options))
    return path


@check
def reversible_jpeg_2000_has_the_pixels_that_were_written():
    for channels in (1, 3, 4):
        for depth in (8, 16):
            array = picture(channels=channels, depth=depth)
            for kind in ("jp2", "j2k") if channels < 4 else ():
                path = encoded(f"a.{kind}", array, codecformat=kind, reversible=True)
                compare(read(path), array, 0)
    for mode, channels in (("L", 1), ("RGB", 3), ("RGBA", 4), ("LA", 2)):
        image = Image.fromarray(picture(channels=4)).convert(mode)
        for options in ({}, {"tile_size": (40, 24)}, {"num_resolutions": 1}, {"progression": "CPRL", "tile_size": (50, 50)}):
            image.save(WORK / "a.jp2", irreversible=False, **options)
            run(WORK / "a.jp2", "", OUT)
            compare(np.asarray(Image.open(OUT).convert(mode)), np.asarray(image), 0)


@check
def irreversible_jpeg_2000_is_decoded_as_openjpeg_does():
    image = Image.fromarray(picture())
    for rates in ([40], [30, 10, 4]):
        image.save(WORK / "a.jp2", irreversible=True, quality_mode="rates", quality_layers=rates)
        compare(read(WORK / "a.jp2"), np.asarray(Image.open(WORK / "a.jp2")), 1)
    deep = picture(channels=3, depth=16)
    path = encoded("a.jp2", deep, level=60, reversible=False)
    compare(read(path), imagecodecs.jpeg2k_decode(path.read_bytes()), 4)


@check
def jpeg_2000_of_other_samples_is_as_in_tiff():
    twelve = picture(channels=1, depth=16) >> 4
    path = encoded("a.jp2", twelve, bitspersample=12, reversible=True)
    compare(read(path), np.floor(twelve * 65535.0 / 4095 + 0.5), 0)
    signed = (picture(channels=1, depth=16).astype(np.int32) - 30000).astype(np.int16)
    run(encoded("a.j2k", signed, codecformat="j2k", reversible=True), "", TIFF)
    given = tifffile.imread(TIFF)
    assert given.dtype == np.int16 and (given == signed).all()
    bands = np.concatenate([picture(channels=4), picture(channels=1)[..., None]], axis=-1)
    for count in (4, 5):
        path = encoded("a.j2k", bands[..., :count], codecformat="j2k", reversible=True)
        told = refusal(lambda path=path: run(path, "grayscale", OUT))
        assert f"{count} bands" in told and "bands:3,2,1" in told, told
        run(path, "bands:3,2,1", OUT)
        compare(swap(cv2.imread(str(OUT), cv2.IMREAD_UNCHANGED)), bands[..., 2::-1], 0)


@check
def jpeg_2000_inside_tiff_is_decoded_as_tifffile_does():
    for dtype, channels in (("uint8", 3), ("uint16", 3), ("uint8", 1), ("uint16", 4)):
        array = picture(channels=channels, depth=8 if dtype == "uint8" else 16)
        for compression in ("jpeg2000", "aperio_jp2000_rgb") if channels == 3 else ("jpeg2000",):
            for options in ({"tile": (32, 48)}, {"rowsperstrip": 20}):
                tifffile.imwrite(
                    WORK / "a.tif", array, photometric="rgb" if channels > 1 else "minisblack",
                    compression=compression, compressionargs={"reversible": True, "codecformat": "j2k"},
                    extrasamples=["unassalpha"] if channels == 4 else None, **options,
                )
                run(WORK / "a.tif", "", TIFF)
                compare(tifffile.imread(TIFF), array, 0)


@check
def jpeg_2000_of_aperio_with_ycbcr_inside_becomes_rgb():
    array = picture()
    ycc = cv2.cvtColor(swap(array), cv2.COLOR_BGR2YCrCb)[..., [0, 2, 1]]
    arguments = {"reversible": True, "codecformat": "j2k", "mct": False}
    tifffile.imwrite(
        WORK / "a.tif", ycc, photometric="ycbcr", compression="aperio_jp2000_ycbc", tile=(32, 48),
        compressionargs=arguments, subsampling=(1, 1),
    )
    # Rounded to YCbCr and back.
    compare(read(WORK / "a.tif"), array, 3)


@check
def jpeg_2000_that_is_cut_short_is_refused():
    image = Image.fromarray(picture())
    image.save(WORK / "a.jp2", irreversible=False)
    whole = (WORK / "a.jp2").read_bytes()
    for length in (20, 120, len(whole) // 2, len(whole) - 9):
        (WORK / "cut.jp2").write_bytes(whole[:length])
        told = refusal(lambda: run(WORK / "cut.jp2", "", OUT))
        assert "JPEG 2000 file is damaged or incomplete" in told, told
