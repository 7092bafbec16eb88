"""What a run of a region does, step by step, as reports and profiles of regions say it."""

from __future__ import annotations

from dataclasses import dataclass

from .json_fields import Fields

__all__ = ["Step", "StepOp", "read_step"]


@dataclass(frozen=True)
class StepOp:
    """A layer or another operator, which may stand for several nodes.

    Parameters
    ----------
    kind : str
        Such as "pointwise" or "depthwise convolution".
    nodes : tuple of str
        Names of the model's nodes whose work it does; of a node without a name, its first output.
    input, output : tuple of int
        Shapes.
    kernel : tuple of int or None
        Height and width, of a convolution or pool.
    weights, stored : int
        Weights with all zeros, those between groups too, and those that are kept.
    multiply_adds : int
        With the weights that are kept.
    """

    kind: str
    nodes: tuple[str, ...]
    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...] | None
    weights: int
    stored: int
    multiply_adds: int

    @property
    def title(self) -> str:
        """The kind, with the kernel where there is one."""
        return (
            self.kind if self.kernel is None else f"{self.kind} {self.kernel[0]}x{self.kernel[1]}"
        )


@dataclass(frozen=True)
class Step:
    """What is computed at once: an operator, or a chain of layers depth first.

    Parameters
    ----------
    kind : str
        "layer", "rows" (a function of rows of numbers), "copy" or "chain".
    tasks : int
        How many it is cut into; threads share them.
    ring_bytes : int or None
        Of a chain: bytes between its layers, for each task that runs at the same time.
    ops : tuple of StepOp
        Those of a chain, else one.
    """

    kind: str
    tasks: int
    ring_bytes: int | None
    ops: tuple[StepOp, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes of all operators."""
        return tuple(name for op in self.ops for name in op.nodes)

    @property
    def multiply_adds(self) -> int:
        """Of all operators."""
        return sum(op.multiply_adds for op in self.ops)


def read_step(fields: Fields) -> Step:
    """Return the step that a JSON object describes.

    Raises
    ------
    InvalidArgumentError
        If it has another form.
    """
    return Step(
        kind=fields.take("kind", str),
        tasks=fields.take("tasks", int),
        ring_bytes=fields.optional("ring_bytes", int),
        ops=fields.each("ops", _op),
    )


def _op(fields: Fields) -> StepOp:
    return StepOp(
        kind=fields.take("kind", str),
        nodes=fields.names("nodes"),
        input=fields.sizes("input"),
        output=fields.sizes("output"),
        kernel=None if fields.optional("kernel", list) is None else fields.sizes("kernel"),
        weights=fields.take("weights", int),
        stored=fields.take("stored", int),
        multiply_adds=fields.take("multiply_adds", int),
    )
