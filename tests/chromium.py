"""A headless Chromium that a test drives through its DevTools protocol, on a pipe: nothing listens, and nothing is downloaded."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="install a browser to look at pages: apt-get install chromium")
SECONDS = 60


class Browser:
    """One page of a browser. What the page logs, breaks or asks of a network is kept in `logged` and `requested`."""

    def __init__(self, process: subprocess.Popen[bytes], into: int, out: int) -> None:
        self._process, self._into = process, into
        self._answers: dict[int, Queue[dict[str, Any]]] = {}
        self._events: Queue[dict[str, Any]] = Queue()
        self._number = 0
        self._session = ""
        self.logged: list[str] = []
        self.requested: list[str] = []
        threading.Thread(target=self._read, args=(out,), daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number, answers = self._number, Queue[dict[str, Any]]()
        self._answers[number] = answers
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        answer = answers.get(timeout=SECONDS)
        assert "error" not in answer, f"{method}: {answer}"
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path, width: int = 1300, height: int = 900, dark: bool = False, script: bool = True) -> None:
        """Open a file and wait until it is loaded; at the width of a phone as a phone does."""
        phone = width < 500
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.logged.clear()
        self.requested.clear()
        self._drop_events()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self._wait("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, promises waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def seconds_to_load(self) -> float:
        """From the request of the open page to the end of its load event, as the page itself has it."""
        times = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        milliseconds: float = self.evaluate(f"new Promise(done => setTimeout(() => done({times}), 300))")
        return milliseconds / 1000

    def screenshot(self, path: Path, whole: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def print(self, path: Path) -> None:
        pages = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(pages["data"]))

    def type_into(self, selector: str, text: str) -> None:
        """Type with the keyboard into what the selector names."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        for character in text:
            self.call("Input.insertText", text=character)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9, "Enter": 13}[key]
            )

    def _read(self, out: int) -> None:
        left = b""
        while chunk := os.read(out, 1 << 16):
            *messages, left = (left + chunk).split(b"\0")
            for each in messages:
                self._heard(json.loads(each))

    def _heard(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers.pop(message["id"]).put(message)
            return
        said = message.get("params", {})
        if message["method"] == "Runtime.exceptionThrown":
            self.logged.append(str(said["exceptionDetails"]))
        elif message["method"] == "Runtime.consoleAPICalled":
            self.logged.append(str(said["args"]))
        elif message["method"] == "Log.entryAdded":
            self.logged.append(str(said["entry"].get("text")))
        elif message["method"] == "Network.requestWillBeSent":
            self.requested.append(said["request"]["url"])
        self._events.put(message)

    def _drop_events(self) -> None:
        while not self._events.empty():
            self._events.get_nowait()

    def _wait(self, method: str) -> None:
        try:
            while self._events.get(timeout=SECONDS)["method"] != method:
                pass
        except Empty:
            raise AssertionError(f"no {method} in {SECONDS} seconds") from None


def _high(descriptor: int) -> int:
    """The same file under a number that is none of 3 and 4, which the browser reads from and writes to."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return high


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own, without a network: every name resolves to nothing."""
    assert PROGRAM is not None
    to_it, into, out, from_it = map(_high, (*os.pipe(), *os.pipe()))
    with tempfile.TemporaryDirectory(prefix="finledger-browser-") as profile:
        words = [
            PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--hide-scrollbars", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip

        def as_it_expects() -> None:
            os.dup2(to_it, 3)
            os.dup2(from_it, 4)

        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=as_it_expects,
            close_fds=False,
        )
        os.close(to_it)
        os.close(from_it)
        try:
            yield Browser(process, into, out)
        finally:
            process.terminate()
            process.wait(timeout=SECONDS)
            os.close(into)
            shutil.rmtree(profile, ignore_errors=True)
