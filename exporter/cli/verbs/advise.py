"""`exporter advise`: builds the variants within a time, measures what was built, and names the one to take."""

import json
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.cli.arguments import add_threads, positive, rounds
from exporter.cli.own_recipe import check_free, write_recipe

if TYPE_CHECKING:
    from exporter.pipeline.advise.tried import Tried

USAGE = "+recipe=NAME …"
SUMMARY = "which engine and precision to take on this machine, measured"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="WORD", help="of a build, without backend and quantization")
    parser.add_argument("--max-drop", type=float, default=0.5, metavar="P", help="points of mAP that may be lost (0.5)")
    parser.add_argument("--budget", type=positive, default=900, metavar="S", help="seconds (900)")
    add_threads(parser)
    parser.add_argument("--rounds", type=rounds, default=20)
    parser.add_argument("--out", type=Path, default=Path("outputs") / "advice", metavar="DIR")
    parser.add_argument("--save", metavar="NAME", help="write what is advised as recipes/NAME.yaml")


def run(given: Namespace) -> int:
    """Raises BuildError where no variant holds the bound."""
    from exporter.artifact.benchmark.compare import processor
    from exporter.common.errors import BuildError
    from exporter.common.progress_form import progress_in
    from exporter.common.quoting import quote_path
    from exporter.pipeline.advise.tried import best_of, check_request, try_variants
    from exporter.pipeline.advise.variants import checked, variants

    said, out = [quote_path(argument) for argument in given.words], given.out
    recipes = {each: checked(said, each, str(out / each.name)) for each in variants()}
    if given.save is not None:
        check_free(given.save, "--save")
    check_request(recipes, said, given.save)
    tried = try_variants(recipes, given.budget, given.threads, given.rounds, progress_in("text"))
    best = best_of(tried, given.max_drop)
    print(f"{processor()}, {given.rounds} rounds; drop: points of mAP lost against FP32")
    for line in table(tried, best):
        print(line)
    _write(out, tried, best, given.max_drop)
    print(f"{out / 'advice.json'}, {out / 'advice.png'}")
    if best is None or best.row is None:
        bound = f"--max-drop {given.max_drop:g}"
        raise BuildError(f"{bound}: no variant that was tried holds it: allow more, or --budget more")
    print(f"take this, with {best.row.case.threads} threads:")
    print(f"  python -m exporter {shlex.join((*given.words, *best.variant.overrides))}")
    if given.save is not None:
        print(_save(said, best, given.save))
    return 0


def table(tried: "Sequence[Tried]", best: "Tried | None") -> Iterator[str]:
    """A line for each, the fastest first."""
    yield f"  {'variant':<20} {'threads':>7} {'p50, ms':>9} {'of FP32':>8} {'mAP':>7} {'drop':>6} {'MB':>6}"
    for each in sorted(tried, key=lambda each: (each.row and each.row.p50_ms) or float("inf")):
        if each.row is None or each.row.p50_ms is None:
            yield f"  {each.variant.name:<20} {each.why or (each.row and each.row.why)}"
            continue
        row, size = each.row, each.row.case.manifest.artifact.bytes / 1e6
        ratio = f"{row.ratio.median:.3f}" if row.ratio else "1"
        score, drop = ("–" if value is None else f"{value:.2f}" for value in (row.map, each.drop))
        yield (
            f"  {each.variant.name:<20} {row.case.threads:>7} {row.p50_ms:>9.1f} {ratio:>8} {score:>7} {drop:>6}"
            f" {size:>6.1f}{'  ← take this' if each is best else ''}"
        )


def _write(out: Path, tried: "Sequence[Tried]", best: "Tried | None", max_drop: float) -> None:
    """advice.json and advice.png."""
    from exporter.artifact.benchmark.compare import processor
    from exporter.report.benchmark_chart import draw

    rows = [
        {"variant": each.variant.name, "words": each.variant.overrides, "drop": each.drop, "why": each.why,
         "taken": each is best, **(each.row.plain() if each.row else {})}
        for each in tried
    ]  # fmt: skip
    about = {"processor": processor(), "max_drop": max_drop, "tried": rows}
    (out / "advice.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    title = f"{processor()}; circle: the fastest that loses at most {max_drop:g} points"
    draw([each.row for each in tried if each.row], title, out / "advice.png", best.row if best else None)


def _save(said: Sequence[str], best: "Tried", name: str) -> Path:
    """The variant as a recipe of that name in ./recipes."""
    from exporter.artifact.benchmark.compare import processor
    from exporter.pipeline.advise.variants import recipe_text

    assert best.row is not None  # it was measured, or it would not be the best
    why = f"Advised on {processor()}: {best.row.p50_ms:.1f} ms, {best.drop or 0:.2f} points lost"
    return write_recipe(name, recipe_text(said, best.variant, name, why), "--save")
