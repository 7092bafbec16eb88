"""What the process holds: glibc's own account of what is allocated, and the resident set."""

from __future__ import annotations

import ctypes
import gc
import os
import re
from pathlib import Path

_libc = ctypes.CDLL(None)
_libc.open_memstream.restype = ctypes.c_void_p
_libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
_libc.fclose.argtypes = [ctypes.c_void_p]
_libc.free.argtypes = [ctypes.c_void_p]

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h


def limit_fragmentation() -> None:
    """Use one heap, and fixed maps of their own for all that is large.

    By default glibc uses a heap for each of several threads, and raises the size from which on it
    maps what it allocates. Holes in these heaps then make the resident set of many sessions,
    dense ones too, go up and down by tens of percent, which would hide a leak.
    """
    _libc.mallopt(_M_ARENA_MAX, 1)
    _libc.mallopt(_M_MMAP_THRESHOLD, 64 * 1024)


def measure_memory() -> tuple[int, int]:
    """Return the bytes that are allocated, and those resident after giving back free memory."""
    gc.collect()
    _libc.malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return _allocated_bytes(), pages * os.sysconf("SC_PAGE_SIZE")


def _allocated_bytes() -> int:
    """Add up the totals that malloc_info prints after its list of heaps."""
    text, size = ctypes.c_char_p(), ctypes.c_size_t()
    stream = _libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
    _libc.malloc_info(0, stream)
    _libc.fclose(stream)
    assert text.value is not None
    totals = text.value.decode().rpartition("</heap>")[2]
    _libc.free(text)

    def total(pattern: str) -> int:
        return sum(int(found) for found in re.findall(pattern + r'.* size="(\d+)"', totals))

    return total('<system type="current"') + total('type="mmap"') - total('type="(?:fast|rest)"')
