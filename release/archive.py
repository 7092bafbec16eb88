"""Archives of files: the same files give the same bytes."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive that holds one folder; return that folder."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def write_archive(folder: Path, path: Path) -> Path:
    """Pack a folder as .tar.gz; times are ``SOURCE_DATE_EPOCH``, in seconds since 1970."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = int(os.environ["SOURCE_DATE_EPOCH"])

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = time
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=time) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        archive.add(folder, folder.name, filter=plain)  # in order of their names
    return path
