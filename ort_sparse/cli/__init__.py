"""The command ``ort-sparse``: one file a group of commands."""

from .program import app, main

__all__ = ["app", "main"]
