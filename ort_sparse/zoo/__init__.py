"""Sparse networks: with random weights, exported by the TensorFlow converter, or as published."""

from __future__ import annotations

from .builder import build
from .catalogue import Published, ZooEntry, entry, names
from .published import BASE_URL, fetch

__all__ = ["BASE_URL", "Published", "ZooEntry", "build", "entry", "fetch", "names"]
