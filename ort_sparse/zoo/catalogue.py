"""The networks of the zoo, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ort_sparse.errors import InvalidArgumentError

from .families.efficientnet import efficientnet
from .families.effnet import effnet
from .families.espnet import espnet
from .families.espnet_v2 import espnet_v2
from .families.fd_mobilenet import fd_mobilenet
from .families.mobilenet_v1 import mobilenet_v1
from .families.mobilenet_v2 import mobilenet_v2, mobilenet_v2_cache_aware
from .families.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from .families.shufflenet_v1 import shufflenet_v1
from .families.shufflenet_v2 import shufflenet_v2
from .families.squeezenet import squeezenet
from .layers import Layers, Tensor

__all__ = ["Published", "ZooEntry", "entry", "names"]

_UNSTRUCTURED = "unstructured"


@dataclass(frozen=True)
class Published:
    """What the authors of Fast Sparse ConvNets published about one of their files.

    Parameters
    ----------
    file : str
        Name of the file.
    top1 : float
        Top-1 accuracy on ImageNet in percent.
    latency_ms : float
        Latency on one core of a Snapdragon 835 in milliseconds.
    """

    file: str
    top1: float
    latency_ms: float


@dataclass(frozen=True)
class ZooEntry:
    """One network of the zoo.

    Parameters
    ----------
    name, family : str
    paper : str
        The paper that describes the network, as an arXiv number.
    resolution : int
        Height and width of the input in pixels, unless `build` is told otherwise.
    sparsity : float
        Share of zeros in the pruned layers, unless `build` is told otherwise.
    pattern : str
        Where the zeros come in blocks, in words.
    network : callable
        Builds the network out of `Layers` and returns its output.
    published : Published, optional
        Given for the files of Fast Sparse ConvNets.
    """

    name: str
    family: str
    paper: str
    resolution: int
    sparsity: float
    pattern: str
    network: Callable[[Layers], Tensor] = field(repr=False)
    published: Published | None = None


def names() -> list[str]:
    """Return the names of all networks."""
    return list(_ENTRIES)


def entry(name: str) -> ZooEntry:
    """Return the entry of a network.

    Raises
    ------
    InvalidArgumentError
        If there is no network of this name.
    """
    if name not in _ENTRIES:
        near = difflib.get_close_matches(name, _ENTRIES, n=3, cutoff=0.4)
        hint = f"; near: {', '.join(near)}" if near else ""
        raise InvalidArgumentError(f"name: the zoo has no network {name!r}{hint}")
    return _ENTRIES[name]


def _fast_sparse_convnets() -> list[ZooEntry]:
    """Return the eleven published networks (Elsen et al. 2019, arXiv:1911.09723)."""

    def published(
        name: str,
        family: str,
        sparsity: float,
        pattern: str,
        network: Callable[[Layers], Tensor],
        top1: float,
        latency_ms: float,
    ) -> ZooEntry:
        facts = Published(f"{name}.tflite", top1, latency_ms)
        return ZooEntry(name, family, "1911.09723", 224, sparsity, pattern, network, facts)

    def v1(name: str, width: float, top1: float, latency_ms: float) -> ZooEntry:
        pattern = "blocks of 4 output channels in block 12, else unstructured"
        network = partial(mobilenet_v1, width=width, last_block_rows=4)
        return published(name, "MobileNetV1", 0.9, pattern, network, top1, latency_ms)

    def v2(name: str, width: float, top1: float, latency_ms: float) -> ZooEntry:
        pattern = "blocks of 2 output channels from block 11 on, else unstructured"
        network = partial(mobilenet_v2, width=width, blocks_of_two_from=11)
        return published(name, "MobileNetV2", 0.85, pattern, network, top1, latency_ms)

    def unstructured(
        name: str,
        family: str,
        sparsity: float,
        network: Callable[[Layers], Tensor],
        top1: float,
        latency_ms: float,
    ) -> ZooEntry:
        return published(name, family, sparsity, _UNSTRUCTURED, network, top1, latency_ms)

    return [
        v1("mbv1_075_90_12b4_644", 0.75, 64.4, 21),
        v1("mbv1_100_90_12b4_684", 1.0, 68.4, 31),
        v1("mbv1_140_90_12b4_720", 1.4, 72.0, 58),
        v2("mbv2_080_85_11-16b2_652", 0.8, 65.2, 26),
        unstructured(
            "mbv2ca_100_85_none_697", "MobileNetV2", 0.85, mobilenet_v2_cache_aware, 69.7, 33
        ),
        v2("mbv2_115_85_11-16b2_702", 1.15, 70.2, 40),
        v2("mbv2_140_85_11-16b2_720", 1.4, 72.0, 54),
        unstructured(
            "mbv2_180_80_none_749", "MobileNetV2", 0.8, partial(mobilenet_v2, width=1.8), 74.9, 102
        ),
        v2("mbv2_200_85_11-16b2_744", 2.0, 74.5, 93),
        unstructured("enb0_80_none_751", "EfficientNet", 0.8, efficientnet, 75.1, 80),
        unstructured(
            "enb1_85_none_767", "EfficientNet", 0.85, partial(efficientnet, depth=1.1), 76.7, 110
        ),
    ]


def _mobilenet_v1_variants() -> list[ZooEntry]:
    """Return the 16 widths and resolutions of MobileNetV1's paper, tables 6 and 7."""
    return [
        _unpublished(
            f"mobilenet_v1_{round(100 * width):03}_{resolution}",
            "MobileNetV1",
            "1704.04861",
            resolution,
            0.9,
            partial(mobilenet_v1, width=width),
        )
        for width in (1.0, 0.75, 0.5, 0.25)
        for resolution in (224, 192, 160, 128)
    ]


def _other_families() -> list[ZooEntry]:
    return [
        _unpublished("mobilenet_v2", "MobileNetV2", "1801.04381", 224, 0.85, mobilenet_v2),
        _unpublished(
            "mobilenet_v3_small", "MobileNetV3", "1905.02244", 224, 0.8, mobilenet_v3_small
        ),
        _unpublished(
            "mobilenet_v3_large", "MobileNetV3", "1905.02244", 224, 0.8, mobilenet_v3_large
        ),
        _unpublished("shufflenet_v1", "ShuffleNet v1", "1707.01083", 224, 0.8, shufflenet_v1),
        _unpublished("shufflenet_v2", "ShuffleNet v2", "1807.11164", 224, 0.8, shufflenet_v2),
        _unpublished("squeezenet", "SqueezeNet", "1602.07360", 224, 0.8, squeezenet),
        _unpublished("effnet", "EffNet", "1801.06434", 32, 0.8, effnet),
        _unpublished("fd_mobilenet", "FD-MobileNet", "1802.03750", 224, 0.9, fd_mobilenet),
        _unpublished("espnet", "ESPNet", "1803.06815", 512, 0.8, espnet),
        _unpublished("espnet_v2", "ESPNetv2", "1811.11431", 224, 0.8, espnet_v2),
    ]


def _unpublished(
    name: str,
    family: str,
    paper: str,
    resolution: int,
    sparsity: float,
    network: Callable[[Layers], Tensor],
) -> ZooEntry:
    return ZooEntry(name, family, paper, resolution, sparsity, _UNSTRUCTURED, network)


_ENTRIES = {
    item.name: item
    for item in (*_fast_sparse_convnets(), *_mobilenet_v1_variants(), *_other_families())
}
