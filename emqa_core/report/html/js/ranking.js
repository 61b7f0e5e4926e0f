// Metric importance and correlation: which properties the outcome depends on, as paired bars and as a table.

import { Chart } from "emqa/chart.js";
import { element, interval, measure, table } from "emqa/format.js";
import { rankedMetrics } from "emqa/importance.js";
import { saveButtons } from "emqa/save.js";

const MARKS = { prediction: "(P)", label: "(L)", frame: "(F)" };
const TARGETS = {
  prediction: "predictions: true positive or not",
  label: "labels: found or missed",
  frame: "frames: their F1",
};
const COLUMNS = [
  "metric", "level", "importance", "importance_low", "importance_high", "noise_floor", "is_significant", "is_confounded",
  "correlation", "correlation_low", "correlation_high", "correlation_spearman", "correlation_spearman_low",
  "correlation_spearman_high", "correlation_partial", "correlation_partial_low", "correlation_partial_high", "reason",
];

export class Ranking {
  constructor(container, evaluation, state) {
    this.evaluation = evaluation;
    this.state = state;
    this.targets = Object.entries(TARGETS).map(([target, text]) =>
      element("button", { type: "button", role: "radio", "data-target": target, onclick: () => state.set({ target }) }, text),
    );
    const box = (key, text) => {
      const input = element("input", { type: "checkbox", id: `level-${key}`, onchange: () => state.set({ [key]: input.checked }) });
      return [input, element("label", { class: "inline", for: `level-${key}` }, input, text)];
    };
    const [objects, objectsLabel] = box("ofObjects", " of objects (P), (L)");
    const [frames, framesLabel] = box("ofFrames", " of frames (F)");
    this.boxes = { ofObjects: objects, ofFrames: frames };
    this.place = element("div");
    this.remark = element("p", { class: "remark" });
    this.details = element("details", {}, element("summary", {}, "As a table"), element("div", { class: "scroll", id: "importance-table" }));
    container.replaceChildren(
      element("div", { class: "choices", role: "radiogroup", "aria-label": "explained" }, ...this.targets),
      element("div", { class: "choices" }, objectsLabel, framesLabel),
      this.place, this.remark, this.details,
      saveButtons("importance", { csv: () => ({ columns: COLUMNS, rows: this.rows }), chart: () => this.chart }),
    );
    this.chart = new Chart(this.place, "importance");
  }

  /** ranked: of `rankedMetrics`, for the target of the state. */
  show(selection, view, ranked) {
    const { evaluation, state } = this;
    for (const button of this.targets) button.setAttribute("aria-checked", button.dataset.target === state.target);
    for (const [key, box] of Object.entries(this.boxes)) box.checked = state[key];
    const atOther = { ...view, level: otherLevel(evaluation, view), target: state.target };
    const isKnown = view.t === evaluation.chosen && atOther.level !== view.level;
    const others = new Map(isKnown ? rankedMetrics(evaluation, selection, atOther).map((row) => [row.metric, row.importance]) : []);
    const kept = ranked.filter((row) => (row.level === "frame" ? state.ofFrames : state.ofObjects));
    const apart = new Set(evaluation.document.apart);
    this.rows = [...kept.filter((row) => !apart.has(row.metric)), ...kept.filter((row) => apart.has(row.metric))];
    const controls = new Set(evaluation.document.controls);
    // What a control reaches is the noise floor of its level; the tables have it where they have the row.
    const floors = new Map(ranked.filter((row) => controls.has(row.metric)).map((row) => [row.level, row.importance]));
    for (const row of this.rows) if (Number.isNaN(row.noise_floor)) row.noise_floor = floors.get(row.level) ?? NaN;
    const drawn = this.rows.map((row) => ({
      metric: row.metric,
      title: `${row.metric} ${MARKS[row.level]}${apart.has(row.metric) ? " *" : ""}`,
      mark: colourOf(row, controls),
      importance: finite(row.importance),
      low: finite(row.importance_low),
      high: finite(row.importance_high),
      floor: finite(row.noise_floor),
      other: finite(others.get(row.metric)),
      interval: interval(row.importance_low, row.importance_high),
      correlation: finite(row.correlation),
      correlation_low: finite(row.correlation_low),
      correlation_high: finite(row.correlation_high),
      remark: remarkOf(row),
    }));
    const open = (row) => row.metric && state.set({ metric: row.metric });
    this.chart.show({ rows: drawn }, { label: labelOf(this.rows, state.target), onClick: open });
    this.remark.textContent = this.remarkText(selection, view);
    if (this.details.open) this.fill();
    this.details.ontoggle = () => this.details.open && this.fill();
  }

  remarkText(selection, view) {
    const { evaluation } = this;
    const at = (level) => `score ≥ ${Number(evaluation.levels[level].toFixed(4))}`;
    const strokes = view.t === evaluation.chosen ? `; upright strokes: at ${at(otherLevel(evaluation, view))}` : "";
    const parts = [`Bars: at ${at(view.level)}${strokes}. Dashed: the noise floor, what a random number reaches. Lines: 95% intervals. Pale bars are not told from chance; of grey-blue ones that is not known here. * is a property of the model and ranked apart.`];
    if (selection.scope < 0) parts.push("Several classes: from their sums, without intervals; correlations from bin means.");
    if (evaluation.document.classBins < 50 && selection.scope < 0) parts.push(`Classes have ${evaluation.document.classBins} bins here.`);
    if (view.level !== this.state.level) parts.push("By metric, other score thresholds are known at the run's IoU threshold only.");
    return parts.join(" ");
  }

  fill() {
    const number = (title, of) => ({ title, of, isNumber: true });
    const columns = [
      { title: "metric", of: (row) => element("button", { type: "button", class: "link", onclick: () => this.state.set({ metric: row.metric }) }, `${row.metric} ${MARKS[row.level]}`) },
      number("importance", (row) => measure(row.importance)),
      number("95% interval", (row) => interval(row.importance_low, row.importance_high)),
      number("correlation", (row) => measure(row.correlation)),
      number("95% interval", (row) => interval(row.correlation_low, row.correlation_high)),
      number("Spearman", (row) => measure(row.correlation_spearman)),
      number("95% interval", (row) => interval(row.correlation_spearman_low, row.correlation_spearman_high)),
      number("partial", (row) => measure(row.correlation_partial)),
      number("95% interval", (row) => interval(row.correlation_partial_low, row.correlation_partial_high)),
      { title: "remark", of: remarkOf },
    ];
    this.details.lastChild.replaceChildren(table("metric importance and correlation", columns, this.rows));
  }
}

/** The score threshold that stands beside the chosen one: that of best F1, or else the configured one. */
function otherLevel(evaluation, view) {
  return view.level === evaluation.bestLevel ? evaluation.configuredLevel : evaluation.bestLevel;
}

function colourOf(row, controls) {
  if (controls.has(row.metric)) return "var(--floor)";
  if (row.is_significant === false) return "var(--chance)";
  if (row.is_significant === null) return "var(--unknown)";
  return row.level === "frame" ? "var(--frame)" : "var(--accent)";
}

function remarkOf(row) {
  if (row.reason) return row.reason.replaceAll("_", " ");
  const parts = [];
  if (row.is_significant === false) parts.push("not told from chance");
  if (row.is_confounded) parts.push("explained by size");
  if (row.isEstimate) parts.push("from sums");
  return parts.join(", ");
}

function labelOf(rows, target) {
  const top = rows.filter((row) => !Number.isNaN(row.importance)).slice(0, 5);
  return `Metric importance for ${target}s, highest first: ${top.map((row) => `${row.metric} ${measure(row.importance)}`).join(", ")}`;
}

const finite = (v) => (v === undefined || Number.isNaN(v) ? null : v);
