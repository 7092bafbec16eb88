"""Reading the profile of the steps of regions."""

from __future__ import annotations

import copy
import json

import pytest

from ort_sparse.errors import InvalidArgumentError
from ort_sparse.regions_profile import StepTime, parse_profile, read_profile

TIMES = {"median": 2.5, "minimum": 2, "total": 5.125}

PROFILE = {
    "format": 1,
    "runtime": "1.23.1",
    "isa": "avx2",
    "regions": [
        {
            "name": "region",
            "left_out": 3,
            "plans": [
                {
                    "inputs": [[1, 3, 8, 8], [1, 4]],
                    "runs": 2,
                    "microseconds": TIMES,
                    "steps": [
                        {
                            "kind": "rows",
                            "tasks": 1,
                            "ring_bytes": None,
                            "ops": [],
                            "microseconds": TIMES | {"median": 1},
                        }
                    ],
                }
            ],
        }
    ],
}

PLAN = ("regions", 0, "plans", 0)


def changed(place, value):
    """Return the profile with another value at a path of keys."""
    profile = target = copy.deepcopy(PROFILE)
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return json.dumps(profile)


def test_everything_is_read(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(PROFILE))
    profile = read_profile(path)
    assert (profile.runtime, profile.isa) == ("1.23.1", "avx2")
    (region,) = profile.regions
    assert (region.name, region.left_out) == ("region", 3)
    (plan,) = region.plans
    assert (plan.inputs, plan.runs) == (((1, 3, 8, 8), (1, 4)), 2)
    assert plan.time == StepTime(2.5, 2.0, 5.125)
    ((step, time),) = plan.steps
    assert (step.kind, step.nodes, time.median) == ("rows", (), 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "the profile of regions: must be JSON"),
        (changed(("format",), 2), "format must be 1, but is 2"),
        (changed((*PLAN, "inputs"), [1]), r"plans\[0\]: inputs must be sizes, but is 1"),
        (changed((*PLAN, "inputs"), [[1, True]]), r"inputs must be sizes"),
        (
            changed((*PLAN, "microseconds", "total"), "x"),
            "microseconds: total must be float or int",
        ),
        (changed((*PLAN, "steps", 0, "tasks"), 1.5), r"steps\[0\]: tasks must be int"),
    ],
)
def test_another_form_is_refused(text, message):
    with pytest.raises(InvalidArgumentError, match=message):
        parse_profile(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"none\.json: cannot be read: No such file"):
        read_profile(tmp_path / "none.json")
