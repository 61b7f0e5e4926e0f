"""Advice in words, with its numbers."""

from __future__ import annotations

import json

from emqa_core.analysis.advice import Advice

AREA_METRICS = ("object_area_px2", "object_area_relative", "object_width_px", "object_height_px")
_GOES_WELL = {"prediction": "predictions are right", "label": "labels are found", "frame": "frames go well"}
_OBJECTS = {"prediction": "predictions", "label": "labels", "frame": "frames"}


def advice_text(advice: Advice, class_name: str | None, control: str, lowest_score: float) -> str:
    """One or two sentences. class_name: None for all classes. control: of the partial correlation.
    lowest_score: of all predictions.
    """
    at_scores = ""
    if advice.kind in ("confounded", "weak_range") and advice.score_threshold is not None:
        at_scores = scores_text(advice.score_threshold, lowest_score)
    if advice.kind == "confounded":
        return (
            f"{advice.metric} tells where {_GOES_WELL[advice.target]}{at_scores} mostly through {control}:"
            f" correlation {advice.correlation:+.2f}, with that taken out {advice.correlation_partial:+.2f}."
        )
    if advice.kind == "weak_range":
        return _weak(advice, class_name, at_scores)
    if advice.kind == "filter_predictions":
        where = _where(advice, _outside(advice))
        at = f" and ask for a score of {_number(advice.score_threshold)}"
        return f"Drop predictions {where}{at}: {_score_figures(advice)}"
    asked = []
    for each in json.loads(advice.score_thresholds or "[]"):
        score = each["score_threshold"]
        range_ = _range(each["lower"], each["upper"], advice.unit)
        asked.append(f"{'none' if score is None else _number(score)} {range_}")
    before = _number(advice.score_threshold_before)
    scores = f"{', '.join(asked)}, not {before} everywhere"
    return f"Ask for scores by {advice.metric}, {scores}: {_score_figures(advice)}"


def scores_text(threshold: float, lowest: float) -> str:
    """At which scores outcomes are; nothing where the threshold leaves out none, lowest being that of all."""
    return f" at scores of {_number(threshold)} and more" if threshold > lowest else ""


def _score_figures(advice: Advice) -> str:
    lost = advice.true_positives_lost or 0.0
    of_true = f"{lost:.1%} of true positives lost" if lost >= 0 else f"{-lost:.1%} more true positives"
    return (
        f"precision {advice.precision_before:.3f} to {advice.precision_after:.3f},"
        f" recall {advice.recall_before:.3f} to {advice.recall_after:.3f}, {of_true}, F1 {_gain(advice)}"
        f"{_average_precision(advice)}."
    )


def _average_precision(advice: Advice) -> str:
    if advice.average_precision_all is None:
        return ""
    before, after = advice.average_precision_before, advice.average_precision_after
    return f", mAP {before:.3f} to {after:.3f} ({advice.average_precision_all:.3f} with no score threshold)"


def _weak(advice: Advice, class_name: str | None, at_scores: str) -> str:
    of_class = "" if class_name is None else f" of class {class_name}"
    done, wrong = ("found", "missed labels") if advice.target == "label" else ("right", "false positives")
    if advice.category is not None:
        range_ = f"= {advice.category}"
    else:
        range_ = _range(advice.lower, advice.upper, advice.unit)
    text = (
        f"{_OBJECTS[advice.target].capitalize()}{of_class} {_where(advice, range_)} are {done}"
        f" {advice.rate:.0%} of the time{at_scores}, others {advice.rate_rest:.0%}:"
        f" {advice.share_of_wrong:.0%} of the {wrong}, {advice.measure} {_gain(advice)} were they like the"
        " others."
    )
    if advice.metric in AREA_METRICS and advice.target == "label" and advice.is_low:
        text += " Small objects are missed: raise the input resolution."
    return text


def _where(advice: Advice, range_: str) -> str:
    frames = "in frames " if advice.level == "frame" else ""
    return f"{frames}with {advice.metric} {range_}"


def _outside(advice: Advice) -> str:
    """What a filter drops."""
    parts = []
    if advice.lower is not None:
        parts.append(f"of {_number(advice.lower)}{_unit(advice.unit)} or less")
    if advice.upper is not None:
        parts.append(f"above {_number(advice.upper)}{_unit(advice.unit)}")
    return " or ".join(parts)


def _range(lower: float | None, upper: float | None, unit: str) -> str:
    if lower is None:
        return f"up to {_number(upper)}{_unit(unit)}"
    if upper is None:
        return f"above {_number(lower)}{_unit(unit)}"
    return f"above {_number(lower)} up to {_number(upper)}{_unit(unit)}"


def _gain(advice: Advice) -> str:
    gain = advice.gain
    return f"{gain.value:+.3f} [{gain.low:.3f}, {gain.high:.3f}]"


def _number(value: float | None) -> str:
    if value is None:
        return "any"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _unit(unit: str) -> str:
    return "%" if unit == "%" else f" {unit}" if unit in ("px", "px²", "bit", "frames") else ""
