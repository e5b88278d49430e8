"""Is what a user's format computes in the artifact what it computes by itself?"""

from collections.abc import Sequence

import numpy as np

from exporter.graph.core_outputs import INNER
from exporter.graph.user_code import UserGraphCode
from exporter.postprocessing.format.custom import BATCH
from exporter.preprocessing.encode import encode
from exporter.preprocessing.section import Input, Preprocessing
from exporter.proof.section import UserFormatErrors
from exporter.proof.tensors import exposed
from exporter.runtime.engine import Engine

RELATIVE, ABSOLUTE = 1e-5, 1e-4
"""By how much floats may differ: two engines round differently; a box reaches 640 px."""


def user_format_errors(
    artifact: bytes, groups: Sequence[np.ndarray], input: Input, preprocessing: Preprocessing, batch: int,
    code: UserGraphCode, engine: Engine,
) -> UserFormatErrors:  # fmt: skip
    """Runs the artifact on the first images of each group (uint8 [n, H, W, 3] RGB), and `code` on what its format was
    given there: the outputs by name, the largest difference, and the names of those that are not the same."""
    run = engine.session(exposed(artifact))
    names = [output.name for output in run.get_outputs()]
    largest, wrong, own = 0.0, set(), []
    for group in groups:
        images = group[[i % len(group) for i in range(batch)]]
        values = dict(zip(names, run.run(None, {input.name: encode(images, input, preprocessing)}), strict=True))
        wanted = code.run([values[INNER + name] for name in BATCH])
        own = list(wanted)
        for name, want in wanted.items():
            got = values[name]
            if not _alike(got, want):
                wrong.add(name)
            elif got.size:
                largest = max(largest, float(np.abs(got.astype(np.float64) - want).max()))
    return UserFormatErrors(outputs=own, max_difference=largest, wrong=sorted(wrong))


def _alike(got: np.ndarray, want: np.ndarray) -> bool:
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    exact = got.dtype.kind in "biu"
    return bool(np.allclose(got, want, rtol=0 if exact else RELATIVE, atol=0 if exact else ABSOLUTE))
