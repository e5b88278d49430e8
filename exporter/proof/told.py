"""What `exporter.proof.sight` saw, in a line that says what to do."""

from typing import Any

from exporter.proof.look import QUIET, RUNAWAY, SATURATED

SHOWN = 2


def told(section: dict[str, Any], sure: bool) -> str:
    """section: that of the manifest; sure: whether the network is blind for certain."""
    own, tried = section["input"], section["tried"]
    fed = f"{_seen(section)}; the network is fed {own}"
    if not section["detected_on"] and tried[own]["detected_on"]:
        return f"{fed}, and before quantization {_result(own, section)}: leave more in float (quantization.exclude)"
    found = (words for words, each in tried.items() if words != own and _detects(each))
    better = sorted(found, key=lambda words: (-(tried[words]["ap50"] or 0), -tried[words]["best_score"]))[:SHOWN]
    if better:
        said = ", and ".join(f"fed {words} {_result(words, section)}" for words in better)
        return f"{fed}; {said}: it was trained with another normalisation or channel order: choose that preprocessing"
    none = f"{fed}, and with no other usual normalisation or channel order (0..1, 0..255, ImageNet's; RGB, BGR) does it"
    if sure:
        return f"{none} better: check the weights, the labels and postprocessing.nms.confidence_threshold"
    return f"{none} detect anything: either nothing that it knows is there, or check how it was trained"


def _detects(figures: dict[str, Any]) -> bool:
    return bool(figures["detected_on"]) and figures["response"] <= RUNAWAY


def _result(words: str, section: dict[str, Any]) -> str:
    figures = section["tried"][words]
    labelled = "" if figures["ap50"] is None else f", AP50 {figures['ap50']:.0f}"
    share = f"{figures['detected_on']} of {section['tried_on']}"
    return f"it detects on {share} (best score {figures['best_score']:.2g}{labelled})"


def _seen(section: dict[str, Any]) -> str:
    objects = f" with {section['objects']} objects" if section["objects"] else ""
    of = f"{section['images']} {section['of']}{objects}"
    best, threshold, response = section["best_score"], section["threshold"], section["response"]
    if section["saturated"] > SATURATED:
        return f"{section['saturated']:.1%} of the boxes on {of} score above 0.9"
    if not section["detected_on"]:
        return f"nothing is detected on {of}: the best score is {best:.2g}, the threshold {threshold:g}"
    if response > RUNAWAY:
        return f"the scores run away whatever is shown: class logits move by {response:.0f}, which 3 to 15 is usual for"
    if response < QUIET:
        return f"the scores hardly depend on what is shown: class logits move by {response:.2g}, usual are 3 to 15"
    return f"labelled objects are not found on {of}: AP50 is {section['ap50']:.1f}"
