"""`python -m tests.tables TABLE`: fills a table of the READMEs and prints it.

`tests.tables` says in which README each stands."""

import argparse
import sys
from pathlib import Path

from exporter.common.errors import RequestError


def main(arguments: list[str] | None = None) -> int:
    """Prints the table and returns 0; 2 for a request that cannot be met."""
    parser = argparse.ArgumentParser(prog="python -m tests.tables", description=__doc__)
    parser.add_argument(
        "table",
        choices=["precision", "matrix", "tensorrt", "sweep", "engines", "nms", "compiled", "consumers", "gpu", "peers"],
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N rows")
    parser.add_argument("--size", type=int, default=640, metavar="S", help="pixels of the input's sides (640)")
    parser.add_argument("--rounds", type=int, default=40, metavar="R", help="runs of each in turn for the latency (40)")
    parser.add_argument(
        "--provider", default="cuda", choices=["cuda", "cpu"], help="gpu: cpu tries its code without one"
    )
    parser.add_argument("--model", default="yolo_nas_s", help="precision, engines: one with demo weights (yolo_nas_s)")
    parser.add_argument("--scenes", type=int, default=300, metavar="N", help="synthetic images to score on (300)")
    parser.add_argument("--file", type=Path, help="where rows are kept (outputs/figures/TABLE.jsonl): those in it are"
                        " not measured again; remove it to begin anew")  # fmt: skip
    parser.add_argument("--peer-python", action="append", default=[], metavar="NAME=PATH", help="peers: an interpreter that"
                        " has this tool, for onnxruntime, nncf, libreyolo or modern-yolonas (this one)")  # fmt: skip
    given = parser.parse_args(arguments)
    from exporter.common.progress_form import progress_in
    from exporter.runtime.onnx_providers import check_provider
    from tests.tables import compiled, consumers, engines, gpu, matrix, nms, peers, precision, sweep, tensorrt

    file = given.file or Path("outputs") / "figures" / f"{given.table}.jsonl"
    try:
        if (given.limit is not None and given.limit < 1) or given.scenes < 1 or given.rounds < 2:
            raise RequestError("--limit, --scenes and --rounds: at least 1, rounds 2")
        progress = progress_in("text")
        if given.table == "precision":
            table = precision.table(given.model, given.size, given.scenes, given.rounds, given.limit, file, progress)
        elif given.table == "tensorrt":
            table = tensorrt.table(given.size, given.scenes, given.limit, file, progress)
        elif given.table == "consumers":
            table = consumers.table(given.size, given.scenes, given.limit, file, progress)
        elif given.table == "sweep":
            table = sweep.table(given.size, given.limit, progress)
        elif given.table == "compiled":
            table = compiled.table(given.size, given.limit, file, progress)
        elif given.table == "gpu":
            check_provider(given.provider)
            table = gpu.table(given.provider, given.size, given.rounds)
        elif given.table == "nms":
            table = nms.table(given.rounds)
        elif given.table == "peers":
            pythons = peers.interpreters(given.peer_python)
            table = peers.table(given.size, given.scenes, given.rounds, given.limit, pythons, file, progress)
        elif given.table == "engines":
            chart = file.with_suffix(".png")
            chart.parent.mkdir(parents=True, exist_ok=True)
            table = engines.table(given.model, given.size, given.scenes, given.rounds, given.limit, chart, progress)
        else:
            table = matrix.table(given.size, given.rounds, given.limit, file, progress)
    except RequestError as error:
        print(f"tests.tables: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
