"""Training batches, drawn ahead of time in a process of their own."""

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from exporter.demo.scenes import scene

# Small images make many cheap steps, but the weights are used at 320 and 640, where objects grow larger.
SIZES = (192, 256, 320, 448)
SHARES = (0.15, 0.2, 0.3, 0.35)
_PREFETCH = 4


@dataclass(frozen=True)
class Batch:
    """images: uint8 [B, S, S, 3] RGB; boxes: B arrays float32 [n, 4] xyxy pixels; classes: B arrays int64 [n]."""

    images: np.ndarray
    boxes: list[np.ndarray]
    classes: list[np.ndarray]


def batch(seed: int, step: int, batch_size: int) -> Batch:
    """The batch of one step: about batch_size x 192 x 192 pixels at one of SIZES, so that every step costs the same."""
    size = int(np.random.default_rng([seed, step]).choice(SIZES, p=SHARES))
    count = max(1, round(batch_size * (SIZES[0] / size) ** 2))
    # Strided so that steps share no synthetic image: no batch is larger than batch_size.
    first = (seed << 40) + step * batch_size
    synthetic = [scene("train", first + i, size, size) for i in range(count)]
    return Batch(np.stack([s.image for s in synthetic]), [s.boxes for s in synthetic], [s.classes for s in synthetic])


def batches(seed: int, first_step: int, last_step: int, batch_size: int) -> Iterator[Batch]:
    """The batches of steps first_step ... last_step - 1, in order."""
    # spawn: a fork would copy the threads of torch in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as worker:
        pending: deque[Future[Batch]] = deque()
        for step in range(first_step, last_step):
            pending.append(worker.submit(batch, seed, step, batch_size))
            if len(pending) > _PREFETCH:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
