"""What benches/page.sh measures, given the address of an idle server."""

import base64
import http.server
import json
import mimetypes
import pathlib
import statistics
import struct
import sys
import threading
import time

from browser import Browser

OPEN = "document.querySelector('#connection').className === 'open'"
JOB = "0" * 32
SIDE = 100  # tiles in a row, and rows
SLOT = 5
SECONDS = 5
EVENTS = 50  # of tiles: a server sends at most ten a second

# Records the time of each frame, the work that the page did for it, and long tasks. The work for a frame is drawing, in
# its callbacks, and that of the handlers of events and timers since the frame before.
RECORD = """
  window.frames_ = []; window.draws = []; window.work = []; window.tasks = [];
  let [drawn, spent] = [0, 0];
  const timed = (act, draws = false) => function (...given) {
    const began = performance.now();
    try { return act.apply(this, given); } finally {
      const took = performance.now() - began;
      spent += took;
      if (draws) drawn += took;
    }
  };
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: 'longtask', buffered: true });
  const request = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (draw) => request(timed(draw, true));
  const wait = window.setTimeout.bind(window);
  window.setTimeout = (act, ...given) => wait(timed(act), ...given);
  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (name, act, ...given) {
    listen.call(this, name, timed(act), ...given);
  };
  (function note() {
    request((now) => {
      frames_.push(now); draws.push(drawn); work.push(spent);
      [drawn, spent] = [0, 0];
      note();
    });
  })();
"""


def weigh(url):
    """Bytes and number of all files except responses of the API."""
    with Browser() as browser:
        browser.go(url)
        browser.until(OPEN)
        sizes = browser.value(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".filter(({ name }) => !name.includes('/api/')).map(({ name, transferSize }) => [name, transferSize])"
        )
    files = dict(sizes)
    viewer = sum(size for name, size in files.items() if "/viewer/" in name)
    print(f"Weight: {sum(files.values()) / 1000:.0f} kB in {len(files)} files, {viewer / 1000:.0f} kB of it the viewer.")


def paint(url):
    """First paint, each time with an empty cache."""
    paints = []
    for _ in range(5):
        with Browser() as browser:
            browser.go(url)
            browser.until("performance.getEntriesByName('first-paint').length")
            paints.append(browser.value("performance.getEntriesByName('first-paint')[0].startTime"))
    times = " ".join(f"{time:.0f}" for time in sorted(paints))
    print(f"First paint, ms: {times}; median {statistics.median(paints):.0f}.")


def job(done):
    status = "processing" if done < SIDE * SIDE else "stitching"
    return {
        "id": JOB, "name": "many.png", "status": status, "width": 6400, "height": 6400, "filters": "blur:2",
        "tile_size": 64, "format": "png", "tiles_total": SIDE * SIDE, "tiles_done": done, "attempts": 1,
        "created_at": "2026-01-01T00:00:00Z", "filtering_since": None, "finished_at": None, "timings": None,
        "error": None, "obstacle": None, "notes": [], "bytes": None,
        "links": {"self": "", "original": None, "thumbnail": None, "result": None, "events": ""},
    }


def tiles(part):
    """The tiles of one event, made by four workers in turn."""
    packed = b""
    for tile in range(part * SIDE * SIDE // EVENTS, (part + 1) * SIDE * SIDE // EVENTS):
        packed += struct.pack("<IHHI", tile, tile % 4 + 1, 1, 12)
        packed += bytes([tile % 256, tile // 40 % 256, 128, 255]) * SLOT**2
    workers = [f"worker-{number}" for number in range(4)]
    return {
        "job": JOB, "columns": SIDE, "rows": SIDE, "slot": SLOT, "workers": workers, "failed": [],
        "packed": base64.b64encode(packed).decode(),
    }


class Pretender(http.server.BaseHTTPRequestHandler):
    """Serves the page, and mocks a server with one job whose tiles come back in five seconds."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/api/events":
            return self.stream()
        answers = {"/api/filters": [], f"/api/jobs/{JOB}": job(0)}
        if path in answers:
            return self.answer("application/json", json.dumps(answers[path]).encode())
        if path.startswith("/api/"):
            return self.send_error(404)
        file = pathlib.Path("static") / (path.strip("/") or "index.html")
        return self.answer(mimetypes.guess_type(file)[0] or "text/plain", file.read_bytes())

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.tell("workers", [])
        if JOB not in self.path:
            return
        time.sleep(1)
        began = time.monotonic()
        for part in range(EVENTS):
            done = (part + 1) * SIDE * SIDE // EVENTS
            self.tell("jobs", {"jobs": [job(done)], "total": 1})
            self.tell("job", job(done))
            self.tell("tiles", tiles(part))
            time.sleep(max(0, began + SECONDS * (part + 1) / EVENTS - time.monotonic()))
        time.sleep(60)

    def tell(self, name, value):
        self.wfile.write(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def spread(values):
    return f"mean {statistics.mean(values):.2f} ms, p99 {percentile(values, 0.99):.2f} ms, most {max(values):.2f} ms"


def arrive():
    """A job of 10,000 tiles in five seconds."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pretender)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Browser() as browser:
        browser.before_each_page(RECORD)
        browser.go(f"http://127.0.0.1:{server.server_port}/#job={JOB}")
        browser.until("document.querySelector('#job-bar').value > 0")
        browser.value("void (frames_.length = draws.length = work.length = tasks.length = 0)")
        browser.until("document.querySelector('#job-bar').value === 10000")
        frames, draws, work, tasks = (browser.value(name) for name in ("frames_", "draws", "work", "tasks"))
    intervals = [after - before for before, after in zip(frames, frames[1:])]
    longest = f"{max(tasks):.0f} ms" if tasks else "none above 50 ms"
    print(
        f"10,000 tiles in {(frames[-1] - frames[0]) / 1000:.1f} s, {len(frames)} frames: "
        f"frame p50 {percentile(intervals, 0.5):.1f} ms, p99 {percentile(intervals, 0.99):.1f} ms, "
        f"most {max(intervals):.1f} ms; longest task {longest}; drawing {spread(draws)}; "
        f"with the handling of events {spread(work)}."
    )


if __name__ == "__main__":
    address = sys.argv[1]
    weigh(address)
    paint(address)
    arrive()
