"""Writes a model repository for Triton's ONNX Runtime backend, complete.

    python triton_repository.py sample/model.sparse.onnx repository --name mobilenet

Not run here, where there was no Triton server; the tests read the configuration with Triton's own
schema.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import onnxruntime

import ort_sparse

LIBRARY = "libort_sparse.so"

CONFIGURATION = """\
name: "{name}"
backend: "onnxruntime"
max_batch_size: {max_batch}
input [ {inputs} ]
output [ {outputs} ]
instance_group [ {{ kind: KIND_CPU count: {instances} }} ]
dynamic_batching {{ max_queue_delay_microseconds: 5000 }}
parameters [
  {{ key: "intra_op_thread_count" value: {{ string_value: "{threads}" }} }}
]
model_operations {{ op_library_filename: [ "{library}" ] }}
"""

TYPES = {
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(double)": "TYPE_FP64",
    "tensor(int64)": "TYPE_INT64",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int8)": "TYPE_INT8",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(bool)": "TYPE_BOOL",
}
"""Triton's name of each type of ONNX Runtime that networks on images have."""


class RepositoryError(ValueError):
    """The model cannot be served with batches."""


def write_repository(
    model: Path, folder: Path, *, name: str, max_batch: int, instances: int, threads: int, root: str
) -> Path:
    """Write the configuration, the model and the library.

    Parameters
    ----------
    model : path
        A converted ONNX file, its weights inside.
    folder : path
        The repository; a model of this name in it must not exist.
    name : str
    max_batch : int
        Images that Triton may put together.
    instances, threads : int
        Copies of the session, and the threads of each.
    root : str
        Path of the repository where the server runs: it loads the library by its full path.

    Returns
    -------
    path
        The folder of the model.

    Raises
    ------
    FileExistsError
        If the model's folder exists.
    RepositoryError
        If the first dimension of an input or output is not dynamic, or its type is not known.
    """
    session = ort_sparse.session(model)
    place = folder / name
    configuration = CONFIGURATION.format(
        name=name,
        max_batch=max_batch,
        inputs=_tensors(session.get_inputs()),
        outputs=_tensors(session.get_outputs()),
        instances=instances,
        threads=threads,
        library=f"{root}/{name}/{LIBRARY}",
    )
    if place.exists():
        raise FileExistsError(f"{place}: must not exist, but does")
    partial = folder / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "1").mkdir(parents=True)
    (partial / "config.pbtxt").write_text(configuration)
    shutil.copyfile(model, partial / "1" / "model.onnx")
    shutil.copyfile(ort_sparse.get_library_path(), partial / LIBRARY)
    return partial.rename(place)


def _tensors(values: list[onnxruntime.NodeArg]) -> str:
    """Return inputs or outputs as Triton wants them: without the dimension of the batch."""
    written = []
    for value in values:
        batch, *sizes = value.shape
        if isinstance(batch, int):
            raise RepositoryError(
                f"{value.name}: must have a dynamic first dimension, but has shape {value.shape}"
            )
        if value.type not in TYPES:
            raise RepositoryError(f"{value.name}: must have a known type, but has {value.type}")
        dims = ", ".join(str(size if isinstance(size, int) else -1) for size in sizes)
        written.append(
            f'{{ name: "{value.name}" data_type: {TYPES[value.type]} dims: [ {dims} ] }}'
        )
    return ", ".join(written)


def main() -> int:
    """Write what the command line says."""
    options = _options()
    try:
        place = write_repository(
            options.model,
            options.folder,
            name=options.name,
            max_batch=options.max_batch,
            instances=options.instances,
            threads=options.threads,
            root=options.root,
        )
    except (OSError, RepositoryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{place}: config.pbtxt, 1/model.onnx, {LIBRARY}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="ONNX file, as `ort-sparse convert` writes it")
    parser.add_argument("folder", type=Path, help="the repository")
    parser.add_argument("--name", default="model", help="of the model")
    parser.add_argument("--max-batch", type=int, default=8)
    parser.add_argument("--instances", type=int, default=1, help="copies of the session")
    parser.add_argument("--threads", type=int, default=1, help="of each")
    parser.add_argument("--root", default="/models", help="where the server has the repository")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
