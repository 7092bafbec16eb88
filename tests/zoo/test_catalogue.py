from __future__ import annotations

import subprocess
import sys

import pytest

from ort_sparse import zoo
from ort_sparse.errors import InvalidArgumentError

FAMILIES = {
    "EffNet",
    "EfficientNet",
    "ESPNet",
    "ESPNetv2",
    "FD-MobileNet",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3",
    "ShuffleNet v1",
    "ShuffleNet v2",
    "SqueezeNet",
}


def test_holds_every_family() -> None:
    assert {zoo.entry(name).family for name in zoo.names()} == FAMILIES


def test_names_are_those_of_the_entries_and_differ() -> None:
    names = zoo.names()
    assert [zoo.entry(name).name for name in names] == names
    assert len(set(names)) == len(names)


def test_published_files_say_their_sparsity_and_accuracy_in_their_names() -> None:
    published = [entry for entry in map(zoo.entry, zoo.names()) if entry.published]
    assert len(published) == 11
    for entry in published:
        assert entry.published is not None
        assert entry.published.file == f"{entry.name}.tflite"
        _, _, percent, blocks, top1 = _fields(entry.name)
        assert entry.sparsity == int(percent) / 100
        assert (entry.pattern == "unstructured") == (blocks == "none")
        # The file of MobileNetV2 2.0 says 74.4 in its name and 74.5 in its table.
        assert entry.published.top1 == pytest.approx(int(top1) / 10, abs=0.11)
        assert entry.resolution == 224


def _fields(name: str) -> list[str]:
    """Split a published name; the EfficientNets have no width."""
    fields = name.split("_")
    return fields if len(fields) == 5 else [fields[0], "100", *fields[1:]]


def test_mobilenet_v1_comes_in_sixteen_variants() -> None:
    variants = [name for name in zoo.names() if name.startswith("mobilenet_v1_")]
    assert len(variants) == 16
    assert zoo.entry("mobilenet_v1_025_128").resolution == 128


def test_an_unknown_name_is_refused_with_near_ones() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'squeezenett'.*near: squeezenet"):
        zoo.entry("squeezenett")


def test_importing_the_zoo_imports_no_tensorflow() -> None:
    code = "import sys, ort_sparse.zoo; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
