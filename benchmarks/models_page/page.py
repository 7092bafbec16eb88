"""Results as the Markdown of docs/MODELS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import geometric_mean

from benchmarks.markdown import table
from ort_sparse import zoo

from .results import THREADS, Results, Timing

_HEAD = """\
# Networks

Every network of the zoo, converted and measured. Made by

    python -m benchmarks.models_page convert    # builds, converts, verifies; or: convert FILE ...
    python -m benchmarks.models_page measure    # times; let nothing else run
    python -m benchmarks.models_page write > docs/MODELS.md

**The weights are random** (seed 0), pruned by magnitude to the stated sparsity and pattern, and
exported by the TensorFlow converter (`ort-sparse zoo build NAME -o FILE`). So accuracy is that of
the published files, not of these; sizes, work and latencies depend on the pattern of zeros only.
Batch 1. Rows below those of the zoo are files from the field, with weights of their own."""

_ELEVEN = """\
## Fast Sparse ConvNets as published

By Elsen, Dukhan, Gale and Simonyan ([arXiv:1911.09723](https://arxiv.org/abs/1911.09723)): top-1
accuracy on ImageNet, and latency on one core of a Snapdragon 835, as they report them.
`ort-sparse zoo fetch NAME` downloads the real file."""

_WORK = """\
## Work and size

Parameters with batch norms folded; zeros among them; multiply-accumulates of one image, all and
those with a nonzero weight. Files in MB: TFLite without zeros and sparse, the dense model in ONNX,
and the converted one with `--layers all`."""

_OUTCOME = """\
## Layers, error, latency

1x1 and fully connected layers; how many of them become `SparseConv1x1` with `--layers all` and with
`--layers auto`; the largest difference to LiteRT's builtin kernels in both cases, relative to the
largest value of an output. Latency is that of `--layers auto`: median milliseconds of dense ONNX
Runtime and of the converted model, which take turns in one run, and the ratio of both."""

_PUBLISHED_HEADINGS = ("network", "pruned layers", "pattern", "top-1 %", "Snapdragon ms", "file")
_WORK_HEADINGS = (
    *("network", "image", "parameters", "zeros", "MACs", "nonzero"),
    *("TFLite dense", "TFLite sparse", "ONNX dense", "ours", "ours / TFLite sparse"),
)
_OUTCOME_HEADINGS = (
    *("network", "layers", "all", "auto", "error"),
    *("dense, 1 thread", "ours", "speed-up", "dense, 2 threads", "ours", "speed-up"),
)


def page(results: Results) -> str:
    """Return the page."""
    built = [network for network in zoo.names() if network in results.facts]
    converted = [*built, *(network for network in results.facts if network not in built)]
    published = [network for network in built if zoo.entry(network).published]
    parts = [
        _HEAD,
        _ELEVEN,
        table(_PUBLISHED_HEADINGS, map(_published_cells, published)),
        _WORK,
        table(_WORK_HEADINGS, [_work_cells(network, results) for network in converted]),
        _OUTCOME,
        table(_OUTCOME_HEADINGS, [_outcome_cells(network, results) for network in converted]),
        _summary(results, {"the eleven": published, "all networks of the zoo": built}),
    ]
    return "\n\n".join(parts)


def _published_cells(network: str) -> Sequence[str]:
    entry = zoo.entry(network)
    assert entry.published is not None
    return (
        network,
        f"{entry.sparsity:.0%} zeros",
        entry.pattern,
        f"{entry.published.top1:.1f}",
        f"{entry.published.latency_ms:g}",
        f"[{entry.published.file}]({zoo.BASE_URL}/{entry.published.file})",
    )


def _work_cells(network: str, results: Results) -> Sequence[str]:
    facts = results.facts[network]
    return (
        network,
        f"{facts.image_height} x {facts.image_width}",
        _millions(facts.parameters),
        f"{facts.zeros / facts.parameters:.1%}",
        _millions(facts.macs),
        _millions(facts.nonzero_macs),
        "-" if facts.dense_tflite_bytes is None else _megabytes(facts.dense_tflite_bytes),
        _megabytes(facts.tflite_bytes),
        _megabytes(facts.dense_onnx_bytes),
        _megabytes(facts.onnx_bytes),
        f"{facts.onnx_bytes / facts.tflite_bytes:.3f}",
    )


def _outcome_cells(network: str, results: Results) -> Sequence[str]:
    facts, timings = results.facts[network], results.timings.get(network, {})
    return (
        network,
        str(facts.layers),
        str(facts.sparse_layers),
        str(facts.chosen_layers),
        f"{facts.error:.1e}",
        *(cell for threads in THREADS for cell in _timing_cells(timings.get(str(threads)))),
    )


def _timing_cells(timing: Timing | None) -> Sequence[str]:
    if timing is None:
        return ("-", "-", "-")
    return f"{timing.dense_ms:.2f}", f"{timing.sparse_ms:.2f}", f"{timing.speed_up:.2f}x"


def _summary(results: Results, groups: Mapping[str, Sequence[str]]) -> str:
    """Return the geometric means of the speed-ups, and what they were measured on."""
    if results.machine is None:
        return "Latencies were not measured yet."
    lines = [
        f"Latencies were measured on {results.machine.cpu} ({results.machine.isa}) with "
        f"onnxruntime {results.machine.onnxruntime}. Geometric means of the speed-ups:\n"
    ]
    for name, networks in groups.items():
        timed = [results.timings[network] for network in networks if network in results.timings]
        if not timed:
            continue
        means = [
            f"{geometric_mean(timings[str(threads)].speed_up for timings in timed):.2f}x "
            f"with {threads} thread{'s' if threads > 1 else ''}"
            for threads in THREADS
        ]
        lines.append(f"- {name}: {', '.join(means)}")
    return "\n".join(lines)


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.2f}"
