"""What a program in Python runs an artifact with: the package, how it is opened, how it is run.

Sources of the third: Triton's client library for HTTP (`tritonclient.http`), and the KServe protocol's names of dtypes.
"""

from dataclasses import dataclass

from exporter.deploy.snippet.facts import Facts

ASK = '''
def ask(images):
    """The server's answer: the values of OUTPUTS."""
    given = tritonclient.http.InferInput({input!r}, list(images.shape), np_to_triton_dtype(images.dtype))
    given.set_data_from_numpy(images)
    answer = session.infer(MODEL, [given])
    return [answer.as_numpy(name) for name in OUTPUTS]

'''


@dataclass(frozen=True)
class Engine:
    """name: for people; package: what has to be installed; imports: its lines; session: the statement that opens MODEL;
    run: the expression that gives the values of OUTPUTS, in their order, of the array `images`; helper: a function that
    it calls."""

    name: str
    package: str
    imports: str
    session: str
    run: str
    helper: str = ""


def own(facts: Facts) -> Engine:
    """The engine that the artifact is for, set as it was proved."""
    if facts.openvino is None:
        session = f"session = onnxruntime.InferenceSession(MODEL, providers=[{_provider(facts)}])"
        run = f"session.run(None, {{{facts.input_name!r}: images}})"
        return Engine("ONNX Runtime", "onnxruntime", "import onnxruntime", session, run)
    # By itself OpenVINO may compute in bfloat16. An output may have several names there: they are told by their place.
    session = f'session = openvino.Core().compile_model(MODEL, "CPU", {facts.openvino!r})'
    return Engine("OpenVINO", "openvino", "import openvino", session, "session([images]).values()")


def triton(facts: Facts) -> Engine:
    """A server of Triton that has the artifact in its repository, whatever runs it there."""
    return Engine(
        "Triton Inference Server",
        "tritonclient[http]",
        "import tritonclient.http\nfrom tritonclient.utils import np_to_triton_dtype",
        'session = tritonclient.http.InferenceServerClient("localhost:8000")  # where the server listens',
        "ask(images)",
        ASK.format(input=facts.input_name),
    )


def _provider(facts: Facts) -> str:
    name, options = facts.provider
    named = ", ".join(f'"{key}": "{value}"' for key, value in options.items())
    return f'("{name}", {{{named}}})' if options else f'"{name}"'
