// The headline: measures with intervals and the run before, and what became of predictions and labels.

import { count, delta, element, interval, measure, percent } from "emqa/format.js";
import { headline } from "emqa/headline.js";
import { saveButtons } from "emqa/save.js";
import { ratio } from "emqa/statistics.js";

const NAMES = {
  average_precision_mean: ["mAP", "AP", "mean over the IoU thresholds"],
  average_precision: ["mAP at T", "AP at T", "T: this IoU threshold"],
  average_recall_mean: ["mAR", "AR", "mean over the IoU thresholds"],
  average_recall: ["mAR at T", "AR at T", "T: this IoU threshold"],
  precision: ["precision", "precision", "right among predictions"],
  recall: ["recall", "recall", "found among labels"],
  f1: ["F1", "F1", "of precision and recall"],
};

export class Overview {
  constructor(container, evaluation) {
    this.evaluation = evaluation;
    this.cards = element("div", { class: "cards", id: "measures" });
    this.counts = element("div", { class: "targets" });
    this.remark = element("p", { class: "remark" });
    container.replaceChildren(
      this.cards, this.counts, this.remark,
      saveButtons("measures", { csv: () => ({ columns: ["measure", "value", "low", "high", "before", "delta"], rows: this.rows }) }),
    );
  }

  show(selection, view) {
    const { evaluation } = this;
    const { figures, counts } = headline(evaluation, selection, view);
    const single = selection.classes.length === 1;
    this.rows = Object.entries(figures).map(([name, figure]) => ({ measure: name, ...figure }));
    this.cards.replaceChildren(...Object.entries(figures).map(([name, figure]) => card(name, figure, single)));
    const { n_predictions: p, n_true_positive: right, n_labels: labels } = counts;
    this.counts.replaceChildren(
      target("predictions", "prediction", p, [["true positives", right, "true-positive"], ["false positives", p - right, "false-positive"]], `TPR ${percent(ratio(right, p))}`),
      target("labels", "label", labels, [["found", right, "found"], ["missed", labels - right, "missed"]], `FNR ${percent(ratio(labels - right, labels))}`),
    );
    const { previous } = evaluation.document;
    const remarks = ["AP and AR are over all scores: the score threshold does not change them."];
    if (previous) remarks.push(`± beside a measure: against ${previous.run_id}, over the classes that both have.`);
    const { coco } = evaluation.document;
    if (selection.scope === 0 && coco.length) {
      remarks.push(`COCO: ${coco.map(([name, value]) => `${name} ${value === null || value < 0 ? "–" : value.toFixed(3)}`).join(", ")}.`);
    }
    this.remark.textContent = remarks.join(" ");
  }
}

function card(name, figure, single) {
  const [several, one, where] = NAMES[name];
  const changed = delta(figure.delta);
  return element(
    "div",
    { class: "card", id: `measure-${name}` },
    element("div", { class: "name" }, single ? one : several),
    element("div", { class: "value", "data-value": figure.value }, measure(figure.value)),
    element("div", { class: "interval" }, interval(figure.low, figure.high) || figure.reason || ""),
    element("div", { class: "where" }, where, changed ? element("span", { class: "delta" }, ` ${changed}`) : null),
  );
}

function target(title, id, n, parts, rate) {
  const bar = element(
    "div",
    { class: "bar", "aria-hidden": "true" },
    ...parts.map(([, v, colour]) => element("span", { class: colour, style: `width:${n ? (100 * v) / n : 0}%` })),
  );
  const text = parts.map(([name, v, colour]) =>
    element("span", { class: "part" }, element("i", { class: colour, "aria-hidden": "true" }), `${name} `, element("b", { "data-value": v }, count(v))),
  );
  return element(
    "div",
    { class: "target", id: `counts-${id}` },
    element("div", {}, element("b", { "data-value": n }, count(n)), ` ${title}`, element("span", { class: "rate" }, rate)),
    bar,
    element("div", { class: "parts" }, ...text),
  );
}
