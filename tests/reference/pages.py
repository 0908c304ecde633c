"""TIFF of several pages, stacks of ImageJ, smaller copies and masks, beside tifffile."""

import itertools

import numpy as np
import tifffile

from common import WORK, check, compare, noted, picture, refusal

PATH = WORK / "pages.tif"
OUT = WORK / "pages-out.tif"


def page(number):
    noted(PATH, "", OUT, page=number)
    return tifffile.imread(OUT)


@check
def pages_are_counted_as_by_tifffile():
    arrays = [picture(), 255 - picture(), picture(channels=1), picture(depth=16)[:40], picture(channels=4)]
    for options in ({}, {"compression": "lzw", "predictor": True}, {"tile": (32, 48)}, {"bigtiff": True}, {"byteorder": ">"}):
        with tifffile.TiffWriter(PATH, **{k: v for k, v in options.items() if k in ("bigtiff", "byteorder")}) as file:
            for array in arrays:
                photometric = "rgb" if array.ndim == 3 else "minisblack"
                extra = {"extrasamples": ["unassalpha"]} if array.ndim == 3 and array.shape[2] == 4 else {}
                rest = {k: v for k, v in options.items() if k not in ("bigtiff", "byteorder")}
                file.write(array, photometric=photometric, metadata=None, **extra, **rest)
        for number, array in enumerate(arrays):
            compare(page(number), array, 0)
        compare(page(None), arrays[0], 0)
        told = refusal(lambda: page(len(arrays)))
        assert "there is no page 5; the last page of the file is 4, counted from 0" in told, told


@check
def pages_of_a_stack_of_imagej_have_one_directory():
    for dtype, order in itertools.product(("uint8", "uint16", "float32"), "<>"):
        stack = np.stack([picture(channels=1, depth=16) // (number + 1) for number in range(5)]).astype(dtype)
        if order == ">":
            tifffile.imwrite(PATH, stack, imagej=True)
        else:
            tifffile.imwrite(PATH, stack, imagej=True, byteorder="<")
        # As ImageJ itself writes it: the first directory alone.
        with tifffile.TiffFile(PATH) as file:
            at = file.pages[0].offset
            order = file.byteorder
        data = bytearray(PATH.read_bytes())
        count = int.from_bytes(data[at : at + 2], "little" if order == "<" else "big")
        data[at + 2 + 12 * count : at + 6 + 12 * count] = bytes(4)
        PATH.write_bytes(data)
        for number in range(5):
            compare(page(number), stack[number], 0)
        assert "there is no page 5; the last" in refusal(lambda: page(5))


@check
def smaller_copies_and_labels_are_not_taken_for_the_picture():
    whole = picture(height=200, width=300)
    with tifffile.TiffWriter(PATH) as file:
        file.write(whole[::8, ::8], photometric="rgb", subfiletype=1, metadata=None)
        file.write(whole, photometric="rgb", subifds=2, tile=(64, 64), metadata=None)
        file.write(whole[::2, ::2], photometric="rgb", subfiletype=1, tile=(64, 64), metadata=None)
        file.write(whole[::4, ::4], photometric="rgb", subfiletype=1, tile=(64, 64), metadata=None)
        file.write(255 - whole[:50, :50], photometric="rgb", subfiletype=9, metadata=None)
    said = noted(PATH, "", OUT)
    assert "the first of" not in said, said
    compare(tifffile.imread(OUT), whole, 0)
    compare(page(0), whole[::8, ::8], 0)
    compare(page(2), 255 - whole[:50, :50], 0)


@check
def a_mask_is_that_of_the_page_before_it():
    one, other = picture(), 255 - picture()
    with tifffile.TiffWriter(PATH) as file:
        file.write(one, photometric="rgb", metadata=None)
        file.write(other, photometric="rgb", metadata=None)
        file.write(other[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
        file.write(masks(), photometric="mask", subfiletype=4, metadata=None)
    for number in (None, 0):
        compare(page(number), one, 0)
    given = page(1)
    assert np.array_equal(given[..., 3] > 0, masks())
    compare(given[..., :3][masks()][None], other[masks()][None], 0)


@check
def a_mask_of_signed_numbers_gives_their_lowest():
    array = (picture(channels=1, depth=16) // 4).astype("int16")
    with tifffile.TiffWriter(PATH) as file:
        file.write(array, photometric="minisblack", metadata=None)
        file.write(masks(), photometric="mask", subfiletype=4, metadata=None)
    noted(PATH, "", OUT)
    given = tifffile.TiffFile(OUT).pages[0]
    assert given.tags[42113].value == "-32768", given.tags[42113].value
    assert np.array_equal(given.asarray(), np.where(masks(), array, -32768))


def masks():
    full = np.zeros((83, 117), bool)
    full[10:70, 15:100] = True
    full[30:40, 50:60] = False
    return full


@check
def masks_make_pixels_empty():
    full = masks()
    for dtype, bands, compression in itertools.product(("uint8", "uint16", "float32"), (1, 3), (None, "zlib")):
        array = (picture(channels=bands, depth=16) >> 8).astype(dtype)
        with tifffile.TiffWriter(PATH) as file:
            file.write(array, photometric="rgb" if bands == 3 else "minisblack", metadata=None, rowsperstrip=13)
            file.write(full, photometric="mask", subfiletype=4, compression=compression, metadata=None)
        noted(PATH, "box:1", OUT)
        given = tifffile.imread(OUT)
        if dtype == "float32":
            empty = np.isnan(given).reshape(83, 117, -1).all(axis=-1)
            values = given
        else:
            empty, values = given[..., -1] == 0, given[..., :-1]
        assert np.array_equal(empty, ~full), "other pixels are empty"
        weights = np.pad(full, 1, mode="edge").astype(float)
        padded = np.pad(np.where(full[..., None], array.reshape(83, 117, -1), 0).astype(float), [(1, 1), (1, 1), (0, 0)], mode="edge")
        places = list(itertools.product(range(3), range(3)))
        sums = sum(padded[y : y + 83, x : x + 117] for y, x in places)
        count = sum(weights[y : y + 83, x : x + 117] for y, x in places)
        expected = sums / np.maximum(count, 1)[..., None]
        compare(values.reshape(83, 117, -1)[full][None], expected[full][None], 0.5001 if dtype != "float32" else 0.01)
