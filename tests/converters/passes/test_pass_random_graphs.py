"""Random chains of layers with random things between them compute what they did."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pass_helpers import GraphBuilder, rewrite

CHANNELS = (4, 6, 8)


def activate(b: GraphBuilder, x: str, kind: str, channels: int) -> str:
    match kind:
        case "none":
            return x
        case "Clip":
            return b.node("Clip", x, b.constant(0.0), b.constant(1.0))
        case "PRelu":
            return b.node("PRelu", x, b.constant(b.rng.random((channels, 1, 1))))
        case "SiLU":
            return b.node("Mul", x, b.node("Sigmoid", x))
        case "HardSigmoid":
            return b.node("Mul", b.node("HardSigmoid", x, alpha=1 / 6), x)
    return b.node(kind, x)


ACTIVATIONS = (
    "none",
    "Relu",
    "Clip",
    "PRelu",
    "SiLU",
    "HardSigmoid",
    "HardSwish",
    "Sigmoid",
    "Tanh",
)


@st.composite
def models(draw):
    """Draw a graph: each step takes an earlier value and adds a layer, an Add or an activation."""
    b = GraphBuilder(seed=draw(st.integers(0, 99)))
    values = [(b.input("N", 4, 3, 3), 4)]
    for _ in range(draw(st.integers(1, 12))):
        x, channels = draw(st.sampled_from(values[-3:]))
        step = draw(
            st.sampled_from(["layer", "layer", "add", "bias", "scale", "activation", "swap"])
        )
        if step == "layer":
            rows = draw(st.sampled_from(CHANNELS))
            groups = draw(st.sampled_from([1, 2]))
            zeros = draw(st.sampled_from([0.3, 0.6, 1.0]))
            weights = b.weights(rows, channels // groups, 1, 1, zeros=zeros)
            bias = [b.vector(rows)] if draw(st.booleans()) else []
            x, channels = b.node("Conv", x, weights, *bias, group=groups), rows
        elif step == "add":
            same = [name for name, count in values if count == channels]
            operands = [x, draw(st.sampled_from(same))]
            x = b.node("Add", *(operands if draw(st.booleans()) else operands[::-1]))
        elif step == "bias":
            x = b.node("Add", x, b.constant(b.rng.standard_normal((channels, 1, 1))))
        elif step == "scale":
            x = b.node("Mul", x, b.constant(b.rng.standard_normal((channels, 1, 1))))
        elif step == "activation":
            x = activate(b, x, draw(st.sampled_from(ACTIVATIONS)), channels)
        else:
            perm = [0, 2, 3, 1], [0, 3, 1, 2]
            x = b.node("Transpose", b.node("Transpose", x, perm=perm[0]), perm=perm[1])
        if (x, channels) not in values:
            values.append((x, channels))
    computed = [name for name, _ in values[1:]]
    assume(computed)
    others = draw(st.lists(st.sampled_from(computed), max_size=2))
    return b.model(*sorted({computed[-1], *others}))


@settings(max_examples=60, deadline=None)
@given(models(), st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([None, 1, 2, 4]))
def test_rewriting_changes_no_result(model, min_sparsity, block_rows):
    rewrite(model, min_sparsity=min_sparsity, block_rows=block_rows)
