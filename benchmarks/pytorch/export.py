"""Prunes networks with random weights and exports them from PyTorch to ONNX.

`python benchmarks/networks.py build/pytorch/*.onnx` then converts, checks and times them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import torch
from architectures import calibrate, mobilenet_v2, prune, resnet50
from torch import nn

EXPORTERS = ("dynamo", "torchscript")
NETWORKS = {
    "resnet50_90": (resnet50, 0.90),
    "mobilenet_v2_85": (mobilenet_v2, 0.85),
}
"""Builders of the networks, and the share of zeros in their 1x1 convolutions."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build", "pytorch"))
    parser.add_argument("--exporters", nargs="+", choices=EXPORTERS, default=EXPORTERS)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, (build, sparsity) in NETWORKS.items():
        torch.manual_seed(arguments.seed)
        network = build()
        prune(network, sparsity)
        calibrate(network, arguments.resolution)
        for exporter in arguments.exporters:
            path = arguments.folder / f"{name}_{exporter}.onnx"
            export(network, path, exporter, arguments.resolution)
            print(path)


def export(
    network: nn.Module, path: Path, exporter: Literal["dynamo", "torchscript"], resolution: int
) -> None:
    """Export a network with a batch of any size."""
    images = torch.randn(2, 3, resolution, resolution)
    names = {"input_names": ["input"], "output_names": ["output"]}
    if exporter == "dynamo":
        batch = ({0: torch.export.Dim("batch")},)
        torch.onnx.export(
            network, (images,), path, **names, dynamic_shapes=batch, external_data=False
        )
    else:
        axes = {name: {0: "batch"} for name in ("input", "output")}
        torch.onnx.export(network, (images,), str(path), **names, dynamic_axes=axes, dynamo=False)


if __name__ == "__main__":
    main()
