"""Trains the network, trains it on dense and pruned, and exports both.

    python train.py --output build

writes ``dense.onnx`` and ``pruned.onnx``. Minutes on two cores.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import digits
import torch
from network import network, pointwise_layers
from pruning import make_permanent, prune_to, sparsity_at
from torch import Tensor, nn

BATCH = 32
LEARNING_RATE = 2e-3
SHIFT = 4
"""Images are moved by up to this many pixels in training."""

PRUNING_SHARE = 2 / 3
"""Share of the training in which zeros are added; in the rest the network recovers."""


def main() -> None:
    """Train, prune and export."""
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    training, test = (_tensors(images) for images in digits.load())

    model = network(digits.CLASSES)
    train(model, training, epochs=options.epochs, name="first training")

    # For as long as the pruned one, which would otherwise gain by its longer training.
    dense = copy.deepcopy(model)
    train(dense, training, epochs=options.epochs, name="dense")
    report("dense", dense, test)
    export(dense, options.output / "dense.onnx")

    layers = pointwise_layers(model)

    def add_zeros(progress: float) -> None:
        prune_to(layers, sparsity_at(min(1, progress / PRUNING_SHARE), options.sparsity))

    train(model, training, epochs=options.epochs, name="pruned", before_step=add_zeros)
    make_permanent(layers)
    report("pruned", model, test)
    export(model, options.output / "pruned.onnx")


def train(
    model: nn.Module,
    images: tuple[Tensor, Tensor],
    *,
    epochs: int,
    name: str,
    before_step: Callable[[float], None] = lambda progress: None,
) -> None:
    """Train with Adam, whose learning rate rises for a tenth of the time and then falls to zero.

    ``before_step`` is called before each step with the share of the training that is done; the
    last time with 1.
    """
    pixels, labels = images
    steps = epochs * -(-len(labels) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    model.train()
    step, start = 0, time.monotonic()
    for epoch in range(epochs):
        loss_sum = 0.0
        for chosen in torch.randperm(len(labels)).split(BATCH):
            before_step(step / max(1, steps - 1))
            loss = nn.functional.cross_entropy(model(_shifted(pixels[chosen])), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(chosen)
            step += 1
        seconds = time.monotonic() - start
        print(
            f"{name}: epoch {epoch + 1} of {epochs}, loss {loss_sum / len(labels):.4f}, "
            f"{_zeros(model):.1%} zeros, {seconds:.0f} s",
            flush=True,
        )


def accuracy(model: nn.Module, images: tuple[Tensor, Tensor]) -> float:
    """Return the share of images whose digit is found."""
    model.eval()
    with torch.no_grad():
        found = torch.cat([model(part).argmax(1) for part in images[0].split(BATCH)])
    return (found == images[1]).float().mean().item()


def report(name: str, model: nn.Module, test: tuple[Tensor, Tensor]) -> None:
    """Print how well the network does."""
    print(f"{name}: {_zeros(model):.1%} zeros, accuracy {accuracy(model, test):.2%}", flush=True)


def export(model: nn.Module, path: Path) -> None:
    """Write an ONNX file that takes batches of every size."""
    example = torch.zeros(2, 1, digits.SIZE, digits.SIZE)
    torch.onnx.export(
        model.eval(),
        (example,),
        path,
        input_names=["image"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )


def _tensors(images: digits.Images) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(images.pixels), torch.from_numpy(images.labels)


def _shifted(pixels: Tensor) -> Tensor:
    """Move the images of a batch together, by a random number of pixels."""
    down, right = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    padded = nn.functional.pad(pixels, [SHIFT] * 4, value=digits.BACKGROUND)
    return padded[:, :, down : down + digits.SIZE, right : right + digits.SIZE]


def _zeros(model: nn.Module) -> float:
    """Return the share of zeros in the weights of the 1x1 convolutions."""
    weights = torch.cat([layer.weight.detach().flatten() for layer in pointwise_layers(model)])
    return (weights == 0).float().mean().item()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("build"), help="folder of the models")
    parser.add_argument("--epochs", type=int, default=16, help="of each of three trainings")
    parser.add_argument("--sparsity", type=float, default=0.9, help="share of zeros in 1x1 layers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
