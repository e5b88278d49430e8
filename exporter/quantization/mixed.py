"""INT8 with as few layers in float as accuracy takes: how sensitive each layer is, then what sets of them cost.

A layer is a convolution with what goes along with it, or with `linear_layers` one of these. Its results and what it
reads have scales that its neighbours share: where it is such a tensor that suffers, every layer about it is found
sensitive, and they stay in float together.
"""

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from exporter.common.errors import BuildError
from exporter.quantization.int8 import Int8
from exporter.quantization.quantized import Quantized
from exporter.quantization.task import Task

if TYPE_CHECKING:
    import onnx

    from exporter.quantization.search import Layers

SHARES = (0.25, 0.5, 0.75)
"""Of the layers in float: tried in any case, for the chart of what they cost and gain."""


class Mixed(Int8):
    """conf/quantization/mixed.yaml says what the fields are."""

    weighs_detections: ClassVar[bool] = True

    max_drop: float = Field(0.5, ge=0, allow_inf_nan=False)
    num_ranking_images: int = Field(4, ge=1)
    num_drop_images: int = Field(32, ge=1)

    @model_validator(mode="after")
    def _ranked_on_some_of_them(self) -> Self:
        if self.num_ranking_images > self.num_drop_images:
            raise ValueError(f"num_ranking_images={self.num_ranking_images} is above num_drop_images: raise that too")
        return self

    def quantize(self, task: Task) -> Quantized:
        """The core in INT8 but for the fewest layers, by their sensitivity, that keep the drop within `max_drop` points
        of mAP on calibration images; all of it measured on the very graphs, and none of it on the clock.

        Raises what `Int8.quantize` raises, and BuildError where no set of layers that was tried keeps it.
        """
        from exporter.quantization import section
        from exporter.quantization.reference_evaluator import reference_evaluator
        from exporter.quantization.search import fewest
        from exporter.quantization.sensitivity import ranking
        from exporter.quantization.summary import summarize

        progress = task.progress
        with progress.stage("  collect statistics"):
            known, reduce_range = self._planned(task)
        with progress.stage("  score the float network"):
            held = reference_evaluator(task, self.num_drop_images)
        count = len(known.layers)
        with progress.stage(f"  each of {count} layers alone"):
            ranked = ranking(progress.bar(known.layers, "layers", count), known, held, self.num_ranking_images)
        order = tuple(each.layer for each in ranked)
        scored: dict[Layers, float] = {}

        def model(in_float: "Layers") -> "onnx.ModelProto":
            return known.model([layer for layer in known.layers if layer not in in_float])

        def drop(in_float: "Layers") -> float:
            if in_float not in scored:
                with progress.stage(f"  {len(in_float)} of {count} layers in float"):
                    scored[in_float] = held.mean_precision(model(in_float))
            return round(held.map - scored[in_float], 3)

        chosen = fewest(order, drop, self.max_drop)
        if chosen is None:
            best = min(scored, key=lambda tried: (drop(tried), len(tried)))
            raise BuildError(
                f"quantization.max_drop={self.max_drop:g}: none of {len(scored)} sets of layers in float keeps the drop"
                f" of mAP within it: the best loses {drop(best):.2f} points, on {len(held.images)} calibration"
                f" images, with {len(best)} of {count} layers in float; nothing was published: allow that much,"
                " calibrate on more images or by another method, or take quantization=none"
            )
        for share in SHARES:
            drop(order[: round(share * count)])
        quantized = model(chosen)
        summary = section.Mixed(
            scheme=task.scheme,
            **dict(summarize(quantized)),
            reduce_range=reduce_range,
            **known.choices,
            max_drop=self.max_drop,
            drop=drop(chosen),
            map={"float": held.map, "mixed": scored[chosen]},
            labels=held.labels,
            num_images={"ranking": min(self.num_ranking_images, len(held.images)), "drop": len(held.images)},
            left_for_accuracy=list(chosen),
            ranking=ranked,
            tried=[
                section.Tried(
                    in_int8=count - len(tried),
                    map=scored[tried],
                    drop=drop(tried),
                    given_back=_given_back(tried, order),
                    chosen=tried == chosen,
                )
                for tried in scored
            ],
        )
        shown = [tried for tried in scored if not _given_back(tried, order)]
        variants = {count - len(tried): partial(model, tried) for tried in (*shown, chosen)}
        return Quantized(quantized, summary, variants)


def _given_back(in_float: "Layers", order: "Layers") -> list[str]:
    """The layers that are on integers though less sensitive ones are not."""
    last = max((order.index(layer) for layer in in_float), default=-1)
    return [layer for layer in order[: last + 1] if layer not in in_float]
