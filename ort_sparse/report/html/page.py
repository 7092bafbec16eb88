"""A page as one file: templates in, bytes out."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ort_sparse import __version__
from ort_sparse.errors import InvalidArgumentError, MissingDependencyError
from ort_sparse.report.listing import cut_in_the_middle, printable

if TYPE_CHECKING:
    import jinja2

__all__ = ["Origin", "check_page", "render"]

SUFFIXES = (".html", ".htm")

MAX_TEXT = 600
"""Characters of a name or a note that a page shows; converters join names to thousands."""


@dataclass(frozen=True)
class Origin:
    """Where a page comes from.

    Parameters
    ----------
    model : pathlib.Path
        The file that it is about.
    command : str
        The command that made it, as a shell takes it.
    """

    model: Path
    command: str


def check_page(path: Path) -> None:
    """Raise an error, before work is done for it, if a page could not be made for ``path``.

    Raises
    ------
    InvalidArgumentError
        If the suffix is not that of a page.
    MissingDependencyError
        If a package that pages need is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise InvalidArgumentError(f"{path}: must end in {' or '.join(SUFFIXES)}")
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
        import PIL  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            'pages need Jinja2, matplotlib and Pillow: pip install "ort_sparse[html]"'
        ) from error


def render(template: str, origin: Origin, **values: Any) -> bytes:
    """Return a page.

    Parameters
    ----------
    template : str
        Name of a file in ``templates``, which extends ``page.html``.
    origin : Origin
    **values
        What the template shows. Strings are escaped unless they are `markupsafe.Markup`.
    """
    style, script = _file("style.css"), _file("page.js")
    text = (
        _environment()
        .get_template(template)
        .render(
            values,
            origin=origin,
            version=__version__,
            time=datetime.now().astimezone().isoformat(" ", "minutes"),
            style=_Trusted(style),
            script=_Trusted(script),
            policy=_policy(style=style, script=script),
        )
    )
    return text.encode()


class _Trusted(str):
    """Text of this package, shown as it is."""

    def __html__(self) -> str:
        return self


def _policy(*, style: str, script: str) -> str:
    """Return a Content-Security-Policy: our style and script by their hashes, pictures inside."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Return a value as a page shows it: no text controls how others are read, or fills the page.

    Among what is made visible are marks that turn the direction of writing.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return cut_in_the_middle(printable(value), MAX_TEXT)


@cache
def _file(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
