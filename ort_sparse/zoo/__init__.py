"""Sparse networks with random weights, exported by the real TensorFlow converter."""

from __future__ import annotations

from .builder import build
from .catalogue import Published, ZooEntry, entry, names

__all__ = ["Published", "ZooEntry", "build", "entry", "names"]
