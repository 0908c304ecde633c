"""Filters beside those of Pillow, OpenCV and scikit-image."""

import itertools

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from skimage import color, exposure, filters

from common import check, compare, luma, ours, picture


@check
def grayscale_is_that_of_pillow():
    compare(ours(picture(), "grayscale"), luma(picture()), 0)
    bt709 = color.rgb2gray(picture()) * 255
    compare(ours(picture(), "grayscale:bt709"), bt709, 1)


@check
def invert_is_that_of_pillow():
    compare(ours(picture(), "invert"), np.asarray(ImageOps.invert(Image.fromarray(picture()))), 0)


@check
def sepia_is_the_matrix_of_the_w3c_as_opencv_multiplies_it():
    tint = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
    for amount in (1.0, 0.3):
        matrix = amount * tint + (1 - amount) * np.eye(3)
        compare(ours(picture(), f"sepia:{amount}"), cv2.transform(picture(), matrix), 1)
    wide = cv2.transform(picture(depth=16), tint)
    compare(ours(picture(depth=16), "sepia"), wide, 1)


@check
def brightness_is_that_of_pillow():
    for factor in (0.4, 1.7):
        expected = ImageEnhance.Brightness(Image.fromarray(picture())).enhance(factor)
        compare(ours(picture(), f"brightness:{factor}"), np.asarray(expected), 1)


@check
def contrast_is_that_of_opencv():
    for factor in (0.4, 1.7):
        expected = cv2.convertScaleAbs(np.maximum(picture() * factor + 127.5 * (1 - factor), 0))
        compare(ours(picture(), f"contrast:{factor}"), expected, 1)


@check
def gamma_is_that_of_scikit_image():
    for depth, gamma in itertools.product((8, 16), (0.45, 2.2)):
        array, top = picture(depth=depth), (1 << depth) - 1
        expected = exposure.adjust_gamma(array / top, 1 / gamma) * top
        compare(ours(array, f"gamma:{gamma}"), expected, 0.51)


@check
def saturation_is_that_of_pillow():
    for factor in (0.0, 0.5, 2.0):
        expected = ImageEnhance.Color(Image.fromarray(picture())).enhance(factor)
        # Pillow rounds the luma before it is multiplied, and cuts fractions off.
        compare(ours(picture(), f"saturation:{factor}"), np.asarray(expected), 2)


@check
def threshold_is_that_of_opencv():
    for percent in (20, 50):
        _, expected = cv2.threshold(luma(picture()), np.ceil(2.55 * percent) - 1, 255, cv2.THRESH_BINARY)
        compare(ours(picture(), f"threshold:{percent}"), expected, 0)


@check
def posterize_takes_the_nearest_level_as_numpy_finds_it():
    for levels in (2, 5, 16):
        steps = np.arange(levels) * 255 / (levels - 1)
        nearest = np.digitize(picture(), (steps[1:] + steps[:-1]) / 2)
        compare(ours(picture(), f"posterize:{levels}"), np.floor(steps[nearest] + 0.5), 0)


@check
def sixteen_bits_are_filtered_as_eight_are():
    """By the formulas that others compute with 8 bits."""
    wide, top = picture(depth=16), 65535
    exact = wide.astype(np.float64)
    luma16 = exact @ [0.299, 0.587, 0.114]
    compare(ours(wide, "invert"), top - exact, 0)
    compare(ours(wide, "grayscale"), luma16, 1)
    # Its weights have other fourth digits.
    compare(ours(wide, "grayscale:bt709"), color.rgb2gray(wide) * top, 16)
    for factor in (0.4, 1.7):
        compare(ours(wide, f"brightness:{factor}"), np.clip(exact * factor, 0, top), 0.51)
        compare(ours(wide, f"contrast:{factor}"), np.clip((exact - top / 2) * factor + top / 2, 0, top), 0.51)
        expected = luma16[..., None] + factor * (exact - luma16[..., None])
        compare(ours(wide, f"saturation:{factor}"), np.clip(expected, 0, top), 2)
    given = ours(wide, "threshold:30")
    given = given if given.ndim == 2 else given[..., 0]
    # Where luma is at the level either may be right.
    sure = np.abs(luma16 - 0.3 * top) > 1
    compare(given[sure][None], np.where(luma16 >= 0.3 * top, top, 0)[sure][None], 0)
    steps = np.arange(5) * top / 4
    nearest = np.digitize(wide, (steps[1:] + steps[:-1]) / 2)
    compare(ours(wide, "posterize:5"), np.floor(steps[nearest] + 0.5), 0)
    soft = cv2.GaussianBlur(exact, (13, 13), 2.0, borderType=cv2.BORDER_REPLICATE)
    # A blur of 16 bits may be off by 8, as above, and is multiplied.
    compare(ours(wide, "sharpen:1.5:2"), np.clip(exact + 1.5 * (exact - soft), 0, top), 13)
    means = exact[:77, :112].reshape(11, 7, 16, 7, 3).mean(axis=(1, 3))
    given = ours(wide, "pixelate:7")[:77, :112]
    compare(given, means.repeat(7, axis=0).repeat(7, axis=1), 0.51)


@check
def blur_is_that_of_opencv():
    for sigma in (0.7, 2.0, 8.0):
        side = 2 * int(np.ceil(3 * sigma)) + 1
        gauss = lambda array: cv2.GaussianBlur(array, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        compare(ours(picture(), f"blur:{sigma}"), gauss(picture().astype(np.float64)), 0.52)
        wide = picture(depth=16)
        compare(ours(wide, f"blur:{sigma}"), gauss(wide.astype(np.float64)), 8)


@check
def blur_weighs_colours_by_alpha():
    array = picture(channels=4)
    product = array.astype(np.float64)
    product[..., :3] *= product[..., 3:]
    product = cv2.GaussianBlur(product, (13, 13), 2.0, borderType=cv2.BORDER_REPLICATE)
    given = ours(array, "blur:2")
    compare(given[..., 3], product[..., 3], 0.52)
    seen = product[..., 3] > 8
    expected = product[..., :3] / np.maximum(product[..., 3:], 1)
    compare(given[..., :3][seen][None], expected[seen][None], 1)


@check
def box_is_that_of_opencv():
    for radius in (1, 2, 9):
        side = 2 * radius + 1
        box = lambda array: cv2.blur(array, (side, side), borderType=cv2.BORDER_REPLICATE)
        compare(ours(picture(), f"box:{radius}"), box(picture().astype(np.float64)), 0.51)
        wide = picture(depth=16)
        compare(ours(wide, f"box:{radius}"), box(wide.astype(np.float64)), 0.51)


@check
def sharpen_is_that_of_scikit_image():
    for amount, radius in ((1.0, 1.0), (2.5, 3.0)):
        # With `channel_axis` this version of it mixes the channels up.
        masked = [filters.unsharp_mask(plane, radius, amount, preserve_range=True)
                  for plane in np.moveaxis(picture(), -1, 0)]
        expected = np.clip(np.stack(masked, axis=-1), 0, 255)
        # Its bell is cut off at 4 sigma, ours at 3, and the difference is multiplied.
        inside = int(4 * radius) + 1
        compare(ours(picture(), f"sharpen:{amount}:{radius}"), expected, 1 + amount / 2, inside)


@check
def sharpen_leaves_small_differences_alone():
    array = picture()
    soft = cv2.GaussianBlur(array.astype(np.float64), (7, 7), 1.0, borderType=cv2.BORDER_REPLICATE)
    difference = array - soft
    expected = np.clip(np.where(np.abs(difference) >= 9, array + 1.5 * difference, array), 0, 255)
    given = ours(array, "sharpen:1.5:1:9").astype(float)
    # Where the difference is at the threshold either may be right.
    sure = np.abs(np.abs(difference) - 9) > 0.2
    compare(given[sure][None], expected[sure][None], 1)


@check
def edges_are_those_of_opencv():
    for depth in (8, 16):
        grey = picture(channels=1, depth=depth).astype(np.float64)
        across = cv2.Sobel(grey, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_REPLICATE)
        down = cv2.Sobel(grey, cv2.CV_64F, 0, 1, borderType=cv2.BORDER_REPLICATE)
        expected = np.minimum(cv2.magnitude(across, down) / 4, (1 << depth) - 1)
        compare(ours(picture(channels=1, depth=depth), "edges"), expected, 0.51)
    expected = filters.sobel(luma(picture()) / 255) * np.sqrt(2) * 255
    compare(ours(picture(), "edges"), expected, 0.51, inside=1)


@check
def emboss_is_a_convolution_of_opencv():
    kernel = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], float)
    for depth in (8, 16):
        array = picture(depth=depth)
        expected = cv2.filter2D(array, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        compare(ours(array, "emboss"), expected, 0)


@check
def median_is_that_of_opencv():
    for radius in (1, 2, 3, 6):
        compare(ours(picture(), f"median:{radius}"), cv2.medianBlur(picture(), 2 * radius + 1), 0)
    for radius in (1, 2):
        wide = picture(depth=16)
        compare(ours(wide, f"median:{radius}"), cv2.medianBlur(wide, 2 * radius + 1), 0)


@check
def pixelate_is_a_reduction_of_pillow():
    for size in (2, 7, 16):
        small = Image.fromarray(picture()).reduce(size)
        large = np.asarray(small).repeat(size, axis=0).repeat(size, axis=1)
        compare(ours(picture(), f"pixelate:{size}"), large[:83, :117], 1)


@check
def denoise_is_that_of_opencv():
    grey, both = picture(channels=1), picture()
    for array, strength in ((grey, 12), (both, 12), (grey, 30)):
        expected = cv2.fastNlMeansDenoising(array, None, strength, 7, 21)
        given = ours(array, f"denoise:{strength}:10:3")
        # It reflects the picture at its edges, and weighs in coarser steps.
        compare(given, expected, 2, inside=13)


@check
def equalize_is_that_of_opencv():
    grey = picture(channels=1)
    compare(ours(grey // 2 + 30, "equalize"), cv2.equalizeHist(grey // 2 + 30), 0)
    ycc = cv2.cvtColor(picture() // 3 + 60, cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = cv2.equalizeHist(ycc[..., 0])
    # A luma that is rounded the other way ends three levels off, and chroma is rounded twice.
    compare(ours(picture() // 3 + 60, "equalize"), cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), 8)
    wide = picture(channels=1, depth=16) // 3 + 9000
    share = exposure.equalize_hist(wide, nbins=65536)
    # It counts the darkest value, which OpenCV does not, and groups values in bins of its own.
    darkest = (wide == wide.min()).mean()
    compare(ours(wide, "equalize"), np.maximum(share - darkest, 0) / (1 - darkest) * 65535, 65535 * 0.002)


@check
def autolevels_are_those_of_pillow():
    array = (picture() * 0.6 + 40).astype(np.uint8)
    for cutoff in (0, 1, 5):
        expected = ImageOps.autocontrast(Image.fromarray(array), cutoff)
        compare(ours(array, f"autolevels:{cutoff}"), np.asarray(expected), 1)
