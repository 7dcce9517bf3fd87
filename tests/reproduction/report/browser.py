"""Opens pages in a headless Chromium, by its DevTools protocol over a pipe.

Reference: https://chromedevtools.github.io/devtools-protocol
"""

import fcntl
import json
import os
import selectors
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIMEOUT = 60
"""Seconds for one answer."""


def find_browser():
    """The path of a Chromium or Chrome; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser with one page; a context.

    Attributes:
        errors: What the console told of as an error since the last `open`, and uncaught exceptions.
    """

    def __init__(self, executable, profile):
        # The protocol's ends are descriptors 3 (commands) and 4 (answers) of the browser.
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # Moved up first, so that neither is overwritten by the other.
        moved = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (commands, answers)]

        def take_places():
            os.dup2(moved[0], 3)
            os.dup2(moved[1], 4)

        self._process = subprocess.Popen(
            [
                executable,
                "--headless",
                "--no-sandbox",  # Which root, as in a container, could not start.
                "--disable-gpu",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=take_places,
        )
        for end in (commands, answers, *moved):
            os.close(end)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._answers, selectors.EVENT_READ)
        self._received = b""
        self._last_id = 0
        self._session = None
        self._is_loaded = False
        self.errors = []
        pages = self._send("Target.getTargets")["targetInfos"]
        (page,) = [target["targetId"] for target in pages if target["type"] == "page"]
        attached = self._send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.kill()
        self._process.wait()
        self._selector.close()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, url):
        """Opens a page and waits until all of it is loaded."""
        self.errors.clear()
        self._is_loaded = False
        self._send("Page.navigate", url=url)
        while not self._is_loaded:
            self._receive()

    def resize(self, width, height=800):
        """Gives the page's window another size, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._send("Emulation.setDeviceMetricsOverride", **size)

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page, as JSON can tell it."""
        answer = self._send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _send(self, method, **parameters):
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._commands, content) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._last_id:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self):
        end = time.monotonic() + TIMEOUT
        while b"\0" not in self._received:
            assert self._selector.select(end - time.monotonic()), "the browser does not answer"
            content = os.read(self._answers, 1 << 16)
            assert content, "the browser is gone"
            self._received += content
        message, _, self._received = self._received.partition(b"\0")
        message = json.loads(message)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, event, parameters):
        if event == "Page.loadEventFired":
            self._is_loaded = True
        elif event == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.errors.append(parameters["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(parameters["exceptionDetails"]["text"])
        elif event == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.errors.append(str(parameters["args"]))
