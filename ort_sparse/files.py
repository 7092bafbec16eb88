"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .errors import InvalidArgumentError

__all__ = ["check_output", "write_atomically"]


def check_output(path: Path) -> None:
    """Refuse a place that cannot be written before work is done for it.

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist or cannot be written, or something that is no ordinary file
        has that name.
    """
    target = _target(path)
    if not target.parent.is_dir():
        raise InvalidArgumentError(f"{path}: cannot be written: No such file or directory")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InvalidArgumentError(f"{path}: cannot be written: Permission denied")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside its place, then rename it.

    A symbolic link stays one; the file that it leads to is written.

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist or cannot be written, the disk is full, or something that is
        no ordinary file has that name; nothing is left behind, and an older file stays.
    """
    target = _target(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=".ort_sparse_", dir=target.parent)
    except OSError as error:
        raise InvalidArgumentError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        os.unlink(temporary)
        raise InvalidArgumentError(f"{path}: cannot be written: {error.strerror}") from error
    except BaseException:
        os.unlink(temporary)
        raise


def _target(path: Path) -> Path:
    """Return the file that ``path`` leads to; renaming over a device or pipe would remove it."""
    target = Path(os.path.realpath(path))
    is_loop = target.is_symlink()
    if is_loop or (target.exists() and not target.is_file()):
        raise InvalidArgumentError(f"{path}: cannot be written: is no ordinary file")
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
