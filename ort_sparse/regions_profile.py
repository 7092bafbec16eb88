"""How long the steps of regions take: the profile that a session writes, read.

The session configuration entry ``ort_sparse.regions_profile`` names the file; the session writes it
when it ends. Nothing here knows the native library or ONNX Runtime.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .json_fields import Fields, parse_fields, read_text
from .region_steps import Step, read_step

__all__ = [
    "FORMAT",
    "ProfiledPlan",
    "ProfiledRegion",
    "RegionsProfile",
    "StepTime",
    "parse_profile",
    "read_profile",
]

FORMAT = 1
"""Version of the profile's form that is understood."""


@dataclass(frozen=True)
class StepTime:
    """Microseconds of all runs, the median of the last few hundred."""

    median: float
    minimum: float
    total: float


@dataclass(frozen=True)
class ProfiledPlan:
    """The runs of a region on inputs of the same shapes.

    Parameters
    ----------
    inputs : tuple of tuple of int
        Their shapes.
    runs : int
    time : StepTime
        Of whole runs of the region.
    steps : tuple of (Step, StepTime)
        In the order in which they run.
    """

    inputs: tuple[tuple[int, ...], ...]
    runs: int
    time: StepTime
    steps: tuple[tuple[Step, StepTime], ...]


@dataclass(frozen=True)
class ProfiledRegion:
    """A region, by the name that it has in ONNX Runtime's own profile.

    Parameters
    ----------
    name : str
    left_out : int
        How many more plans were made, for yet other shapes, whose runs were not timed.
    plans : tuple of ProfiledPlan
    """

    name: str
    left_out: int
    plans: tuple[ProfiledPlan, ...]


@dataclass(frozen=True)
class RegionsProfile:
    """The regions of a session, with the runtime and the instruction set."""

    runtime: str
    isa: str
    regions: tuple[ProfiledRegion, ...]


def read_profile(path: str | os.PathLike[str]) -> RegionsProfile:
    """Read the profile that a session wrote.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, or it is no profile of this form.
    """
    return parse_profile(read_text(path), name=os.fspath(path))


def parse_profile(text: str, *, name: str = "the profile of regions") -> RegionsProfile:
    """Return what the JSON text of a profile says.

    Parameters
    ----------
    text : str
    name : str
        What messages call it.

    Raises
    ------
    InvalidArgumentError
        If it is no profile of this form.
    """
    profile = parse_fields(text, name=name, version=FORMAT)
    return RegionsProfile(
        runtime=profile.take("runtime", str),
        isa=profile.take("isa", str),
        regions=profile.each("regions", _region),
    )


def _region(fields: Fields) -> ProfiledRegion:
    return ProfiledRegion(
        name=fields.take("name", str),
        left_out=fields.take("left_out", int),
        plans=fields.each("plans", _plan),
    )


def _plan(fields: Fields) -> ProfiledPlan:
    return ProfiledPlan(
        inputs=fields.shapes("inputs"),
        runs=fields.take("runs", int),
        time=_time(fields),
        steps=fields.each("steps", lambda step: (read_step(step), _time(step))),
    )


def _time(fields: Fields) -> StepTime:
    time = fields.inside("microseconds")
    return StepTime(*(float(time.take(key, float, int)) for key in ("median", "minimum", "total")))
