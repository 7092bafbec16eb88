"""Every family, narrow and at a low resolution, exported and run by LiteRT."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tensorflow", reason='needs the extra "tflite"')
pytest.importorskip("ai_edge_litert", reason='needs the extra "tflite"')

from zoo.litert import LiteRT

from ort_sparse import zoo
from ort_sparse.errors import InvalidArgumentError
from ort_sparse.zoo.builder import build_model
from ort_sparse.zoo.export import INPUT_NAME, to_tflite
from ort_sparse.zoo.families.efficientnet import efficientnet
from ort_sparse.zoo.families.effnet import effnet
from ort_sparse.zoo.families.espnet import espnet
from ort_sparse.zoo.families.espnet_v2 import espnet_v2
from ort_sparse.zoo.families.fd_mobilenet import fd_mobilenet
from ort_sparse.zoo.families.mobilenet_v1 import mobilenet_v1
from ort_sparse.zoo.families.mobilenet_v2 import mobilenet_v2, mobilenet_v2_cache_aware
from ort_sparse.zoo.families.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from ort_sparse.zoo.families.shufflenet_v1 import shufflenet_v1
from ort_sparse.zoo.families.shufflenet_v2 import shufflenet_v2
from ort_sparse.zoo.families.squeezenet import squeezenet
from ort_sparse.zoo.layers import Layers, Tensor

SPARSITY = 0.8

NETWORKS: dict[str, tuple[Callable[[Layers], Tensor], int, int]] = {
    # network, resolution, layers that its paper has as 1x1 convolutions to prune
    "mobilenet_v1": (partial(mobilenet_v1, width=0.25, last_block_rows=4), 32, 13),
    "mobilenet_v2": (partial(mobilenet_v2, width=0.35, blocks_of_two_from=11), 32, 34),
    "mobilenet_v2_cache_aware": (mobilenet_v2_cache_aware, 32, 42),
    "efficientnet": (partial(efficientnet, width=0.25), 32, 15 + 16 + 2 * 16 + 1 + 1),
    "mobilenet_v3_large": (partial(mobilenet_v3_large, width=0.5), 32, 14 + 15 + 2 * 8 + 2),
    "mobilenet_v3_small": (partial(mobilenet_v3_small, width=0.5), 32, 10 + 11 + 2 * 9 + 2),
    "shufflenet_v1": (partial(shufflenet_v1, channels=(60, 120, 240)), 64, 32),
    "shufflenet_v2": (partial(shufflenet_v2, channels=(24, 48, 96)), 64, 36),
    "squeezenet": (squeezenet, 64, 17),
    "effnet": (effnet, 32, 3),
    "fd_mobilenet": (partial(fd_mobilenet, width=0.25), 32, 11),
    "espnet": (espnet, 64, 13),
    "espnet_v2": (partial(espnet_v2, width=0.5), 64, 39),
}

every_network = pytest.mark.parametrize("name", NETWORKS)


@cache
def build(name: str, seed: int = 0, sparsity: float = SPARSITY) -> bytes:
    network, resolution, _ = NETWORKS[name]
    return to_tflite(build_model(network, seed=seed, resolution=resolution, sparsity=sparsity))


@cache
def loaded(name: str) -> tuple[LiteRT, list[NDArray[np.float32]]]:
    """Return the interpreter of a network and its outputs for two random images."""
    model = LiteRT(build(name))
    rng = np.random.default_rng(1)
    images = (rng.standard_normal(model.input["shape"], np.float32) for _ in range(2))
    return model, [model.run(image) for image in images]


@every_network
def test_prunes_the_layers_it_should_to_the_stated_sparsity(name: str) -> None:
    weights = loaded(name)[0].sparse_weights()
    assert len(weights) == loaded(name)[0].op_counts()["DENSIFY"] == NETWORKS[name][2]
    for matrix in weights:
        assert matrix.ndim == 2 or matrix.shape[1:3] == (1, 1)
        zeros = matrix.size - np.count_nonzero(matrix)
        assert zeros == pytest.approx(SPARSITY * matrix.size, abs=2.5)


@every_network
def test_leaves_the_other_layers_dense(name: str) -> None:
    dense = loaded(name)[0].dense_weights()
    assert dense
    assert all(np.count_nonzero(weights) == weights.size for weights in dense)


@every_network
def test_scores_are_finite_of_order_one_and_depend_on_the_image(name: str) -> None:
    first, second = loaded(name)[1]
    assert np.isfinite(first).all()
    assert 0.02 < first.std() < 5
    assert np.abs(first - second).max() > 0.05 * np.abs(first).max()


def test_the_input_has_the_name_of_the_published_files() -> None:
    details = loaded("mobilenet_v1")[0].input
    assert details["name"] == INPUT_NAME == "float_image_input"
    assert tuple(details["shape"]) == (1, 32, 32, 3)


def is_blocked(weights: NDArray[np.float32], block_rows: int) -> bool:
    """Say whether zeros come in blocks of ``block_rows`` output channels."""
    occupied = weights.reshape(-1, block_rows, weights.shape[-1]) != 0
    return bool((occupied.all(axis=1) == occupied.any(axis=1)).all())


def test_mobilenet_v1_has_blocks_of_four_in_its_last_block_only() -> None:
    weights = loaded("mobilenet_v1")[0].sparse_weights()
    assert [is_blocked(w, 4) for w in weights] == [False] * 12 + [True]


def test_mobilenet_v2_has_blocks_of_two_from_block_11_on() -> None:
    weights = loaded("mobilenet_v2")[0].sparse_weights()
    # Blocks 0 to 10 have 1 + 10 x 2 layers; 11 to 16 and the last convolution have 6 x 2 + 1.
    assert [is_blocked(w, 2) for w in weights] == [False] * 21 + [True] * 13


def test_the_fully_connected_layer_is_pruned_in_efficientnet_and_dense_in_mobilenet() -> None:
    assert loaded("efficientnet")[0].sparse_weights()[-1].shape[0] == 1000
    assert loaded("mobilenet_v1")[0].dense_weights()[-1].shape[0] == 1000


def test_a_seed_gives_the_same_bytes_again() -> None:
    network, resolution, _ = NETWORKS["mobilenet_v1"]
    model = build_model(network, seed=0, resolution=resolution, sparsity=SPARSITY)
    assert to_tflite(model) == build("mobilenet_v1")


def test_another_seed_gives_another_pattern_of_zeros() -> None:
    other = LiteRT(build("mobilenet_v1", seed=1))
    other.run(np.zeros(other.input["shape"], np.float32))
    pairs = zip(loaded("mobilenet_v1")[0].sparse_weights(), other.sparse_weights(), strict=True)
    assert all(((a == 0) != (b == 0)).any() for a, b in pairs)


def test_sparsity_zero_gives_a_dense_file() -> None:
    assert LiteRT(build("mobilenet_v1", sparsity=0.0)).op_counts()["DENSIFY"] == 0


def test_build_follows_its_arguments_and_reports_progress() -> None:
    lines: list[str] = []
    data = zoo.build("effnet", resolution=64, sparsity=0.9, progress=lines.append)
    model = LiteRT(data)
    assert tuple(model.input["shape"]) == (1, 64, 64, 3)
    model.run(np.zeros(model.input["shape"], np.float32))
    assert np.mean(model.sparse_weights()[0] == 0) == pytest.approx(0.9, abs=1e-3)
    assert lines == ["effnet: building with TensorFlow"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 0}, "resolution"),
        ({"resolution": 40}, "resolution"),
        ({"sparsity": 1.0}, "sparsity"),
        ({"sparsity": -0.1}, "sparsity"),
        ({"seed": -1}, "seed"),
    ],
)
def test_build_refuses_bad_arguments(options: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        zoo.build("effnet", **options)  # type: ignore[arg-type]
