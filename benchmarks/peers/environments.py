"""Virtual environments for engines that do not live with ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .process import EngineError

_VERSION = "import ensurepip, sys; print(*sys.version_info[:2])"


@dataclass(frozen=True)
class Environment:
    """What a virtual environment is made of.

    Parameters
    ----------
    name : str
    requirements : tuple of str
        As pip reads them.
    newest_python : (int, int), optional
        The last version of Python that the packages support. The oldest is always 3.10.
    """

    name: str
    requirements: tuple[str, ...]
    newest_python: tuple[int, int] | None = None


def set_up(environment: Environment, folder: Path) -> Path:
    """Return the Python of an environment in ``folder``, which is made unless it is there.

    Raises
    ------
    EngineError
        If there is no suitable Python, or its packages cannot be installed.
    """
    place = folder.resolve() / environment.name
    python = place / "bin" / "python"
    installed = place / "installed.txt"
    requirements = "\n".join(environment.requirements)
    if installed.is_file() and installed.read_text() == requirements:
        return python
    folder.mkdir(parents=True, exist_ok=True)
    _run([_find_python(environment.newest_python), "-m", "venv", "--clear", str(place)])
    _run([str(python), "-m", "pip", "install", "--quiet", *environment.requirements])
    installed.write_text(requirements)
    return python


def _find_python(newest: tuple[int, int] | None) -> str:
    """Return this Python, or an older one if need be."""
    if newest is None or sys.version_info[:2] <= newest:
        return sys.executable
    for minor in range(newest[1], 9, -1):
        python = shutil.which(f"python3.{minor}")
        # Version managers leave commands on the path that only say that they are not set up.
        if python and _has_version(python, minor):
            return python
    wanted = " or ".join(f"3.{minor}" for minor in range(10, newest[1] + 1))
    raise EngineError(f"needs Python {wanted}, and there is none")


def _has_version(python: str, minor: int) -> bool:
    answer = subprocess.run([python, "-c", _VERSION], capture_output=True, text=True)
    return answer.stdout.split() == ["3", str(minor)]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
        reason = (errors or done.stdout.splitlines() or ["no reason given"])[-1]
        raise EngineError(f"cannot be installed: {reason}")
