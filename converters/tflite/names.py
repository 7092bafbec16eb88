"""Names of tensors: unique ones, and those that the model's users know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .model import tensor_name

__all__ = ["Interface", "make_names_unique", "read_interface"]

# tf2onnx makes names of its own by adding these to the name of a tensor.
_DERIVED_SUFFIXES = ("", "_dequant", "_prequant", "_quantize")


@dataclass(frozen=True)
class Interface:
    """Inputs and outputs of subgraph 0: (name, number of the tensor) in order."""

    inputs: list[tuple[str, int]]
    outputs: list[tuple[str, int]]


def read_interface(model: Any) -> Interface:
    """Return inputs and outputs of the model with unique names.

    The names are those of the first signature of subgraph 0, and the tensors' own where there is
    none. A name that occurs twice gets a number. A tensor that is both input and output keeps its
    name as an input.
    """
    subgraph = model.subgraphs[0]
    inputs, outputs = _signature_names(model)
    unique = _UniqueNames()
    names: dict[int, str] = {}
    for wanted, indices in ((inputs, subgraph.inputs), (outputs, subgraph.outputs)):
        for index in map(int, indices):
            if index not in names:
                own = tensor_name(subgraph.tensors[index])
                names[index] = unique.take(wanted.get(index) or own or f"tensor_{index}")
    return Interface(
        inputs=[(names[int(index)], int(index)) for index in subgraph.inputs],
        outputs=[(names[int(index)], int(index)) for index in subgraph.outputs],
    )


def make_names_unique(model: Any) -> None:
    """Give every tensor of the model a name of its own, inputs and outputs those of users.

    tf2onnx identifies tensors and subgraphs by name, so two of the same name would become one.
    """
    interface = read_interface(model)
    unique = _UniqueNames()
    names = {
        (0, index): unique.take(name)
        for name, index in dict.fromkeys((*interface.inputs, *interface.outputs))
    }
    for number, index, tensor in _all_tensors(model):
        if (number, index) not in names:
            names[number, index] = unique.take(tensor_name(tensor) or f"tensor_{index}")
        tensor.name = names[number, index].encode()
    for number, subgraph in enumerate(model.subgraphs[1:], start=1):
        subgraph.name = f"subgraph_{number}".encode()


def _all_tensors(model: Any) -> Iterator[tuple[int, int, Any]]:
    for number, subgraph in enumerate(model.subgraphs):
        for index, tensor in enumerate(subgraph.tensors):
            yield number, index, tensor


def _signature_names(model: Any) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of inputs and of outputs by number of the tensor."""
    for signature in model.signatureDefs:  # one at most; see choose_signature
        if signature.subgraphIndex == 0:
            return _by_index(signature.inputs), _by_index(signature.outputs)
    return {}, {}


def _by_index(entries: Iterable[Any]) -> dict[int, str]:
    return {int(e.tensorIndex): (e.name or b"").decode("utf-8", "replace") for e in entries}


class _UniqueNames:
    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """Return ``wanted``, with a number behind it if it is taken, and take it."""
        name, count = wanted, self._counts.get(wanted, 0)
        while not self._taken.isdisjoint(name + suffix for suffix in _DERIVED_SUFFIXES):
            count += 1
            name = f"{wanted}_{count}"
        self._counts[wanted] = count
        self._taken.update(name + suffix for suffix in _DERIVED_SUFFIXES)
        return name
