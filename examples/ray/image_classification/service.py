"""Online: a service that answers HTTP requests with Ray Serve.

    serve run image_classification.service:build model=model.sparse.onnx

``POST /classify`` with the bytes of an image gives its label; ``GET /health`` says that the model
computes.
"""

# No `from __future__ import annotations`: FastAPI and Ray Serve read the annotations.
import asyncio
from pathlib import Path

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from ray import serve

from .images import ImageError
from .model import SCALING, Model

MAX_BYTES = 20_000_000
"""Of a request; a larger one is refused while it comes in."""

api = FastAPI(title="Image classification")


class Options(BaseModel):
    """What ``serve run`` takes as ``name=value``.

    Parameters
    ----------
    model : str
        Path of an ONNX file, read where the command runs.
    replicas : int
    cpus : int
        Of a replica, and threads of its session.
    batch_size : int
        Images that are classified together at most.
    batch_wait : float
        Seconds that the first image of a batch waits for more.
    queue : int
        Requests that may wait for a replica. Those beyond are answered with 503.
    mean, scale : float
        See `images.as_input`.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    replicas: int = 1
    cpus: int = 1
    batch_size: int = 8
    batch_wait: float = 0.005
    queue: int = 100
    mean: float = SCALING["mean"]
    scale: float = SCALING["scale"]


class Answer(BaseModel):
    """Label and score of one image, and how many were classified together."""

    label: int
    score: float
    batch: int


# Above the service: Ray copies what routes refer to as soon as the class is decorated.
async def _body(request: Request) -> bytes:
    """Return the bytes of a request.

    Raises
    ------
    HTTPException
        413 if there are more than `MAX_BYTES`.
    """
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_BYTES:
            raise HTTPException(413, f"too large: may have {MAX_BYTES} bytes, but has more")
    return bytes(data)


@serve.deployment(health_check_period_s=10, health_check_timeout_s=30)
@serve.ingress(api)
class Service:
    """A replica.

    Parameters
    ----------
    model : bytes
        An ONNX file.
    options : Options
    """

    def __init__(self, model: bytes, options: Options) -> None:
        scaling = {"mean": options.mean, "scale": options.scale}
        self.model = Model(model, threads=options.cpus, scaling=scaling)
        self._classify.set_max_batch_size(options.batch_size)
        self._classify.set_batch_wait_timeout_s(options.batch_wait)
        self.check_health()  # warms up, too

    @api.post("/classify")
    async def classify(self, request: Request) -> Answer:
        """Answer with ``label``, ``score`` and ``batch``, how many were classified together."""
        data = await _body(request)
        try:
            image = await asyncio.to_thread(self.model.decode, data)
        except ImageError as error:
            raise HTTPException(415, str(error)) from error
        return await self._classify(image)

    @api.get("/health")
    async def health(self) -> dict[str, str]:
        """Answer if the model computes."""
        await asyncio.to_thread(self.check_health)
        return {"status": "ok"}

    def check_health(self) -> None:
        """Classify a gray image. Ray calls this, and replaces a replica in which it raises.

        Raises
        ------
        ModelError
            If the model gives no finite scores.
        """
        size = (1, self.model.input.height, self.model.input.width, self.model.input.channels)
        self.model.scores(np.full(size, 128, np.uint8))

    @serve.batch
    async def _classify(self, images: list[NDArray[np.uint8]]) -> list[Answer]:
        scores = await asyncio.to_thread(self.model.scores, np.stack(images))
        return [Answer(label=row.argmax(), score=row.max(), batch=len(images)) for row in scores]


def build(options: Options) -> serve.Application:
    """Return the application, for ``serve run`` and ``serve deploy``."""
    deployment = Service.options(
        num_replicas=options.replicas,
        ray_actor_options={"num_cpus": options.cpus},
        # One batch is computed while the next is received and decoded.
        max_ongoing_requests=2 * options.batch_size,
        max_queued_requests=options.queue,
    )
    return deployment.bind(Path(options.model).read_bytes(), options)
