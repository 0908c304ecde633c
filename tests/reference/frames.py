"""Frames of animated GIF, WebP and PNG, beside what OpenCV and Pillow show.

Pillow 13.0 differs from the formats and from browsers in three ways. Where a GIF is cleared, it shows the background
colour of the file if the first frame is opaque, and browsers show nothing. It keeps a first frame that is to be
removed. It mixes the alpha of a PNG as if it were a colour.
"""

import itertools

import cv2
import numpy as np
from PIL import Image, ImageSequence

from common import DATA, WORK, check, compare, noted, picture, read, refusal, swap

OUT = WORK / "frame.png"


def frame(path, number):
    noted(path, "", OUT, page=number)
    return read(OUT)


def shown(path):
    """All frames as Pillow shows them."""
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


def shown_by_opencv(path):
    _, animation = cv2.imreadanimation(str(path))
    return [swap(np.asarray(frame)) for frame in animation.frames]


def seen(array):
    """Colours where they can be seen: those of transparent pixels mean nothing."""
    if array.shape[2] == 3:
        array = np.dstack([array, np.full(array.shape[:2], 255)])
    alpha = array[..., 3:].astype(float)
    return np.concatenate([array[..., :3] * alpha / 255, alpha], axis=-1)


def compare_frames(path, largest, by=shown):
    expected = by(path)
    for number, array in enumerate(expected):
        compare(seen(frame(path, number)), seen(array), largest)
    told = refusal(lambda: frame(path, len(expected)))
    last = len(expected) - 1
    assert f"there is no page {last + 1}; the last page of the file is {last}, counted from 0" in told, told


def discs(channels=4):
    """Frames of a disc that moves over a picture, with soft edges."""
    y, x = np.mgrid[0:83, 0:117]
    frames = []
    for number in range(6):
        array = np.roll(picture(channels=4), 9 * number, axis=1)
        array[..., 3] = np.clip(20 - np.hypot(x - 15 - 16 * number, y - 40), 0, 1) * 255 if number else 255
        frames.append(Image.fromarray(array[..., :channels].copy()))
    return frames


@check
def the_frames_of_the_tests_own_files_are_those_of_others():
    for name in ("animated.gif", "animated.png", "moving.gif", "moving.png"):
        compare_frames(DATA / name, 1 if name == "moving.png" else 0, by=shown_by_opencv)
    compare_frames(DATA / "animated.gif", 0)
    compare_frames(DATA / "animated.png", 0)
    # Lossy: the decoders round luma and chroma in other ways.
    compare_frames(DATA / "animated.webp", 4)
    compare_frames(DATA / "moving.webp", 4)


@check
def frames_of_gif_are_those_of_opencv_and_pillow():
    for channels, disposal in itertools.product((3, 4), (0, 1, 2, 3, [1, 2, 3, 1, 3, 2])):
        frames = discs(channels)
        path = WORK / "frames.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:], disposal=disposal, duration=50)
        compare_frames(path, 0, by=shown_by_opencv)
        if disposal in (0, 1):
            compare_frames(path, 0)


@check
def frames_of_webp_are_those_of_pillow():
    for channels, lossless, every in itertools.product((3, 4), (False, True), (0, 1)):
        frames = discs(channels)
        path = WORK / "frames.webp"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=lossless, kmin=every, kmax=every, duration=50)
        # libwebp rounds a mixture of lossless colours by up to 2 levels.
        compare_frames(path, 2 if lossless else 5)


@check
def frames_of_png_are_those_of_opencv_and_pillow():
    for disposal, blend, channels in itertools.product((0, 1, 2, [0, 1, 2, 0, 2, 1]), (0, 1, [0, 1, 0, 1, 1, 0]), (3, 4)):
        frames = discs(channels)
        path = WORK / "frames.png"
        frames[0].save(path, save_all=True, append_images=frames[1:], disposal=disposal, blend=blend, duration=50)
        # Both round once for each frame.
        compare_frames(path, 2, by=shown_by_opencv)
        if channels == 3:
            compare_frames(path, 0)


@check
def frames_of_png_may_be_grey_or_have_a_palette():
    for mode in ("L", "P", "1", "LA"):
        frames = [frame.convert(mode) for frame in discs(4 if mode == "LA" else 3)]
        path = WORK / "frames.png"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=50)
        expected = shown(path)
        for number, array in enumerate(expected):
            noted(path, "", OUT, page=number)
            compare(seen(np.asarray(Image.open(OUT).convert("RGBA"))), seen(array), 1)


@check
def the_image_of_a_png_that_is_no_frame_is_not_counted():
    """Pillow counts it as the first one."""
    frames = discs()
    path = WORK / "frames.png"
    frames[0].save(path, save_all=True, append_images=frames[1:4], default_image=True, duration=50)
    expected = shown(path)[1:]
    for number, array in enumerate(expected):
        compare(seen(frame(path, number)), seen(array), 1)
    assert "there is no page 3; the last page of the file is 2" in refusal(lambda: frame(path, 3))


@check
def frames_of_sixteen_bits_stay_so():
    """Their colours are those of the file of 8 bits, as OpenCV shows it."""
    for number, array in enumerate(shown_by_opencv(DATA / "moving.png")):
        given = frame(DATA / "moving-16.png", number)
        assert given.dtype == np.uint16
        compare(seen(given / 257), seen(array), 1.5)
