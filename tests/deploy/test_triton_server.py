"""Repositories of `exporter triton`, read by Triton's own protobuf and served by a real server, in an environment of its
own: the one that nvidia-pytriton carries, which has the Python backend and no other."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from exporter.artifact.manifest import read_manifest
from exporter.cli import main
from exporter.demo.scenes import scene
from exporter.preprocessing.encode import encode

pytestmark = pytest.mark.slow
SIZE, IMAGES = 160, 24
ARTIFACTS = {
    "free_batch": ["input.batch=dynamic"],
    "two_at_a_time": ["input.batch=2"],
    "flat_rows": ["postprocessing/format=flat"],
    "raw_images": ["preprocessing=letterbox"],
    "all_boxes": ["postprocessing/format=yolo", "input.batch=dynamic"],
    "int8": ["quantization=int8", "calibration.num_images=8", "input.batch=dynamic"],
}
READ = """
import json, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig
parsed = [text_format.Parse(open(path).read(), ModelConfig()) for path in sys.argv[1:]]
print(json.dumps([json_format.MessageToDict(each, preserving_proto_field_name=True) for each in parsed]))
"""
ASK = """
import sys, numpy, tritonclient.http as http
from tritonclient.utils import np_to_triton_dtype
server, model, images, at_once = sys.argv[1], sys.argv[2], numpy.load(sys.argv[3]), int(sys.argv[4])
client = http.InferenceServerClient(server, concurrency=at_once)
name = client.get_model_metadata(model)["inputs"][0]["name"]
def ask(image):
    given = http.InferInput(name, list(image.shape), np_to_triton_dtype(image.dtype))
    given.set_data_from_numpy(image)
    return client.async_infer(model, [given])  # as many under way as the client has connections
answers = [asked.get_result() for asked in [ask(image) for image in images]]
answers = [{each["name"]: answer.as_numpy(each["name"]) for each in answer.get_response()["outputs"]} for answer in answers]
numpy.savez(sys.argv[5], **{f"{i} {name}": value for i, each in enumerate(answers) for name, value in each.items()})
"""


@dataclass
class Server:
    """Where it listens, the Python that has its client, the repository, and the artifacts by their names in it."""

    address: str
    python: Path
    repository: Path
    artifacts: dict[str, Path]

    def statistics(self, model: str) -> dict:
        with urllib.request.urlopen(f"http://{self.address}/v2/models/{model}/stats") as answer:
            return json.load(answer)["model_stats"][0]

    def answers(self, model: str, images: np.ndarray, at_once: int, folder: Path) -> list[dict[str, np.ndarray]]:
        """What the server gives of each of `images`, each a whole input, `at_once` of them under way at a time."""
        np.save(folder / "images.npy", images)
        (folder / "ask.py").write_text(ASK)
        command = [self.python, folder / "ask.py", self.address, model, folder / "images.npy", str(at_once)]
        subprocess.run([*command, folder / "answers.npz"], check=True)
        found: list[dict[str, np.ndarray]] = [{} for _ in images]
        for key, value in np.load(folder / "answers.npz").items():
            number, name = key.split(" ", 1)
            found[int(number)][name] = value
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("triton")
    version = "{}.{}".format(*sys.version_info)
    venv.create(place / "environment", with_pip=True)
    python = place / "environment" / "bin" / "python"
    wanted = ["nvidia-pytriton==0.7.0", f"onnxruntime=={onnxruntime.__version__}"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    packages = place / "environment" / "lib" / f"python{version}" / "site-packages"
    program = packages / "pytriton" / "tritonserver"
    stub = program / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        pytest.skip(f"nvidia-pytriton's Python backend is not for Python {version}")
    if "not found" in subprocess.run(["ldd", stub], capture_output=True, text=True, check=True).stdout:
        pytest.skip(f"Triton's Python backend needs the shared library of Python {version}")
    shutil.copytree(program / "backends" / "python", place / "backends" / "python")
    shutil.copy(stub, place / "backends" / "python")

    artifacts = {name: place / name for name in ARTIFACTS}
    for name, overrides in ARTIFACTS.items():
        given = [f"name={name}", f"input.size={SIZE}", "proof.num_scenes=0", "proof.num_images=2", *overrides]
        assert main(["model=yolo_nas_s", "model.weights=demo", *given, f"output_dir={artifacts[name]}"]) == 0
        assert main(["triton", str(artifacts[name]), "--backend", "python", "--out", str(place / "models")]) == 0

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [program / "bin" / "tritonserver", "--model-repository", place / "models", "--backend-directory",
               place / "backends", "--http-address", "127.0.0.1", "--http-port", address.split(":")[1],
               "--allow-grpc", "false", "--allow-metrics", "false"]  # fmt: skip
    environment = {"PATH": f"{python.parent}:/usr/bin:/bin", "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
                   "PYTHONPATH": str(packages)}  # fmt: skip
    with (place / "log").open("w") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _until_ready(address, running, place / "log")
            yield Server(address, python, place / "models", artifacts)
        finally:
            running.terminate()
            running.wait(60)


def _until_ready(address: str, running: subprocess.Popen, log: Path) -> None:
    for _ in range(120):
        assert running.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://{address}/v2/health/ready"):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def given(folder: Path, number: int) -> np.ndarray:
    """Inputs of the artifact, each a whole one: [number, B, …] of synthetic images; raw ones are no square."""
    manifest = read_manifest(folder)
    raw = manifest.input.layout == "hwc"
    sides = (120, 200) if raw else (SIZE, SIZE)
    batch = 1 if raw or isinstance(manifest.input.shape[0], str) else manifest.input.shape[0]
    images = np.stack([scene("evaluation", i, *sides).image for i in range(number * batch)])
    if raw:
        return np.stack([encode(image[None], manifest.input, manifest.preprocessing) for image in images])
    encoded = encode(images, manifest.input, manifest.preprocessing)
    return encoded.reshape(number, batch, *encoded.shape[1:])


def own(folder: Path, images: np.ndarray) -> list[dict[str, np.ndarray]]:
    """What ONNX Runtime gives of each by itself."""
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(None, {session.get_inputs()[0].name: each}), strict=True)) for each in images]


def test_tritons_own_protobuf_reads_what_the_manifest_says(server):
    files = [server.repository / name / "config.pbtxt" for name in ARTIFACTS]
    run = subprocess.run([server.python, "-c", READ, *files], check=True, capture_output=True, text=True)
    for (name, folder), parsed in zip(server.artifacts.items(), json.loads(run.stdout), strict=True):
        manifest = read_manifest(folder)
        batched = manifest.input.shape[0] == "batch"
        tensors = lambda these, cut=int(batched): [  # noqa: E731
            {"name": each.name, "data_type": TYPES[each.dtype],
             "dims": [str(-1 if isinstance(side, str) else side) for side in each.shape[cut:]]}
            for each in these
        ]  # fmt: skip
        wanted = {
            "name": name,
            "backend": "python",
            "input": tensors([manifest.input]),
            "output": tensors(manifest.outputs),
        }
        assert parsed == wanted | ({"max_batch_size": 8, "dynamic_batching": {}} if batched else {})


TYPES = {"uint8": "TYPE_UINT8", "int64": "TYPE_INT64", "float32": "TYPE_FP32"}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_the_server_gives_what_onnx_runtime_gives(server, name, tmp_path):
    images = given(server.artifacts[name], 6)
    for got, want in zip(server.answers(name, images, 1, tmp_path), own(server.artifacts[name], images), strict=True):
        assert got.keys() == want.keys()
        for output, value in want.items():
            assert got[output].dtype == value.dtype
            assert np.array_equal(got[output], value), output


@pytest.mark.parametrize("name", ["free_batch", "all_boxes", "int8"])
def test_images_that_the_server_puts_together_are_each_ones_own(server, name, tmp_path):
    images = given(server.artifacts[name], IMAGES)
    before = server.statistics(name)
    answers = server.answers(name, images, 8, tmp_path)
    after = server.statistics(name)
    inferences, runs = (int(after[key]) - int(before[key]) for key in ("inference_count", "execution_count"))
    assert inferences == IMAGES and runs <= IMAGES // 2, (inferences, runs)
    for got, want in zip(answers, own(server.artifacts[name], images), strict=True):
        for output, value in want.items():
            # one run of many may round otherwise than many of one
            assert np.allclose(got[output], value, atol=0.02 if "score" not in output else 1e-5, rtol=1e-5), output


@pytest.mark.parametrize("name", ARTIFACTS)
def test_the_client_prints_what_the_program_without_a_server_does(server, name, tmp_path, capsys):
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", scene("evaluation", i, 120, 200).image)
    printed = []
    for language, python in (("triton", server.python), ("python", sys.executable)):
        assert main(["snippet", str(server.artifacts[name]), "--language", language]) == 0
        program = capsys.readouterr().out.replace("localhost:8000", server.address)
        (tmp_path / f"{language}.py").write_text(program)
        command = [python, f"{language}.py", "0.npy", "1.npy", "2.npy"]
        printed.append(subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout)
    assert printed[0] == printed[1]
    assert printed[0].count("\n") > 3
