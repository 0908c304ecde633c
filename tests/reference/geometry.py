"""Filters that move pixels, beside NumPy, Pillow and OpenCV."""

import cv2
import numpy as np
from PIL import Image

import samples
from common import check, compare, ours, picture, refusal, run


def of_floats(array, chain, nodata=None):
    samples.write(array, nodata)
    run(samples.PATH, chain, samples.OUT)
    return samples.seen()


@check
def crop_is_a_slice_of_numpy():
    compare(ours(picture(), "crop:5:7:61:40"), picture()[7:47, 5:66], 0)
    compare(ours(picture(), "crop:90:50"), picture()[50:, 90:], 0)
    blurred = cv2.boxFilter(picture()[10:60, 20:80], -1, (5, 5), borderType=cv2.BORDER_REPLICATE)
    compare(ours(picture(), "crop:20:10:60:50,box:2"), blurred, 1)


@check
def rotate_and_flip_are_those_of_numpy():
    for depth in (8, 16):
        for channels in (1, 3, 4):
            array = picture(channels=channels, depth=depth)
            for angle, turns in (("", -1), (":180", 2), (":270", 1)):
                compare(ours(array, f"rotate{angle}"), np.rot90(array, turns), 0)
            compare(ours(array, "flip"), array[:, ::-1], 0)
            compare(ours(array, "flip:vertical"), array[::-1], 0)


@check
def resize_to_a_smaller_image_is_the_exact_mean_of_areas():
    for width, height in ((40, 30), (117, 20), (13, 83), (1, 1), (58, 41)):
        exact = means_of_areas(picture().astype(float), width, height)
        compare(ours(picture(), f"resize:{width}:{height}"), np.floor(exact + 0.5), 0)
        # OpenCV's weights are floats, and its vertical sums are rounded.
        near = cv2.resize(picture(), (width, height), interpolation=cv2.INTER_AREA)
        compare(ours(picture(), f"resize:{width}:{height}"), near, 1)
    wide = picture(depth=16)
    exact = means_of_areas(wide.astype(float), 40, 30)
    compare(ours(wide, "resize:40:30"), np.floor(exact + 0.5), 0)
    floats = (picture(channels=1, depth=16) / 7.0 - 900).astype(np.float32)
    compare(of_floats(floats, "resize:40:30"), means_of_areas(floats.astype(float), 40, 30), 1e-3)


def means_of_areas(array, width, height):
    """The mean over the area of each new pixel, by the overlaps along each side."""
    down, across = overlaps(array.shape[0], height), overlaps(array.shape[1], width)
    return np.einsum("yi,xj,ij...->yx...", down, across, array)


def overlaps(old, new):
    edges = np.arange(new + 1) * old / new
    starts = np.arange(old)
    shared = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.clip(shared, 0, None) * new / old


@check
def resize_by_lanczos_is_the_exact_mean_and_that_of_pillow():
    for width, height in ((200, 150), (60, 41), (117, 200), (50, 83)):
        chain = f"resize:{width}:{height}:kernel=lanczos"
        for channels in (1, 3):
            array = picture(channels=channels)
            exact = np.einsum("yi,xj,ij...->yx...", lanczos(83, height), lanczos(117, width), array.astype(float))
            compare(ours(array, chain), np.clip(np.floor(exact + 0.5), 0, 255), 1)
            # Pillow rounds to eight bits between the two directions, and clips there what reaches over black or white.
            soft = array // 2 + 64
            expected = np.asarray(Image.fromarray(soft).resize((width, height), Image.Resampling.LANCZOS))
            compare(ours(soft, chain), expected, 2)
    floats = (picture(channels=1, depth=16) / 7.0).astype(np.float32)
    expected = np.asarray(Image.fromarray(floats).resize((201, 90), Image.Resampling.LANCZOS))
    compare(of_floats(floats, "resize:201:90:kernel=lanczos"), expected, 0.05)


def lanczos(old, new):
    """The weights of the old pixels of each new one, over at least three pixels to both sides."""
    scale = old / new
    places = (np.arange(old) + 0.5 - (np.arange(new)[:, None] + 0.5) * scale) / max(scale, 1)
    weights = np.where(np.abs(places) < 3, np.sinc(places) * np.sinc(places / 3), 0)
    return weights / weights.sum(axis=1, keepdims=True)


@check
def resize_to_a_larger_image_is_lanczos_and_each_side_goes_its_own_way():
    given = ours(picture(), "resize:200:150")
    compare(given, ours(picture(), "resize:200:150:kernel=lanczos"), 0)
    exact = np.einsum("yi,xj,ij...->yx...", overlaps(83, 40), lanczos(117, 200), picture().astype(float))
    compare(ours(picture(), "resize:200:40"), np.clip(np.floor(exact + 0.5), 0, 255), 1)


@check
def resize_by_the_nearest_pixel_is_that_of_pillow():
    for width, height in ((40, 30), (300, 200), (117, 83)):
        expected = Image.fromarray(picture()).resize((width, height), Image.Resampling.NEAREST)
        compare(ours(picture(), f"resize:{width}:{height}:kernel=nearest"), np.asarray(expected), 0)


@check
def resize_weighs_colours_by_alpha():
    array = picture(channels=4)
    alpha = array[..., 3:].astype(float)
    weight = means_of_areas(alpha, 40, 30)
    colours = means_of_areas(array[..., :3] * alpha, 40, 30) / np.maximum(weight, 1e-9)
    given = ours(array, "resize:40:30")
    compare(given[..., 3:], np.floor(weight + 0.5), 0)
    compare(given[..., :3], np.floor(colours + 0.5), 0)


@check
def resize_takes_no_part_of_empty_pixels_and_keeps_those_that_are_empty_by_half():
    array = (picture(channels=1, depth=16) / 7.0).astype(np.float32)
    seen = np.hypot(*np.mgrid[-40:43, -60:57]) < 37
    array[~seen] = -9999
    weight = means_of_areas(seen.astype(float), 40, 30)
    values = means_of_areas(np.where(seen, array, 0).astype(float), 40, 30) / np.maximum(weight, 1e-9)
    compare(of_floats(array, "resize:40:30", "-9999"), np.where(weight >= 0.5, values, -9999), 2e-3)


@check
def resize_keeps_the_shape_of_the_image():
    for chain, size in (("resize:39", (39, 28)), ("resize:height=200", (282, 200)), ("resize:percent=33.3", (39, 28))):
        height, width = ours(picture(), chain).shape[:2]
        assert (width, height) == size, f"{chain} makes {width} x {height}"


@check
def what_does_not_fit_is_refused_in_words():
    for chain, words in (
        ("crop:0:0:118:83", "keeps 118 × 83 at (0, 0), which reaches outside"),
        ("resize:10:percent=20", "takes percent, or width and height, and not both"),
        ("resize:1000000:1000000", "the filters make the image too large: 1000000 × 1000000 pixels"),
    ):
        said = refusal(lambda chain=chain: ours(picture(), chain))
        assert words in said, said
