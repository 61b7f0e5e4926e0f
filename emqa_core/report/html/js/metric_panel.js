// One metric: what it means, TPR and FNR over its range, the errors below, what to do about it.

import { Chart } from "emqa/chart.js";
import { count, element, interval, percent, table, value } from "emqa/format.js";
import { isRepeated } from "emqa/findings.js";
import { errorsByBin, MOST_SERIES, performanceOf, seriesOf } from "emqa/performance.js";
import { saveButtons } from "emqa/save.js";
import { BIN_CHOICES } from "emqa/state.js";

const SIDES = {
  prediction: { id: "tpr", title: "True positive rate", about: "share of predictions that are right" },
  label: { id: "fnr", title: "False negative rate", about: "share of labels that are missed" },
};
const COLUMNS = ["side", "series", "lower", "upper", "category", "n", "hit", "rate", "low", "high"];
const ERROR_COLUMNS = ["side", "lower", "upper", "category", "type", "n", "share"];

export class MetricPanel {
  constructor(container, evaluation, state) {
    this.evaluation = evaluation;
    this.state = state;
    const { metrics } = evaluation;
    this.choice = element("select", { id: "metric", onchange: () => state.set({ metric: this.choice.value }) }, ...metrics.map((m) => element("option", { value: m.name }, m.name)));
    this.by = element("input", { type: "checkbox", id: "by-class", onchange: () => state.set({ byClass: this.by.checked }) });
    this.bins = element("select", { id: "bins", onchange: () => state.set({ bins: Number(this.bins.value) }) }, ...BIN_CHOICES.map((n) => element("option", { value: n }, String(n))));
    this.axis = element("select", { id: "axis", onchange: () => state.set({ axis: this.axis.value }) }, element("option", { value: "linear" }, "linear"), element("option", { value: "log" }, "logarithmic"));
    this.about = element("p", { class: "about" });
    this.advice = element("div", { class: "advice" });
    this.legend = element("div", { class: "legend" });
    this.charts = {};
    this.titles = {};
    const blocks = Object.entries(SIDES).map(([side, { id, title }]) => {
      const place = element("div", { id: `chart-${id}` });
      const errors = element("div", { id: `chart-${id}-errors` });
      this.titles[side] = element("p", { class: "average", id: `average-${id}` });
      const save = ["rates", "errors"].map((kind) =>
        saveButtons(kind === "rates" ? id : `${id}_errors`, { chart: () => this.charts[side][kind] }),
      );
      const block = element("div", { class: "side" }, element("h3", {}, title), this.titles[side], place, save[0], errors, save[1]);
      this.charts[side] = { rates: new Chart(place, "performance"), errors: new Chart(errors, "error_types"), block, errorsPlace: errors, errorsSave: save[1] };
      return block;
    });
    this.details = element("details", {}, element("summary", {}, "As a table"), element("div", { class: "scroll", id: "performance-table" }));
    container.replaceChildren(
      element(
        "div",
        { class: "choices" },
        element("label", { class: "inline", for: "metric" }, "metric ", this.choice),
        element("label", { class: "inline", for: "bins" }, "bins ", this.bins),
        element("label", { class: "inline", for: "axis" }, "axis ", this.axis),
        element("label", { class: "inline", for: "by-class" }, this.by, " by class"),
      ),
      this.about, this.advice, this.legend,
      element("div", { class: "sides" }, ...blocks),
      this.details,
      saveButtons("performance", { csv: () => ({ columns: COLUMNS, rows: this.rows }) }),
      saveButtons("error_types_by_bin", { csv: () => ({ columns: ERROR_COLUMNS, rows: this.errors }) }),
    );
  }

  show(selection, view, ranked) {
    const { evaluation, state } = this;
    const name = this.nameOf(ranked);
    const index = evaluation.metricIndex(name);
    if (index < 0) return;
    const metric = evaluation.metrics[index];
    const axis = canBeLogarithmic(metric) ? state.axis ?? usualAxis(metric) : "linear";
    const bins = view.t === evaluation.chosen ? state.bins : Math.min(50, state.bins);
    this.choice.value = name;
    this.by.checked = state.byClass;
    this.bins.value = state.bins;
    this.axis.value = axis;
    this.axis.disabled = !canBeLogarithmic(metric);
    this.about.textContent = [metric.meaning, metric.unit && `Unit: ${metric.unit}.`].filter(Boolean).join(" ");
    this.rows = [];
    this.errors = [];
    const remarks = [];
    for (const [side, about] of Object.entries(SIDES)) {
      const drawn = this.rates(index, side, selection, { ...view, bins }, axis);
      const chart = this.charts[side];
      chart.block.hidden = drawn === null;
      if (drawn === null) continue;
      const best = this.averageAt(index, side, selection, view);
      this.titles[side].replaceChildren(about.about, ": average ", element("b", { "data-value": drawn.average }, percent(drawn.average)), ` of ${count(drawn.n)}`, best);
      if (drawn.size < bins && !metric.categories) remarks.push(`${drawn.size} bins of ${side}s`);
      const errors = errorsByBin(evaluation, index, side, selection).map((row) => ({
        ...row, range: rangeOf(row, metric), end: metric.categories ? row.category : `≤ ${value(row.upper)}`,
      }));
      this.errors.push(...errors.map((row) => ({ side, ...row })));
      chart.errorsPlace.hidden = !errors.length;
      chart.errorsSave.hidden = !errors.length;
      if (errors.length) chart.errors.show({ rows: errors }, { label: `Error types of ${side}s by ${name}` });
    }
    this.remarks = remarks;
    this.showLegend(selection, view, remarks);
    this.showAdvice(name);
    if (this.details.open) this.fill();
    this.details.ontoggle = () => this.details.open && this.fill();
  }

  /** The metric that is looked at: the chosen one, or else the most important one. */
  nameOf(ranked) {
    return this.state.metric ?? mostImportant(this.evaluation, ranked);
  }

  /** Average at the score threshold of best F1, where another one is looked at. */
  averageAt(index, side, selection, view) {
    const { evaluation } = this;
    if (view.t !== evaluation.chosen || view.level === evaluation.bestLevel) return "";
    const drawn = performanceOf(evaluation, index, side, selection, { ...view, level: evaluation.bestLevel, bins: 10 });
    return drawn ? `; ${percent(drawn.average)} at the score of best F1` : "";
  }

  rates(index, side, selection, view, axis) {
    const { evaluation, state } = this;
    const metric = evaluation.metrics[index];
    const whole = performanceOf(evaluation, index, side, selection, view);
    if (whole === null) return null;
    const series = [];
    if (state.byClass) {
      for (const k of seriesOf(evaluation, selection, side)) {
        series.push([evaluation.classes[k].name, performanceOf(evaluation, index, side, { classes: [k], scope: 1 + k }, view)]);
      }
    } else {
      series.push(["selected classes", whole]);
      const atBest = view.t === evaluation.chosen && view.level !== evaluation.bestLevel;
      const best = atBest && performanceOf(evaluation, index, side, selection, { ...view, level: evaluation.bestLevel });
      if (best) series.push(["at the score of best F1", best]);
    }
    const colours = state.byClass ? (i) => `var(--series-${(i % MOST_SERIES) + 1})` : (i) => (i ? "var(--pale)" : SIDE_COLOURS[side]);
    const place = metric.categories === null && axis === "log" ? onLogarithm : (row) => row;
    const rows = series.flatMap(([name, of], i) =>
      of.rows.map((row) => ({
        ...place(row), series: name, colour: colours(i), range: rangeOf(row, metric), low: finite(row.low), high: finite(row.high),
        band: interval(row.low, row.high),
      })),
    );
    this.rows.push(...series.flatMap(([name, of]) => of.rows.map((row) => ({ side, series: name, ...row }))));
    const averages = series.map(([, of], i) => ({ average: finite(of.average), colour: colours(i) }));
    const spec = metric.categories ? "category_performance" : "performance";
    const { id, title } = SIDES[side];
    const label = !whole.rows.length ? `${title} by ${metric.name}: no objects` : `${title} by ${metric.name}: average ${percent(whole.average)}, from ${percent(Math.min(...whole.rows.map((r) => r.rate)))} to ${percent(Math.max(...whole.rows.map((r) => r.rate)))}`;
    this.charts[side].rates.show({ rows, objects: whole.rows.map(place), average: averages }, { label, spec, scale: metric.categories ? "linear" : axis, onClick: (row) => this.open(side, row, metric) });
    this.series = series.map(([name], i) => [name, state.byClass || i ? colours(i) : "var(--ink)"]);
    return { ...whole, id };
  }

  /** A click on a bin asks for the objects behind it. */
  open(side, row, metric) {
    if (row.group === undefined) return;
    this.state.set({ metric: metric.name, group: row.group, source: side });
    document.getElementById("examples-section").scrollIntoView({ block: "nearest" });
  }

  showLegend(selection, view, remarks) {
    const { evaluation, state } = this;
    const several = this.series.length > 1 ? this.series : [];
    const items = several.map(([name, colour]) => element("span", {}, element("i", { style: `background:${colour}` }), name));
    const more = [];
    if (state.byClass && selection.classes.length > MOST_SERIES) more.push(`The ${MOST_SERIES} classes with the most objects of ${selection.classes.length}.`);
    if (evaluation.document.classBins < 50) more.push(`Single classes have ${evaluation.document.classBins} bins at most, all classes together 200.`);
    else more.push("All classes together have up to 200 bins at the run's IoU threshold, else 50.");
    if (evaluation.document.has.errorBins) more.push("Error types are those at the run's IoU and score threshold.");
    if (view.level !== state.level) more.push("By metric, other score thresholds are known at the run's IoU threshold only.");
    if (remarks.length) more.push(`Here: ${remarks.join(", ")}.`);
    this.legend.replaceChildren(...items, element("span", { class: "remark" }, more.join(" ")));
  }

  showAdvice(name) {
    const found = (this.evaluation.document.recommendation ?? []).filter((row) => row.metric === name);
    found.sort((a, b) => isRepeated(a) - isRepeated(b));
    this.advice.replaceChildren(...found.slice(0, 3).map((row) => element("p", {}, row.text)));
    this.advice.hidden = !found.length;
  }

  fill() {
    const number = (title, of) => ({ title, of, isNumber: true });
    const columns = [
      { title: "range", of: (row) => row.category ?? `${value(row.lower)} to ${value(row.upper)}` },
      { title: "of", of: (row) => `${row.side}s, ${row.series}` },
      number("objects", (row) => count(row.n)),
      number("rate", (row) => percent(row.rate)),
      number("95% interval", (row) => interval(row.low, row.high)),
    ];
    this.details.lastChild.replaceChildren(table("performance by metric", columns, this.rows));
  }
}

const SIDE_COLOURS = { prediction: "var(--true-positive)", label: "var(--missed)" };

function mostImportant(evaluation, ranked) {
  const out = new Set([...evaluation.document.controls, ...evaluation.document.apart]);
  const found = ranked.find((row) => !out.has(row.metric));
  return found ? found.metric : evaluation.metrics[0]?.name;
}

/** Logarithmic where most of the values lie in a small part of the range. */
function usualAxis(metric) {
  if (!canBeLogarithmic(metric)) return "linear";
  const middle = metric.upper[Math.floor(metric.upper.length / 2)];
  return metric.upper[metric.upper.length - 1] > 20 * middle ? "log" : "linear";
}

/** Nothing below 0, and above it all but the first edge. */
const canBeLogarithmic = (metric) => metric.categories === null && metric.lower.length > 0 && metric.lower[0] >= 0 && metric.upper[0] > 0;

/** On a logarithmic axis a bin that begins at 0 begins at half its end, and a middle is a geometric one. */
function onLogarithm(row) {
  const lower = row.lower > 0 ? row.lower : row.upper / 2;
  return { ...row, lower, middle: Math.sqrt(lower * row.upper) };
}

const rangeOf = (row, metric) => (metric.categories ? row.category : `${value(row.lower)} to ${value(row.upper)}`);

const finite = (v) => (Number.isNaN(v) ? null : v);

