"""What the checks share: pictures, the program under test, and how arrays are compared."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

TILEMILL = Path(sys.argv[1]).resolve()

DATA = Path(__file__).parent.parent / "data"

WORK = Path(tempfile.mkdtemp())

CHECKS = []

SIDE = 31  # of a tile: odd, and smaller than every picture


def check(function):
    CHECKS.append(function)
    return function


def picture(height=83, width=117, channels=3, depth=8):
    """Slopes, waves, an edge and noise: what filters differ on."""
    top = (1 << depth) - 1
    y, x = np.mgrid[0:height, 0:width]
    planes = [
        x / width,
        0.5 + 0.5 * np.sin(x / 6.0) * np.cos(y / 9.0),
        np.where(np.hypot(x - 60, y - 40) < 25, 0.85, y / height * 0.6),
        np.clip(1.2 - np.hypot(x - 50, y - 30) / 50, 0, 1),
    ]
    image = np.stack(planes[:channels], axis=-1)
    image += np.random.default_rng(5).normal(0, 0.04, image.shape)
    image = np.clip(np.rint(image * top), 0, top).astype(np.uint8 if depth == 8 else np.uint16)
    return image[..., 0] if channels == 1 else image


def swap(array):
    """Between red first and OpenCV's blue first."""
    if array.ndim == 2:
        return array
    return array[..., [2, 1, 0, 3][: array.shape[2]]]


def run(source, chain, target, **environment):
    command = [TILEMILL, "run", source, "-o", target, "--filters", chain, "--overwrite"]
    command += ["--tile-size", str(SIDE)]
    environment = {**os.environ, **environment}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def noted(source, chain, target, page=None, **environment):
    """Runs it, and gives what it says of the job."""
    command = [TILEMILL, "run", source, "-o", target, "--filters", chain, "--overwrite"]
    command += [] if page is None else ["--page", str(page)]
    done = subprocess.run(command, check=True, env={**os.environ, **environment}, capture_output=True)
    return (done.stdout + done.stderr).decode()


def ours(array, chain):
    """What tilemill makes of an array."""
    source, target = WORK / "in.png", WORK / "out.png"
    cv2.imwrite(str(source), swap(array))
    run(source, chain, target)
    return read(target)


def read(path):
    return swap(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def compare(given, expected, largest, inside=0):
    """Fails when any value differs by more than `largest`, `inside` pixels from the edge."""
    assert given.shape == expected.shape, f"{given.shape} instead of {expected.shape}"
    cut = slice(inside, -inside or None)
    difference = np.abs(given[cut, cut].astype(float) - expected[cut, cut].astype(float))
    assert difference.max() <= largest, (
        f"differs by up to {difference.max():.2f}, {difference.mean():.4f} on average; allowed is {largest}"
    )


def luma(array):
    return np.asarray(Image.fromarray(array).convert("L"))


def refusal(function):
    """What is said when a file is refused."""
    try:
        function()
    except subprocess.CalledProcessError as error:
        return error.stderr.decode()
    raise AssertionError("it was not refused")
