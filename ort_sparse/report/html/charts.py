"""Charts, drawn by matplotlib as SVG that takes the colours of the page.

A page allows no styles but its own. So what matplotlib writes as styles becomes attributes, and its
colours become classes, which the page's style sheet colours for light, dark and print.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Values", "distributions", "layer_bars"]

Values = Sequence[float | None]

INK, PAPER, BEFORE, AFTER = "#000000", "#ffffff", "#c0c0c0", "#404040"
_CLASSES = {INK: "ink", PAPER: "paper", BEFORE: "before", AFTER: "after"}
"""Colours that charts here are drawn in, and what the style sheet calls them."""

WIDTH = 4.8
"""Inches, that is 346 units of the picture: on a phone letters keep most of their size."""

MOST_POINTS = 200
"""Runs of an engine that are drawn as points."""

FARTHEST = 1.25
"""Where the axis of latencies ends, in 99th percentiles of the slowest engine."""

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def layer_bars(
    before: Values,
    after: Values,
    *,
    name: str,
    unit: str,
    labels: tuple[str, str] = ("before", "after"),
) -> Markup:
    """Draw what layers cost in two ways: light with an outline, and dark in front of it.

    Parameters
    ----------
    before, after : sequence of float or None
        For each layer in order; None leaves a gap.
    name : str
        Distinguishes the chart from others of the page; also what it says to those who cannot see.
    unit : str
        Of the values.
    labels : (str, str)
        What the two ways are called.
    """
    figure, axis = _figure(2.4)
    edges = np.arange(len(before) + 1) + 0.5
    old, new = (np.array([v or 0 for v in values], float) for values in (before, after))
    axis.stairs(old, edges, fill=True, color=BEFORE, label=labels[0])
    axis.stairs(new, edges, fill=True, color=AFTER, label=labels[1])
    axis.stairs(old, edges, color=INK, linewidth=0.6)
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(0)
    axis.set_ylabel(unit)
    axis.set_xlabel("layer, by its number in the table")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
    return _svg(figure, name)


def distributions(times: Mapping[str, Sequence[float]], *, name: str) -> Markup:
    """Draw latencies: for each engine its runs as points, and a box over them.

    The box goes from the 25th to the 75th percentile with the median in it, its whiskers from the
    5th to the 95th.

    Parameters
    ----------
    times : mapping of str to sequence of float
        Milliseconds of each run.
    name : str
        As for `layer_bars`.
    """
    figure, axis = _figure(0.7 + 0.45 * len(times))
    places = range(len(times), 0, -1)
    end = FARTHEST * max(float(np.percentile(taken, 99)) for taken in times.values())
    for place, taken in zip(places, times.values(), strict=True):
        points = np.quantile(taken, np.linspace(0, 1, min(len(taken), MOST_POINTS)))
        shifts = np.arange(len(points)) * 0.618 % 1 * 0.5 - 0.25  # spread, and the same every time
        axis.plot(points, place + shifts, ".", color=BEFORE, markersize=3, zorder=1)
        beyond = [value for value in taken if value > end]
        if beyond:
            note = f"{len(beyond)} slower, to {max(beyond):.3g} ms"
            axis.text(end, place + 0.3, note, ha="right", va="bottom", fontsize=7)
    axis.boxplot(
        list(times.values()),
        positions=list(places),
        orientation="horizontal",
        widths=0.4,
        whis=(5, 95),
        showfliers=False,
        medianprops={"color": AFTER, "linewidth": 2.5},
        zorder=2,
    )
    axis.set_yticks(list(places), list(times))
    axis.set_xlim(0, end)
    axis.set_ylim(0.4, len(times) + 0.7)
    axis.set_xlabel("ms")
    return _svg(figure, name)


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _svg(figure: Any, name: str) -> Markup:
    """Return a figure as an element of a page."""
    from markupsafe import Markup
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "path.simplify": False}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for unwanted in ("metadata", "defs/style"):
        _remove(root, unwanted)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))
        _use_attributes(element)
    _keep_needed_ids(root, prefix=re.sub(r"\W+", "-", name))
    del root.attrib["width"], root.attrib["height"]
    root.attrib |= {"class": "chart", "role": "img", "aria-label": name}
    # Serialised from a tree, so that whatever text is in it is text.
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))


def _remove(root: ElementTree.Element, path: str) -> None:
    *parents, last = (_SVG + part for part in path.split("/"))
    for parent in root.findall("/".join(parents) or "."):
        for child in parent.findall(last):
            parent.remove(child)


def _use_attributes(element: ElementTree.Element) -> None:
    """Say as attributes and classes what an element says as its style."""
    style = element.attrib.pop("style", "")
    pairs = dict(part.split(":", 1) for part in style.split(";") if ":" in part)
    classes = []
    for key, value in ((key.strip(), value.strip()) for key, value in pairs.items()):
        if key in ("fill", "stroke") and value in _CLASSES:
            classes.append(f"{key}-{_CLASSES[value]}")
        elif key == "font":
            element.set("font-size", value.split()[0])
        elif key not in ("font-family",):
            element.set(key, value)
    if classes:
        element.set("class", " ".join(classes))


def _keep_needed_ids(root: ElementTree.Element, *, prefix: str) -> None:
    """Leave the names that are referred to, and make them those of this chart alone."""
    texts = [value for element in root.iter() for value in element.attrib.values()]
    needed = set(re.findall(r"(?:url\(|^)#([^)\n]+)", "\n".join(texts), re.MULTILINE))
    for element in root.iter():
        name = element.attrib.pop("id", "")
        if name in needed:
            element.set("id", f"{prefix}-{name}")
        for key, value in element.attrib.items():
            element.set(key, re.sub(r"(url\(|^)#", rf"\1#{prefix}-", value))
