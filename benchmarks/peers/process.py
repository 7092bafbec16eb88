"""The other end of the line to a worker."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

TIMEOUT_SECONDS = 300
"""For one reply; loading a model takes some seconds at most."""


class EngineError(Exception):
    """An engine cannot be installed, or cannot load or run a model."""


@contextlib.contextmanager
def start(command: Sequence[str]) -> Iterator[Worker]:
    """Start a worker; the process is ended with the ``with`` block."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield Worker(process, log)
        finally:
            process.kill()
            process.communicate()


class Worker:
    """A process that replies to each request with one line of JSON."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process = process
        self._log = log

    def send(self, **request: Any) -> None:
        """Send a request; if the process has ended, `receive` will say so."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)

    def receive(self) -> dict[str, Any]:
        """Return the reply to the last request.

        Raises
        ------
        EngineError
            If it is an error, if the process has ended, or if there is none for long.
        """
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], TIMEOUT_SECONDS)[0]:
            raise EngineError(f"no reply within {TIMEOUT_SECONDS} s")
        line = stdout.readline()
        if not line:
            raise EngineError(self._last_words())
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise EngineError(" ".join(reply["error"].split()))
        return reply

    def _last_words(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "nothing on stderr")
        return f"process ended with code {code}: {last.strip()}"
