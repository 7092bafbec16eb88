"""``python -m ort_sparse`` is the command ``ort-sparse``."""

from .cli import main

main()
