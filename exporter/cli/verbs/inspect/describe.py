"""What is in a checkpoint, line by line, and the command that builds from it."""

import shlex
from collections.abc import Generator, Iterator
from pathlib import Path

from exporter.cli.verbs.inspect.rows import row
from exporter.cli.verbs.inspect.steps import in_words
from exporter.common.errors import RequestError
from exporter.model.checkpoint import Checkpoint, read_checkpoint
from exporter.model.foreign import known_elsewhere
from exporter.model.stored import Stored
from exporter.model.weights import architecture_of, check_state, num_classes_of
from exporter.preprocessing.supergradients import declared

SHOWN = 100  # names of classes
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def describe(path: Path) -> Iterator[str]:
    """Lines that say what the file holds. Nothing in it is executed, and nothing is built.

    Raises RequestError that names the file where it is missing, damaged or no checkpoint.
    """
    checkpoint = read_checkpoint(path)
    state, stored = checkpoint.state, checkpoint.stored
    kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch checkpoint"
    numbers = sum(tensor.numel() for name, tensor in state.items() if not name.endswith(STATISTICS))
    yield f"{path}: {kind}, {len(state)} entries, {numbers:,} parameters, sha256 {checkpoint.sha256}"
    network = architecture_of(state)
    yield row("network", network or "none that is known here")
    if network:
        yield row("", _fit(network, checkpoint))
    elif elsewhere := known_elsewhere(state):
        yield row("", elsewhere)
    yield row("classes", _classes(stored, checkpoint if network else None))
    where = f"taken from {checkpoint.taken}" if checkpoint.taken else "the file's only ones"
    yield row("weights", f"{where}: averages over training (EMA)" if checkpoint.averaged else f"{where}; no EMA found")
    yield row("thresholds", _thresholds(stored))
    size = yield from _preprocessing(stored)
    if network:
        auto = " input.size=auto" if size else ""
        yield row("build", f"exporter model={network} model.weights={shlex.quote(str(path))}{auto}")


def _fit(network: str, checkpoint: Checkpoint) -> str:
    import torch

    from exporter.model.architectures import ARCHITECTURES

    try:
        with torch.device("meta"):
            expected = ARCHITECTURES[network].create(num_classes_of(checkpoint.state, checkpoint.file)).state_dict()
        check_state(expected, checkpoint.state, checkpoint.file)
    except RequestError as error:
        return f"does not fit: {error}"
    return f"all {len(expected)} entries fit"


def _classes(stored: Stored, checkpoint: Checkpoint | None) -> str:
    """checkpoint: of a network whose layers say how many there are."""
    names = stored.class_names
    listed = "no names in the file"
    if names:
        listed = ", ".join(names[:SHOWN]) + (f", … ({len(names)} names)" if len(names) > SHOWN else "")
    if checkpoint is None:
        return listed
    try:
        count = num_classes_of(checkpoint.state, checkpoint.file)
    except RequestError as error:
        return str(error)
    if names and len(names) != count:
        listed = f"the file names {len(names)} of them, so set model.class_names ({listed})"
    return f"{count}: {listed}"


def _thresholds(stored: Stored) -> str:
    said = {"confidence": stored.confidence_threshold, "NMS": stored.nms_threshold}
    return ", ".join(f"{name} {value:g}" for name, value in said.items() if value is not None) or "none in the file"


def _preprocessing(stored: Stored) -> Generator[str, None, tuple[int, int] | None]:
    """The lines; returns the height and width that they declare, None where they do not, or cannot be taken."""
    if stored.steps is None:
        yield row("pre-processing", "none in the file")
        return None
    title = "pre-processing"
    for number, step in enumerate(stored.steps, 1):
        yield row(title, f"{number}. {in_words(step)}")
        title = ""
    try:
        node, size = declared(stored.steps)
    except RequestError as error:
        yield row("taken as", f"cannot be taken: {error}")
        return None
    yield row("taken as", str(node))
    if size:
        yield row("trained at", f"{size[0]} × {size[1]} pixels, height × width")
    return size
