"""Train the weights that the project ships: python -m tests.demo.training.train --model yolo_nas_s --out FILE

Resumes from FILE.checkpoint where one lies beside the output; the finished weights are the moving average of the
parameters in the original (unfused) layout, float16 safetensors.
"""

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from exporter.demo.scenes import CLASS_NAMES
from exporter.model.architectures import ARCHITECTURES
from exporter.model.dfl import DflDetector
from tests.demo.training.batches import SHARES, SIZES, Batch, batch, batches
from tests.demo.training.loss import Losses, detection_loss
from tests.demo.training.networks import create, network_input

LEARNING_RATE, WARM_UP_STEPS, WEIGHT_DECAY, LARGEST_GRADIENT = 1.2e-3, 80, 1e-4, 10.0
EMA_DECAY = 0.995
LOG_EVERY, CHECKPOINT_EVERY = 20, 200


@dataclass(frozen=True)
class Settings:
    """What a run is made of; a checkpoint resumes only under the same settings."""

    model: str
    batch_size: int
    seed: int


def learning_rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983) down to 1 % at the last step."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    fraction = (step - WARM_UP_STEPS) / max(1, steps - 1 - WARM_UP_STEPS)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, fraction))) / 2


def optimiser(network: nn.Module) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and kernels only, not on norms, biases and single scales."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, step: int) -> None:
    """Move the exponential moving average one step; the decay warms up, so that it soon forgets the fresh weights."""
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    current = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def losses_of(network: DflDetector, architecture: str, batch: Batch) -> Losses:
    """The loss of the network on a batch. The convolutions run in bfloat16, the loss in float32."""
    images = network_input(architecture, batch.images)
    with torch.autocast("cpu", torch.bfloat16):
        box_logits, class_logits, anchors = network.undecoded(images)
    boxes, classes = ([torch.from_numpy(a) for a in arrays] for arrays in (batch.boxes, batch.classes))
    return detection_loss(box_logits.float(), class_logits.float(), anchors, boxes, classes)


def freeze_unused(network: DflDetector, architecture: str, batch: Batch) -> None:
    """Set parameters that no gradient reaches to zero, so that the file compresses, and leave them out of training."""
    probe = copy.deepcopy(network)
    losses_of(probe, architecture, batch).total.backward()
    for used, parameter in zip(probe.parameters(), network.parameters(), strict=True):
        if used.grad is None:
            nn.init.zeros_(parameter).requires_grad_(False)


def save_atomically(content: object, path: Path) -> None:
    """Write with torch.save through a neighbour, so that a killed run leaves the old file or the new one."""
    part = path.with_name(path.name + ".part")
    torch.save(content, part)
    part.replace(path)


def save_weights(state: dict[str, Tensor], settings: Settings, steps: int, path: Path) -> None:
    """Write a state dict as float16 safetensors (counters stay int64) with its metadata."""
    tensors = {name: (v.half() if v.is_floating_point() else v).contiguous() for name, v in state.items()}
    metadata = {
        "architecture": settings.model,
        "num_classes": str(len(CLASS_NAMES)),
        "class_names": json.dumps(CLASS_NAMES),
        "steps": str(steps),
        "batch_size": str(settings.batch_size),
        "sizes": json.dumps(dict(zip(SIZES, SHARES, strict=True))),
        "seed": str(settings.seed),
        "licence": "Apache-2.0",
    }
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, metadata)
    part.replace(path)


def train(settings: Settings, steps: int, out: Path) -> None:
    """Run the training to its end, or on from the last checkpoint, and write the weights to `out`.

    A resumed run may have another number of steps, to end sooner or later than planned.
    """
    torch.manual_seed(settings.seed)
    network = create(settings.model, len(CLASS_NAMES)).train()
    freeze_unused(network, settings.model, batch(settings.seed, 0, settings.batch_size))
    average = copy.deepcopy(network)
    adam = optimiser(network)
    checkpoint, first = out.with_name(out.name + ".checkpoint"), 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if any(saved["settings"][name] != value for name, value in vars(settings).items()):
            raise SystemExit(f"{checkpoint} is of another run ({saved['settings']}): move it away or use its settings")
        first = saved["step"]
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        adam.load_state_dict(saved["adam"])
    trained = [p for p in network.parameters() if p.requires_grad]
    started = time.perf_counter()
    for step, drawn in enumerate(batches(settings.seed, first, steps, settings.batch_size), first):
        for group in adam.param_groups:
            group["lr"] = LEARNING_RATE * learning_rate_factor(step, steps)
        losses = losses_of(network, settings.model, drawn)
        adam.zero_grad()
        losses.total.backward()
        nn.utils.clip_grad_norm_(trained, LARGEST_GRADIENT)
        adam.step()
        update_average(average, network, step)
        done = step + 1
        if done % LOG_EVERY == 0:
            pace = (time.perf_counter() - started) / (done - first)
            parts = " ".join(f"{name} {value.item():.3f}" for name, value in vars(losses).items())
            left = pace * (steps - done) / 60
            print(f"step {done}/{steps} {parts} {pace:.2f} s/step, {left:.0f} min left", flush=True)
        if done % CHECKPOINT_EVERY == 0 or done == steps:
            states = {"network": network.state_dict(), "average": average.state_dict(), "adam": adam.state_dict()}
            save_atomically({"step": done, "settings": vars(settings), **states}, checkpoint)
    save_weights(average.state_dict(), settings, steps, out)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train a demo detector on synthetic images.")
    parser.add_argument("--model", choices=ARCHITECTURES, required=True)
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch-size", type=int, default=12, help="images of 192 x 192 in a step; fewer if larger")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    train(Settings(arguments.model, arguments.batch_size, arguments.seed), arguments.steps, arguments.out)


if __name__ == "__main__":
    main()
