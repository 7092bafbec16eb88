"""Files of several signatures: which one is converted, and the subgraphs that it needs.

A file written from a ``tf.Module`` with several functions has a subgraph for each, and a signature
that names its inputs and outputs. LiteRT and tf2onnx take subgraph 0 for the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ort_sparse.errors import InvalidArgumentError, InvalidModelError, quoted

__all__ = ["DEFAULT_SIGNATURE", "SignatureChoice", "choose_signature"]

DEFAULT_SIGNATURE = "serving_default"
"""The signature that TensorFlow itself calls where none is named."""

# Fields of operator options that hold the number of a subgraph, or several.
_REFERENCES = (
    "thenSubgraphIndex",
    "elseSubgraphIndex",
    "condSubgraphIndex",
    "bodySubgraphIndex",
    "initSubgraphIndex",
    "comparatorSubgraphIndex",
    "decompositionSubgraphIndex",
    "updateComputationSubgraphIndex",
    "branchSubgraphIndices",
    "subgraph",
)


@dataclass(frozen=True)
class SignatureChoice:
    """The signature of a file that is used, or None if it has none, and the others."""

    name: str | None
    left_out: tuple[str, ...] = ()


def choose_signature(model: Any, wanted: str | None) -> SignatureChoice:
    """Make the subgraph of one signature subgraph 0, and drop what it does not use.

    Parameters
    ----------
    model : ModelT
        Changed in place.
    wanted : str, optional
        The signature's name. By default the only one, or `DEFAULT_SIGNATURE`.

    Returns
    -------
    SignatureChoice

    Raises
    ------
    InvalidArgumentError
        If there is no signature of that name, or several and none is wanted; the message lists
        them.
    InvalidModelError
        If an operator runs a subgraph that does not exist.
    """
    signatures: dict[str, Any] = {}
    for each in model.signatureDefs:
        signatures.setdefault((each.signatureKey or b"").decode("utf-8", "replace"), each)
    name = _choose(list(signatures), wanted)
    main = 0
    if name is not None:
        main = signatures[name].subgraphIndex
        model.signatureDefs = [signatures[name]]
    _keep_subgraphs(model, main)
    return SignatureChoice(name, tuple(other for other in signatures if other != name))


def _choose(names: list[str], wanted: str | None) -> str | None:
    listed = ", ".join(map(quoted, names))
    if wanted is not None:
        if not names:
            raise InvalidArgumentError(
                f"signature: must not be given, as the file has none, but is {quoted(wanted)}"
            )
        if wanted not in names:
            raise InvalidArgumentError(
                f"signature: must be one of {listed}, but is {quoted(wanted)}"
            )
        return wanted
    if len(names) > 1 and DEFAULT_SIGNATURE not in names:
        raise InvalidArgumentError(
            f"signature: the file has several, so one of {listed} must be given, but none was"
        )
    return DEFAULT_SIGNATURE if len(names) > 1 else next(iter(names), None)


def _keep_subgraphs(model: Any, main: int) -> None:
    """Keep a subgraph, as number 0, and those that it runs, in their order."""
    reached, pending = {main}, [main]
    while pending:
        for options, field in _references(model.subgraphs[pending.pop()]):
            value = getattr(options, field)
            for number in [value] if np.ndim(value) == 0 else value:
                if not 0 <= number < len(model.subgraphs):
                    raise InvalidModelError(
                        f"damaged TFLite file: an operator runs subgraph {number}, "
                        f"but there are {len(model.subgraphs)}"
                    )
                if number not in reached:
                    reached.add(int(number))
                    pending.append(int(number))
    order = [main, *sorted(reached - {main})]
    if order == list(range(len(model.subgraphs))):
        return
    new_number = {old: new for new, old in enumerate(order)}
    model.subgraphs = [model.subgraphs[old] for old in order]
    for subgraph in model.subgraphs:
        for options, field in _references(subgraph):
            value = getattr(options, field)
            moved = [new_number[int(old)] for old in np.atleast_1d(value)]
            setattr(options, field, moved[0] if np.ndim(value) == 0 else moved)
    for signature in model.signatureDefs:
        signature.subgraphIndex = new_number[signature.subgraphIndex]


def _references(subgraph: Any) -> Iterator[tuple[Any, str]]:
    """Yield each field of a subgraph's operators that numbers other subgraphs."""
    for operator in subgraph.operators:
        for options in (operator.builtinOptions, operator.builtinOptions2):
            fields = vars(options) if options is not None else ()
            for field in _REFERENCES:
                if field in fields and getattr(options, field) is not None:
                    yield options, field
