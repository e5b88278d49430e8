"""The verbs that are not builds: what each one is given, and which command that is.

What a verb needs is imported when it runs, so that the others do not wait for it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser


def _recipes(words: list[str]) -> int:
    from exporter.cli.help import copy_recipe, print_recipes

    parser = _parser("recipes", "lists the recipes")
    parser.add_argument("--copy", metavar="NAME", help="copy this recipe into ./recipes")
    name = parser.parse_args(words).copy
    if name:
        print(copy_recipe(name))
    else:
        print_recipes()
    return 0


def _verify(words: list[str]) -> int:
    parser = _parser(
        "verify", "checks hashes, the schema, that the graph is what the manifest says, that its engine runs it"
    )
    parser.add_argument("dir", type=Path)
    parser.add_argument("--key", type=Path, metavar="PUBLIC_KEY", help="PEM file of the builder: check the signature")
    given = parser.parse_args(words)
    folder = given.dir
    from exporter.artifact.signature.sign import check_signature, claimed_key

    if given.key:  # first: then nothing of a stranger's is looked into
        print(f"  {check_signature(folder, given.key)}")
    from exporter.artifact.verify import verify

    for line in verify(folder):
        print(f"  {line}")
    if not given.key and (claim := claimed_key(folder)):
        print(f"  its signature was not checked (it says it is of key {claim}): give the builder's, --key PUBLIC_KEY")
    print(f"{folder}: verified")
    return 0


def _sign(words: list[str]) -> int:
    parser = _parser("sign", "signs an artifact, so that verify --key, or openssl and sha256sum, tell who built it")
    parser.add_argument("dir", type=Path)
    parser.add_argument("--key", type=Path, required=True, metavar="PRIVATE_KEY", help="Ed25519, a PEM file")
    parser.add_argument("--passphrase-env", metavar="NAME", help="environment variable that holds its passphrase")
    given = parser.parse_args(words)
    from exporter.artifact.signature.sign import sign

    print(sign(given.dir, given.key, given.passphrase_env))
    return 0


def _predict(words: list[str]) -> int:
    parser = _parser("predict", "runs an artifact on pictures; writes them with boxes, and predictions.json")
    parser.add_argument("dir", type=Path)
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="picture files, or folders of them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the input, where the artifact takes several"
    )
    _add_depth(parser)
    given = parser.parse_args(words)
    from exporter.cli.predict import predict

    return predict(given.dir, given.images, given.out, tuple(given.size) if given.size else None, given.bit_depth)


def _rebuild(words: list[str]) -> int:
    parser = _parser("rebuild", "builds an artifact again from its manifest alone and compares the bytes")
    parser.add_argument("dir", type=Path)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="where its weights lie now")
    parser.add_argument("--pictures", type=Path, metavar="PLACE", help="calibration pictures now: folder, data.yaml")
    parser.add_argument("--annotations", type=Path, metavar="JSON", help="of calibration=coco, where it lies now")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the new artifact here")
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE", help="code that its recipe may name")
    given = parser.parse_args(words)
    from exporter.pipeline.rebuild import rebuild

    trust = tuple(given.trust)
    for line in rebuild(given.dir, given.weights, given.pictures, given.annotations, given.out, trust):
        print(f"{given.dir}: {line}")
    return 0


def _evaluate(words: list[str]) -> int:
    parser = _parser("evaluate", "mAP of an artifact: on demo scenes, or on your pictures in COCO's or YOLO's format")
    parser.add_argument("dir", type=Path)
    _add_pictures(parser, "at most so many (demo: 300, others: all)")
    given = parser.parse_args(words)
    from exporter.artifact.evaluate import evaluate_artifact
    from exporter.common.progress import progress_in

    pictures = (given.num_images, given.yolo, given.coco, given.strict, given.bit_depth)
    for line in evaluate_artifact(given.dir, *pictures, progress_in("text")):
        print(line)
    return 0


def _benchmark(words: list[str]) -> int:
    parser = _parser("benchmark", "time of each artifact against the first: medians of interleaved runs")
    parser.add_argument("dirs", type=Path, nargs="+", metavar="DIR")
    about = "onnxruntime, openvino, all that are installed, or own: the one each artifact is for (the default)"
    parser.add_argument("--engine", action="append", default=[], metavar="NAME", help=about)
    parser.add_argument("--precision", action="append", default=[], metavar="P", help="OpenVINO's: f32, bf16, f16")
    parser.add_argument("--hint", action="append", default=[], metavar="H", help="OpenVINO's: latency, throughput")
    parser.add_argument("--threads", type=_numbers, default=[os.cpu_count() or 1], metavar="N,…")
    parser.add_argument("--batch", type=_numbers, metavar="N,…", help="pictures a run, where that is free")
    parser.add_argument("--rounds", type=int, default=40)
    _add_pictures(parser, "measures mAP too, on so many demo scenes; with --yolo or --coco at most so many pictures")
    parser.add_argument("--out", type=Path, metavar="DIR", help="benchmark.json, and with mAP benchmark.png")
    given = parser.parse_args(words)
    from exporter.benchmark.command import benchmark
    from exporter.common.progress import progress_in

    pictures = (given.num_images, given.yolo, given.coco, given.strict)
    for line in benchmark(
        given.dirs, given.engine, given.precision, given.hint, given.threads, given.batch, given.rounds,
        (*pictures, given.bit_depth) if any(pictures) else None, given.out, progress_in("text"),
    ):  # fmt: skip
        print(line)
    return 0


def _advise(words: list[str]) -> int:
    parser = _parser("advise", "which engine and precision to take on this machine: builds and measures them")
    parser.add_argument("words", nargs="+", metavar="WORD", help="of a build, without backend and quantization")
    parser.add_argument("--max-drop", type=float, default=0.5, metavar="P", help="points of mAP that may be lost (0.5)")
    parser.add_argument("--budget", type=_positive, default=900, metavar="S", help="seconds (900)")
    parser.add_argument("--threads", type=_numbers, default=[os.cpu_count() or 1], metavar="N,…")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("outputs") / "advice", metavar="DIR")
    parser.add_argument("--save", metavar="NAME", help="write what is advised as recipes/NAME.yaml")
    given = parser.parse_intermixed_args(words)  # the words may stand before the options, after them and between
    from exporter.common.progress import progress_in
    from exporter.common.quoting import quote_path
    from exporter.pipeline.advise.command import advise

    said = [quote_path(word) for word in given.words]
    for line in advise(
        said, given.max_drop, given.budget, given.threads, given.rounds, given.out, given.save, progress_in("text")
    ):
        print(line)
    return 0


def _lint(words: list[str]) -> int:
    parser = _parser("lint", "what an engine will not take, in any ONNX file: node, rule, its source, cure")
    parser.add_argument("path", type=Path, metavar="DIR_OR_FILE")
    parser.add_argument("--backend", default="tensorrt", choices=["tensorrt"])
    parser.add_argument("--json", action="store_true", help="for programs: every finding")
    given = parser.parse_args(words)
    from exporter.backend.lint.command import run

    return run(given.path, given.backend, given.json)


def _inspect(words: list[str]) -> int:
    parser = _parser("inspect", "what is in a checkpoint: its network, classes, pre-processing, and how to build it")
    parser.add_argument("file", type=Path, metavar="FILE", help=".pth, .pt or .safetensors; nothing in it is executed")
    file = parser.parse_args(words).file
    from exporter.cli.inspect.command import inspect

    for line in inspect(file):
        print(line)
    return 0


def _plan(words: list[str]) -> int:
    from exporter.common.errors import RequestError
    from exporter.common.quoting import quote_path, quote_text
    from exporter.config.compose import compose

    flags = [word for word in words if word.startswith("-")]
    if flags not in ([], ["-m"], ["--multirun"]):
        raise RequestError(f"plan {' '.join(flags)}: takes the words of a build, and -m for those of a sweep")
    from exporter.config.recipe import check
    from exporter.pipeline.stages.plan import plan, plan_sweep

    said = [word for word in words if word not in flags]
    # As of a build: where a sweep has them, paths are swept over.
    lines = plan_sweep(list(map(quote_text, said))) if flags else plan([check(compose(list(map(quote_path, said))))])
    for line in lines:
        print(line)
    return 0


def _explain(words: list[str]) -> int:
    parser = _parser("explain", "why each stage of the build that made an artifact ran, or did not")
    parser.add_argument("dir", type=Path)
    folder = parser.parse_args(words).dir
    from exporter.pipeline.stages.plan import explain

    for line in explain(folder):
        print(line)
    return 0


def _store(words: list[str]) -> int:
    parser = _parser("store", "what builds keep for the next ones: ls lists it, gc makes room, clear removes all of it")
    parser.add_argument("action", choices=["ls", "gc", "clear"])
    parser.add_argument("--path", default="auto", help="as store.path (the user's cache directory)")
    parser.add_argument("--max-size", default="20 GB", help="gc: as store.max_size (20 GB)")
    given = parser.parse_args(words)
    from exporter.cli.store import collect, list_entries, opened

    store = opened(given.path, given.max_size)
    for line in list_entries(store) if given.action == "ls" else [collect(store, given.action == "clear")]:
        print(line)
    return 0


def _diff(words: list[str]) -> int:
    parser = _parser("diff", "two artifacts side by side; exits 0 where their bytes are the same, 1 where they differ")
    parser.add_argument("a", type=Path, metavar="A")
    parser.add_argument("b", type=Path, metavar="B")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--all", action="store_true", help="also what does not differ")
    given = parser.parse_args(words)
    from exporter.report.diff.command import run

    return run(given.a, given.b, given.json, given.all)


def _schema(words: list[str]) -> int:
    _parser("schema", "prints a JSON schema of recipes, with which editors complete and check them").parse_args(words)
    from exporter.config.schema.schema import schema_text

    print(schema_text(), end="")
    return 0


def _snippet(words: list[str]) -> int:
    parser = _parser("snippet", "prints a short program that runs this artifact and needs nothing of the exporter")
    parser.add_argument("dir", type=Path)
    parser.add_argument("--language", default="python", choices=["python", "cpp"])
    given = parser.parse_args(words)
    from exporter.deploy.snippet.write import snippet

    print(snippet(given.dir, given.language), end="")
    return 0


def _engine(words: list[str]) -> int:
    parser = _parser("engine", "builds and proves the TensorRT engine of an artifact, for this machine's GPU")
    parser.add_argument("dir", type=Path)
    parser.add_argument("--workspace", type=_positive, metavar="MIB", help="memory for building (all there is)")
    parser.add_argument("--timing-cache", type=Path, metavar="FILE", help="measurements to reuse, and to add to")
    parser.add_argument("--commands", action="store_true", help="only print how trtexec builds it, for each TensorRT")
    given = parser.parse_args(words)
    from exporter.deploy.engine.command import engine

    return engine(given.dir, given.workspace, given.timing_cache, given.commands)


def _triton(words: list[str]) -> int:
    parser = _parser("triton", "writes an artifact, or its engine, as a model repository of Triton Inference Server")
    parser.add_argument("dir", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="REPOSITORY")
    parser.add_argument("--backend", choices=["onnxruntime", "tensorrt"], help="tensorrt where there is an engine")
    parser.add_argument("--max-batch-size", type=_positive, metavar="N", help="of a free batch (8, or its profile's)")
    given = parser.parse_args(words)
    from exporter.deploy.triton import write_repository

    print(write_repository(given.dir, given.out, given.backend, given.max_batch_size))
    return 0


def _deepstream(words: list[str]) -> int:
    parser = _parser("deepstream", "writes the nvinfer configuration of a TensorRT artifact, and what it needs")
    parser.add_argument("dir", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    given = parser.parse_args(words)
    from exporter.deploy.deepstream import write_config

    for line in write_config(given.dir, given.out):
        print(line)
    return 0


def _add_pictures(parser: "ArgumentParser", number: str) -> None:
    """Flags that say which labelled pictures accuracy is measured on."""
    parser.add_argument("--num-images", type=int, metavar="N", help=number)
    parser.add_argument("--yolo", metavar="FILE", help="a data.yaml; its split val is taken")
    parser.add_argument("--coco", nargs=2, metavar=("FOLDER", "JSON"), help="pictures, and their annotations")
    parser.add_argument("--strict", action="store_true", help="what is odd about their labels is an error")
    _add_depth(parser)


def _add_depth(parser: "ArgumentParser") -> None:
    about = "bits that 16-bit images use, 8 to 16, as 10 or 12 of a camera (auto: found over all of them, and said)"
    parser.add_argument("--bit-depth", type=_bits, default="auto", metavar="N", help=about)


def _bits(word: str) -> int | str:
    if word != "auto" and not 8 <= int(word) <= 16:
        raise ValueError(word)  # argparse makes one line of it
    return word if word == "auto" else int(word)


def _numbers(word: str) -> list[int]:
    return [_positive(each) for each in word.split(",")]


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise ValueError(word)  # argparse makes one line of it
    return number


def _parser(verb: str, description: str) -> "ArgumentParser":
    import argparse

    return argparse.ArgumentParser(prog=f"exporter {verb}", description=description)


VERBS: dict[str, Callable[[list[str]], int]] = {
    "recipes": _recipes,
    "verify": _verify,
    "sign": _sign,
    "rebuild": _rebuild,
    "inspect": _inspect,
    "plan": _plan,
    "explain": _explain,
    "store": _store,
    "diff": _diff,
    "schema": _schema,
    "predict": _predict,
    "evaluate": _evaluate,
    "benchmark": _benchmark,
    "advise": _advise,
    "snippet": _snippet,
    "lint": _lint,
    "engine": _engine,
    "triton": _triton,
    "deepstream": _deepstream,
}
