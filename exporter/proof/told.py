"""What `exporter.proof.sight` saw, in a line that says what to do."""

from exporter.proof.look import QUIET, RUNAWAY, SATURATED
from exporter.proof.section import Seen, Sight

SHOWN = 4


def told(section: Sight, sure: bool) -> str:
    """section: that of the manifest; sure: whether the network is blind for certain."""
    own, tried = section.input, section.tried
    fed = f"{_seen(section)}; the network is fed {own}"
    if not section.detected_on and tried[own].detected_on:
        return f"{fed}, and before quantization it detects {_on(own, section)}: leave more of it in float"
    others = [words for words, each in tried.items() if words != own and _detects(each)]
    others.sort(key=lambda words: (-(tried[words].ap50 or 0), -tried[words].detected_on))
    detects = "and it detects " + ", ".join(_on(words, section) for words in others[:SHOWN])
    if sure and others:
        return f"{fed}, {detects}: it was trained with other normalisation or channel order: choose that preprocessing"
    if sure:
        return (
            f"{fed}, and sees no more in any other usual way (0..1, 0..255, ImageNet's; RGB, BGR): check the weights,"
            " the labels and postprocessing.nms.confidence_threshold"
        )
    perhaps = f", {detects}, which may mean nothing" if others else ""
    return f"{fed}{perhaps}: there may be nothing that it knows; else check normalisation, channel order and weights"


def _detects(metrics: Seen) -> bool:
    return bool(metrics.detected_on) and QUIET <= metrics.response <= RUNAWAY


def _on(words: str, section: Sight) -> str:
    metrics = section.tried[words]
    labelled = "" if metrics.ap50 is None else f", AP50 {metrics.ap50:.0f}"
    score = f"(best score {metrics.best_score:.2g}{labelled})"
    return f"on {metrics.detected_on} of {section.tried_on} when fed {words} {score}"


def _seen(section: Sight) -> str:
    objects = f" with {section.objects} objects" if section.objects else ""
    of = f"{section.images} {section.of}{objects}"
    best, threshold, response = section.best_score, section.threshold, section.response
    if section.saturated > SATURATED:
        return f"{section.saturated:.1%} of the boxes on {of} score above 0.9"
    if not section.detected_on:
        return f"nothing is detected on {of}: the best score is {best:.2g}, the threshold {threshold:g}"
    if response > RUNAWAY:
        return f"the scores run away whatever is shown: class logits move by {response:.0f}, usual are 3 to 15"
    if response < QUIET:
        return f"the scores hardly depend on what is shown: class logits move by {response:.2g}, usual are 3 to 15"
    return f"labelled objects are not found on {of}: AP50 is {section.ap50:.1f}"
