"""What a program in Python says to its engine: how it is loaded, and how a run gives the outputs by name.

Sources: the Python APIs of ONNX Runtime, OpenVINO and TensorRT; Triton's client library for HTTP (`tritonclient.http`).
"""

from dataclasses import dataclass

from exporter.deploy.snippet.facts import Facts, Serialized


@dataclass(frozen=True)
class Engine:
    """name: for people. package: what the program needs besides numpy. imports, session: lines of the program, the
    second opens MODEL. run: the expression that gives the outputs of `images` by name. helper: a function that it
    calls."""

    name: str
    package: str
    imports: str
    session: str
    run: str
    helper: str = ""


def own(facts: Facts) -> Engine:
    """The engine that the artifact is for, set as it was proved: its serialized engine where there is one."""
    if facts.serialized is not None:
        return _tensorrt(facts, facts.serialized)
    if facts.openvino is not None:
        start = OPENVINO.format(settings=facts.openvino)
        return Engine("OpenVINO", "openvino", "import openvino", start, IN_OPENVINO)
    provider, run = facts.provider, IN_ONNX_RUNTIME.format(input=facts.input_name)
    if provider.plugin:
        return Engine(
            "ONNX Runtime", f"onnxruntime and {provider.plugin}", f"import onnxruntime\nimport {provider.plugin}",
            PLUGIN.format(plugin=provider.plugin, name=provider.name), run,
        )  # fmt: skip
    named = ", ".join(f'"{key}": "{value}"' for key, value in provider.options.items())
    start = ONNX_RUNTIME.format(provider=f'("{provider.name}", {{{named}}})' if named else f'"{provider.name}"')
    if provider.name != "CPUExecutionProvider":
        start += OR_NOTHING.format(name=provider.name)
    if provider.captured:
        start += CUDA_GRAPH.format(types=facts.outputs, input=facts.input_name)
        run = "captured(images)"
    return Engine("ONNX Runtime", "onnxruntime", "import onnxruntime", start, run)


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


def _tensorrt(facts: Facts, built: Serialized) -> Engine:
    """Of NVIDIA's own engine. Sources: the Python API of TensorRT 10 and 11, which TensorRT for RTX shares."""
    start = TENSORRT.format(
        file=str(built.file), fits=built.fits, types=facts.outputs, input=facts.input_name,
        plugins='trt.init_libnvinfer_plugins(logger, "")\n' if built.plugins else "",
    )  # fmt: skip
    package = f"torch (for memory on the GPU) and {built.module}"
    return Engine(built.title, package, f"import {built.module} as trt\nimport torch", start, "infer(images)")


ASK = '''
def ask(images):
    """The server's answer."""
    given = tritonclient.http.InferInput({input!r}, list(images.shape), np_to_triton_dtype(images.dtype))
    given.set_data_from_numpy(images)
    answer = session.infer(MODEL, [given])
    return {{name: answer.as_numpy(name) for name in OUTPUTS}}

'''

ONNX_RUNTIME = "session = onnxruntime.InferenceSession(MODEL, providers=[{provider}])"
IN_ONNX_RUNTIME = "dict(zip(OUTPUTS, session.run(None, {{{input!r}: images}})))"

# Unasked, ONNX Runtime goes on with the CPU where a provider does not start, and where it fails in a run.
OR_NOTHING = """
if session.get_providers()[0] != "{name}":
    sys.exit("{name} does not start here")
session.disable_fallback()\
"""

# By itself OpenVINO may compute in bfloat16. An output may have several names there, so they are told by their place.
OPENVINO = 'session = openvino.Core().compile_model(MODEL, "CPU", {settings!r})'
IN_OPENVINO = "dict(zip(OUTPUTS, session([images]).values()))"

PLUGIN = """\
onnxruntime.register_execution_provider_library("{name}", {plugin}.get_library_path())
devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == "{name}"]
if not devices:
    sys.exit("{name} finds no GPU here that it fits")
options = onnxruntime.SessionOptions()
options.add_provider_for_devices(devices, {{}})
session = onnxruntime.InferenceSession(MODEL, options, enable_fallback=0)\
"""

CUDA_GRAPH = """

# A captured CUDA graph reads and writes where it did when it was captured: inputs and outputs stay in their places.
binding, places = session.io_binding(), {{}}
for output in session.get_outputs():
    dtype = np.dtype({types!r}[output.name])
    places[output.name] = onnxruntime.OrtValue.ortvalue_from_shape_and_type(output.shape, dtype, "cuda", 0)
    binding.bind_ortvalue_output(output.name, places[output.name])


def captured(images):
    if {input!r} in places:
        places[{input!r}].update_inplace(images)
    else:
        places[{input!r}] = onnxruntime.OrtValue.ortvalue_from_numpy(images, "cuda", 0)
        binding.bind_ortvalue_input({input!r}, places[{input!r}])
    session.run_with_iobinding(binding)
    return {{name: places[name].numpy() for name in OUTPUTS}}
"""

TENSORRT = """\
ENGINE = {file!r}
TYPES = {types!r}

logger = trt.Logger(trt.Logger.WARNING)
{plugins}runtime = trt.Runtime(logger)
with open(ENGINE, "rb") as file:
    engine = runtime.deserialize_cuda_engine(file.read())
if engine is None:
    sys.exit(ENGINE + {fits!r})
context = engine.create_execution_context()
stream = torch.cuda.Stream()


def infer(images):
    with torch.cuda.stream(stream):
        given = torch.from_numpy(images).cuda()
        if not context.set_input_shape({input!r}, tuple(images.shape)):
            sys.exit(f"the engine does not take images of shape {{images.shape}}")
        context.set_tensor_address({input!r}, given.data_ptr())
        found = {{}}
        for name in OUTPUTS:
            shape = tuple(context.get_tensor_shape(name))
            found[name] = torch.empty(shape, dtype=getattr(torch, TYPES[name]), device="cuda")
            context.set_tensor_address(name, found[name].data_ptr())
        if not context.execute_async_v3(stream.cuda_stream):
            sys.exit("the engine did not run: its messages are above")
        stream.synchronize()
        return {{name: value.cpu().numpy() for name, value in found.items()}}
"""
