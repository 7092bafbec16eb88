"""Makes of a graph that only ONNX Runtime takes one that conforms to ONNX."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveInitializersFromInputsPass, TopologicalSortPass

__all__ = ["RepairPass", "complete_imports", "make_inputs_constant"]

_DEFAULT_OPSET = 17
"""Assumed of a model that has no node of ONNX's own domain, or none that needs a newer one."""

_IR_VERSION_OF_CONSTANTS = 4
"""Before this version of the format every initializer had to be a graph input too."""

_KNOWN_WITHOUT_IMPORT = ("", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc")
"""Domains whose operators ONNX Runtime knows whether or not a model imports them."""


class RepairPass(ir.passes.InPlacePass):
    """Sorts the nodes, names the graph, and lifts the version of the format where it is too old.

    Precondition: ONNX Runtime loads the model; its imports are complete. Postcondition: nodes come
    after what they read. Shapes of outputs, which may be missing too, are left to shape inference.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Repair all graphs of the model."""
        model.graph.name = model.graph.name or "graph"
        _let_initializers_be_constant(model)
        TopologicalSortPass()(model)
        return ir.passes.PassResult(model, True)


def make_inputs_constant(model: ir.Model) -> list[str]:
    """Let inputs with a default be the constant that the default is, in place.

    Returns
    -------
    list of str
        Their names.
    """
    names = [
        value.name or "" for value in model.graph.inputs if value.name in model.graph.initializers
    ]
    if names:
        RemoveInitializersFromInputsPass()(model)
        _let_initializers_be_constant(model)
    return names


def _let_initializers_be_constant(model: ir.Model) -> None:
    """Lift the version of the format to one in which initializers need not be graph inputs."""
    model.ir_version = max(model.ir_version, _IR_VERSION_OF_CONSTANTS)


def complete_imports(model: ir.Model) -> None:
    """Import the domains that the model uses and ONNX Runtime knows, in the version it assumes.

    That is the newest version of each operator.
    """
    imports = model.opset_imports
    if "ai.onnx" in imports:  # another name of the same domain
        imports.setdefault("", imports.pop("ai.onnx"))
    for domain in _KNOWN_WITHOUT_IMPORT:
        versions = list(_newest_versions(model, domain)) if domain not in imports else []
        if versions:
            imports[domain] = max(versions)
    imports.setdefault("", _DEFAULT_OPSET)


def _newest_versions(model: ir.Model, domain: str) -> Iterator[int]:
    """Yield the version that each node of a domain has had since it changed last."""
    for graph in model.graphs():
        for node in graph:
            if node.domain == domain:
                yield _DEFAULT_OPSET if domain == "" else 1
                if onnx.defs.has(node.op_type, domain):
                    yield onnx.defs.get_schema(node.op_type, domain=domain).since_version
