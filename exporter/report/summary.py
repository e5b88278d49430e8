"""What a person wants to know when a build is done, in a few lines from the manifest."""

from collections.abc import Iterator

from exporter.artifact.manifest import Input, Manifest, Tensor
from exporter.evaluation.section import ScoreShift
from exporter.postprocessing.outside import in_words
from exporter.proof.section import DetectionErrors, Sight
from exporter.quantization.section import Int8, Mixed


def summary_lines(manifest: Manifest) -> Iterator[str]:
    """Lines for the terminal: the artifact, its input and outputs, its precision, its proof."""
    a, proof = manifest.artifact, manifest.proof
    yield f"{manifest.name}: {a.file}, {a.bytes / 1e6:.1f} MB, opset {a.opset}, sha256 {a.sha256[:12]}…"
    free = "".join(f"; {side} {allowed}" for side, allowed in manifest.input.allowed.items())
    yield f"  input      {_tensor(manifest.input)} {manifest.input.layout} {manifest.input.channels}{free}"
    for output in manifest.outputs:
        yield f"  output     {_tensor(output)}  {output.meaning}"
    if manifest.postprocessing.outside:
        yield f"  detections {in_words(manifest.postprocessing.outside)}"
    if line := _trained_line(manifest):
        yield line
    if manifest.model.weights.kind == "random":
        yield "  weights    random: for shape and speed work only, it detects nothing"
    quantization = manifest.quantization
    if isinstance(quantization, Int8):
        kind = f"int8 ({quantization.scheme})"
        counted = {"convolutions": quantization.convolutions, "linear layers": quantization.linear_layers}
        for what, counts in counted.items():
            if counts is not None:
                yield f"  precision  {counts.int8} {what} in {kind}, {counts.float} in float"
    if isinstance(quantization, Mixed):
        yield (
            f"  accuracy   {len(quantization.left_for_accuracy)} layers left in float for it: a drop of"
            f" {quantization.drop:.2f} points of mAP on calibration images, {quantization.max_drop:g} allowed"
        )
    network, rows = proof.network, proof.postprocessing
    of = "the given file" if manifest.model.weights.kind == "onnx" else "torch"
    yield (
        f"  proof      boxes within {network.max_box_error:.3g} px (mean {network.mean_box_error:.2g}),"
        f" scores within {network.max_score_error:.2g} (mean {network.mean_score_error:.2g}) of {of}"
        + (f"; NMS: {rows.rows} rows, {rows.unexplained} wrong" if rows else "")
    )
    if placed := proof.nodes_by_provider:
        yield f"  ran in     {', '.join(f'{name}: {count} nodes' for name, count in placed.items())}"
    found = proof.detections
    if isinstance(found, DetectionErrors):
        yield (
            f"  detections mAP {found.map:.1f} (torch {found.torch_map:.1f}) on {found.scenes} synthetic"
            f" images, {found.matched}/{found.boxes} boxes matched at mean IoU {found.mean_iou}"
        )
        if found.score_shift:
            yield f"  scores     {_moved(found.score_shift)} torch's"
    if isinstance(proof.sight, Sight) and proof.sight.warning:
        yield f"  warning    proof.blind: {proof.sight.warning}"
    yield from measured_lines(manifest)


def _trained_line(manifest: Manifest) -> str | None:
    """What the network is fed, where that does not go without saying, and who said it."""
    trained, source = manifest.preprocessing.trained, manifest.preprocessing.source
    if manifest.preprocessing.normalization is None:
        return "  fed        with what is not known: set preprocessing=declared, or predict and evaluate have no input"
    if trained is None or source is None or trained.preprocessing is None:
        return None
    if trained.declared:
        others = [key for key, who in (("normalisation", source.normalization), ("resize and padding", source.geometry))
                  if who == "recipe"]  # fmt: skip
        but = f"; the recipe has its own {' and '.join(others)}" if others else ""
        geometry, free = manifest.preprocessing.geometry, {"height", "width"} & set(manifest.input.shape)
        fixed = manifest.preprocessing.geometry_inside_graph or not free
        if fixed and geometry and trained.size and trained.size != (geometry.height, geometry.width):
            theirs, ours = f"{trained.size[0]} × {trained.size[1]}", f"{geometry.height} × {geometry.width}"
            but += f"; at {theirs}, which input.size=auto takes, and built for {ours}"
        return f"  trained on {trained.preprocessing}, as the {trained.source} says{but}"
    if source.normalization == "model" and manifest.model.weights.kind in ("file", "onnx", "memory"):
        return (
            f"  trained on {trained.preprocessing}: assumed, the model's usual; the weights say nothing of it"
            " (preprocessing=declared says otherwise)"
        )
    return None


def measured_lines(manifest: Manifest) -> Iterator[str]:
    """What evaluation and benchmark found, where they were on."""
    evaluation, benchmark = manifest.evaluation, manifest.benchmark
    if evaluation:
        scores, drop = evaluation.artifact, evaluation.drop
        against = f" (FP32 {evaluation.reference.map:.2f}, drop {drop:.2f})" if evaluation.reference else ""
        yield (
            f"  evaluation mAP {scores.map:.2f}{against}, AP50 {scores.ap50:.2f} on {evaluation.num_images} images"
            f" with {evaluation.num_boxes} objects"
        )
        if evaluation.score_shift:
            yield f"  scores     {_moved(evaluation.score_shift)} FP32's"
    if benchmark:
        own, ratio = benchmark.end_to_end.artifact, benchmark.end_to_end.ratio
        against = f", {ratio.median:.2f} of FP32 (quartiles {ratio.low:.2f} to {ratio.high:.2f})" if ratio else ""
        yield f"  benchmark  p50 {own.p50_ms:.1f} ms, p99 {own.p99_ms:.1f} ms{against}, {benchmark.threads} threads"
        yield from (f"  warning    {warning}" for warning in benchmark.warnings)


def _moved(shift: ScoreShift) -> str:
    return (
        f"of {shift.matched} detections: median {shift.median:+.3f}, 5 % below {shift.p5:+.3f},"
        f" 5 % above {shift.p95:+.3f} of"
    )


def _tensor(tensor: Input | Tensor) -> str:
    shape = ", ".join(str(side) for side in tensor.shape)
    return f"{tensor.name} {tensor.dtype} [{shape}]"
