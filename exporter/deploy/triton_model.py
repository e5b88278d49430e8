"""The program `model.py` that Triton's Python backend runs an artifact with, in the engine that the artifact is for.

Source: Triton's Python backend (`TritonPythonModel`, `triton_python_backend_utils`): `execute` is given several
requests at once where the server batches, and gives a response for each, in order. The server has checked every input
against config.pbtxt.
"""

from textwrap import indent

from exporter.deploy.snippet.facts import Facts
from exporter.deploy.snippet.python_engines import own

PROGRAM = '''\
"""Runs a detector in {engine}, for Triton's Python backend, whose Python needs numpy and {package}.

Written by `exporter triton` for one artifact, from its manifest.
"""

import sys

import numpy as np
import triton_python_backend_utils as triton
{imports}

INPUT = {input!r}
OUTPUTS = {outputs!r}


class TritonPythonModel:
    def initialize(self, args):
        MODEL = f"{{args['model_repository']}}/{{args['model_version']}}/{file}"
{session}
        self.run = lambda images: {run}

    def execute(self, requests):
        """Requests of images each → a response for each, in order."""
        given = [triton.get_input_tensor_by_name(request, INPUT).as_numpy() for request in requests]
{execute}        return [
            triton.InferenceResponse([triton.Tensor(name, np.ascontiguousarray(of[name])) for name in OUTPUTS])
            for of in found
        ]
'''

TOGETHER = """\
        together = self.run(np.concatenate(given))  # what the server has batched is one run
        ends = np.cumsum([len(images) for images in given])[:-1]
        parts = {name: np.split(value, ends) for name, value in together.items()}
        found = [{name: parts[name][i] for name in OUTPUTS} for i in range(len(given))]
"""

EACH = """\
        found = [self.run(images) for images in given]
"""


def program(facts: Facts, together: bool) -> str:
    """The whole of it. together: whether the first dimension of the input and of all outputs is the batch's, so that
    several requests are one run."""
    engine = own(facts)
    return PROGRAM.format(
        engine=engine.name,
        package=engine.package,
        imports=engine.imports,
        input=facts.input_name,
        outputs=list(facts.outputs),
        file=facts.model,
        session=indent(engine.session, " " * 8),
        run=engine.run,
        execute=TOGETHER if together else EACH,
    )
