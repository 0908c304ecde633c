"""What benches/view.sh measures, given the address of an idle server, a picture and the number of runs."""

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from datetime import datetime

from browser import Browser

# The tiles that came, each with its image and its time in milliseconds of the clock.
CAME = """performance.getEntriesByType('resource')
  .filter(({ responseStatus }) => responseStatus === 200)
  .map(({ name, responseEnd }) => [name.match(/pyramid.(original|result).[0-9]+./)?.[1], responseEnd])
  .filter(([image]) => image)
  .map(([image, end]) => [image, performance.timeOrigin + end])"""
# Seconds: the silence that means that all tiles are there, and the longest time of a view.
QUIET = 1.5
PATIENCE = 300


def job(url, id):
    with urllib.request.urlopen(f"{url}/api/jobs/{id}") as answer:
        return json.load(answer)


def submit(url, picture):
    command = ["curl", "-sS", "--fail-with-body", "-F", f"image=@{picture}", "-F", "filters=sharpen", f"{url}/api/jobs"]
    return json.loads(subprocess.check_output(command))["id"]


def first_view(browser):
    """The time of the last tile of the first view."""
    came, since = [], time.monotonic()
    deadline = since + PATIENCE
    while len({image for image, _ in came}) < 2 or time.monotonic() - since < QUIET:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no sharp view after {PATIENCE} s")
        time.sleep(0.1)
        now = browser.value(CAME)
        if len(now) != len(came):
            came, since = now, time.monotonic()
    return max(at for _, at in came) / 1000


def measure(url, picture):
    id = submit(url, picture)
    with Browser() as browser:
        browser.go(f"{url}/#job={id}")
        seen = first_view(browser)
    finished = datetime.fromisoformat(job(url, id)["finished_at"].replace("Z", "+00:00"))
    return seen - finished.timestamp()


if __name__ == "__main__":
    address, image, runs = sys.argv[1:]
    times = []
    for _ in range(int(runs)):
        times.append(measure(address, image))
        # The finer tiles of one job must not slow the next.
        time.sleep(15)
    said = ", ".join(f"{seconds:.2f}" for seconds in sorted(times))
    print(f"From the end of the job to a sharp view of both images, s: {said}; median {statistics.median(times):.2f}.")
