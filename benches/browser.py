"""A headless Chromium, driven over the WebDriver protocol."""

import json
import re
import subprocess
import tempfile
import time
import urllib.request

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1280,900"
).split()


class Browser:
    """One browser with an empty profile, which ends with the block that opened it."""

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        found = (re.search(r"successfully on port (\d+)", line) for line in self.driver.stdout)
        port = next(match for match in found if match)[1]
        self.url = f"http://127.0.0.1:{port}/session"
        options = {"args": [*FLAGS, f"--user-data-dir={self.profile.name}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.url += "/" + self.call("", wanted)["sessionId"]
        return self

    def __exit__(self, *_):
        self.call("", None, "DELETE")
        self.driver.kill()
        self.driver.wait()
        self.profile.cleanup()

    def call(self, path, body, method="POST"):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def go(self, url):
        self.call("/url", {"url": url})

    def before_each_page(self, script):
        command = {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": script}}
        self.call("/goog/cdp/execute", command)

    def value(self, expression):
        return self.call("/execute/sync", {"script": f"return {expression}", "args": []})

    def until(self, expression):
        deadline = time.monotonic() + 60
        while not self.value(f"Boolean({expression})"):
            if time.monotonic() > deadline:
                raise TimeoutError(expression)
            time.sleep(0.05)
