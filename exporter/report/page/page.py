"""`report.html`: one page that needs nothing but itself, from the manifest and a few pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from exporter.artifact.manifest import Manifest, Tensor
from exporter.report.page.charts import class_bars, distribution
from exporter.report.page.figures import side_by_side, tiles
from exporter.report.page.markup import facts, paragraph, section, table, text
from exporter.report.page.pictures import Compared
from exporter.report.page.sensitivity import ranking, tradeoff

FILE = "report.html"
# Whatever gets into the page by mistake: a browser loads nothing and runs nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(folder: Path, manifest: Manifest, pictures: Sequence[Compared]) -> None:
    """Writes `report.html` into the folder."""
    data = page(manifest, pictures).encode("utf-8", errors="xmlcharrefreplace")  # a name may hold half a surrogate
    (folder / FILE).write_bytes(data)


def page(manifest: Manifest, pictures: Sequence[Compared]) -> str:
    """The page as HTML: no scripts, nothing from outside. The same manifest and pictures give the same text."""
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    body = "\n".join(part for part in _sections(manifest, pictures) if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(manifest.name)}: report</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n"
        "</main>\n</body>\n</html>\n"
    )


def _sections(manifest: Manifest, pictures: Sequence[Compared]) -> Iterator[str]:
    yield _header(manifest)
    compared = manifest.quantization.get("precision") != "float32"
    yield section("Side by side" if compared else "Figures", side_by_side(manifest), *_notes(manifest))
    yield _pictures(manifest, pictures)
    yield _classes(manifest)
    yield _latency(manifest)
    yield section("What INT8 costs and gains", tradeoff(manifest))
    yield section("Sensitivity", ranking(manifest))
    yield section(
        "Proof",
        paragraph(
            "The artifact was run and held against the torch network: its tensors before NMS (boxes in pixels, scores"
            " in 0..1), its NMS row by row against a plain reference, and where weights and pictures belong together"
            " its detections. Beyond a bound nothing would have been published."
        ),
        facts(manifest.proof),
    )
    shown = {key: value for key, value in manifest.quantization.items() if key not in ("ranking", "tried")}
    yield section("Precision", facts(shown), _calibration(manifest))
    yield _contract(manifest)
    yield section(
        "Recipe",
        paragraph(" ".join(manifest.recipe.overrides) or "no overrides", "command"),
        facts(manifest.recipe.config),
    )
    yield section("Made with", facts({"backend": manifest.backend.model_dump(), **manifest.versions}))


def _header(manifest: Manifest) -> str:
    model, weights = manifest.model, manifest.model.weights
    precision = manifest.quantization.get("precision", "")
    given, shape = manifest.input, " × ".join(str(side) for side in manifest.input.shape)
    source = f"{weights.source}{f', {weights.file}' if weights.file else ''}"
    words = (
        f"{model.name} in {precision}: {given.dtype} {shape} {given.layout} {given.channels} in,"
        f" {model.num_classes} classes, {manifest.backend.name}. Weights: {source}."
    )
    parts = [f"<h1>{text(manifest.name)}</h1>", paragraph(words)]
    parts += [paragraph(warning, "loud") for warning in (manifest.benchmark.warnings if manifest.benchmark else [])]
    if weights.kind == "random":
        parts.append(paragraph("Random weights: for shape and speed work only, it detects nothing.", "loud"))
    return "<header>\n" + "\n".join([*parts, tiles(manifest)]) + "\n</header>"


def _notes(manifest: Manifest) -> Iterator[str]:
    evaluation, benchmark = manifest.evaluation, manifest.benchmark
    if evaluation:
        confidence = manifest.postprocessing.nms.get("confidence_threshold")
        gate = "" if evaluation.max_drop is None else f" A drop beyond {evaluation.max_drop:g} points fails the build."
        gate += "" if evaluation.min_map is None else f" Less than {evaluation.min_map:g} points fails the build."
        yield paragraph(
            f"Precision in points of 100 on {evaluation.num_images} pictures ({evaluation.name}),"
            f" {evaluation.num_background} of them background, with {evaluation.num_boxes} objects; as the artifact is"
            f" used, with its own confidence threshold {confidence}, so lower than with a threshold near 0.{gate}",
            "note",
        )
    if benchmark:
        processor = benchmark.cpu
        features = ", ".join(processor.get("features", []))
        yield paragraph(
            f"Times on {processor.get('name', 'an unknown CPU')} ({features}) in {benchmark.engine},"
            f" {benchmark.threads} threads, {benchmark.rounds} rounds in turn."
            " End to end: bytes of the input's size in, detections out.",
            "note",
        )


def _pictures(manifest: Manifest, pictures: Sequence[Compared]) -> str:
    if not pictures:
        why = "no detections (it has no NMS inside)" if manifest.postprocessing.format is None else None
        why = why or "none are known that belong to these weights: evaluation=coco or yolo brings them"
        return section("Pictures", paragraph(f"No pictures: {why}.", "note"))
    figures = []
    for each in pictures:
        shown = [("this artifact", each.own)]
        words = f"{each.name}: {each.matched} boxes"
        if each.reference is not None:
            shown.insert(0, ("FP32 reference", each.reference))
            words = f"{each.name}: {each.matched} boxes in both, {each.lost} lost, {each.new} new"
        images = "".join(
            f'<div><span class="label">{text(who)}</span><img src="{uri}" alt="{text(f"{who}, {words}")}"></div>'
            for who, uri in shown
        )
        figures.append(f'<figure><div class="pair">{images}</div><figcaption>{text(words)}</figcaption></figure>')
    kind = "pairs" if pictures[0].reference is not None else "singles"
    legend = (
        "The pictures, of a handful, on which both differ most. Thin: boxes of one class that overlap by half or more"
        " in both. Heavy: boxes that only one of them has; orange were lost, blue are new."
        if kind == "pairs"
        else "What the artifact finds."
    )
    return section("Pictures", paragraph(legend, "note"), f'<div class="{kind}">{"".join(figures)}</div>')


def _classes(manifest: Manifest) -> str:
    evaluation = manifest.evaluation
    if evaluation is None:
        return ""
    reference = evaluation.reference.by_class if evaluation.reference else None
    legend = "mAP@[.5:.95] of each class out of 100, and how many objects it has."
    if reference is not None:
        legend += " Above, grey: FP32 reference; below: this artifact. Those that lost most come first."
    chart = class_bars(manifest.model.class_names, evaluation.artifact.by_class, reference, evaluation.boxes_by_class)
    return section("By class", paragraph(legend, "note"), chart)


def _latency(manifest: Manifest) -> str:
    if manifest.benchmark is None:
        return ""
    latency = manifest.benchmark.end_to_end
    rows = [("this artifact", "own", latency.artifact.times_ms)]
    if latency.reference is not None:
        rows.insert(0, ("FP32 reference", "reference", latency.reference.times_ms))
    legend = "End to end: a line for each run, a box about the middle half, a heavy line at the median."
    return section("Latency", paragraph(legend, "note"), distribution(rows))


def _calibration(manifest: Manifest) -> str:
    return facts({"calibration": manifest.calibration.model_dump()}) if manifest.calibration else ""


def _contract(manifest: Manifest) -> str:
    """What goes in and what comes out, and the file itself."""

    def row(tensor: Tensor, meaning: str) -> tuple[str, ...]:
        shape = ", ".join(str(side) for side in tensor.shape)
        return f"<code>{text(tensor.name)}</code>", text(tensor.dtype), text(f"[{shape}]"), text(meaning)

    given = manifest.input
    taken = Tensor(name=given.name, dtype=given.dtype, shape=given.shape, meaning="")
    rows = [row(taken, f"input: {given.layout}, {given.channels}"), *(row(o, o.meaning) for o in manifest.outputs)]
    names = ", ".join(text(name) for name in manifest.model.class_names)
    return section(
        "What goes in and comes out",
        table(("tensor", "type", "shape", "meaning"), rows, "words"),
        facts(
            {
                "preprocessing": manifest.preprocessing.model_dump(),
                "nms": manifest.postprocessing.nms,
                "format": manifest.postprocessing.format,
                "artifact": manifest.artifact.model_dump(exclude={"operators"}),
                "weights": manifest.model.weights.model_dump(),
                "parameters": manifest.model.parameters,
            }
        ),
        f"<details><summary>{manifest.model.num_classes} classes</summary><p>{names}</p></details>",
    )
