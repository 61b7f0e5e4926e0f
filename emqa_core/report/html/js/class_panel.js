// Classes: their measures, precision-recall curves, confusion, calibration, and what each error type costs.

import { Chart } from "emqa/chart.js";
import { count, element, measure, percent, table, threshold } from "emqa/format.js";
import { countsAt, ratesOf } from "emqa/headline.js";
import { saveButtons } from "emqa/save.js";
import { mean, ratio, sum, wilson } from "emqa/statistics.js";

const MOST_CURVES = 12;
const MOST_CONFUSED = 24;
const POINTS = 101;
const COLUMNS = ["class", "n_labels", "n_predictions", "n_true_positive", "ap", "ar", "precision", "recall", "f1", "best_score_threshold"];

export class ClassPanel {
  constructor(container, evaluation, state) {
    this.evaluation = evaluation;
    this.state = state;
    this.sortBy = "ap";
    this.descending = true;
    this.table = element("div", { class: "scroll tall", id: "class-table" });
    const block = (title, id, about) => {
      const place = element("div", { id });
      const remark = element("p", { class: "remark" }, about);
      return { block: element("div", { class: "side" }, element("h3", {}, title), remark, place), place, remark };
    };
    const curves = block("Precision and recall", "chart-curves", "");
    const confusion = block("Confusion", "chart-confusion", "");
    const calibration = block("Calibration", "chart-calibration", "");
    const costs = block("What errors cost", "chart-costs", "");
    this.parts = { curves, confusion, calibration, costs };
    this.charts = {
      curves: new Chart(curves.place, "precision_recall"),
      confusion: new Chart(confusion.place, "confusion"),
      calibration: new Chart(calibration.place, "calibration"),
      costs: new Chart(costs.place, "error_costs"),
    };
    curves.block.append(saveButtons("precision_recall", { csv: () => ({ columns: ["series", "recall", "precision"], rows: this.curveRows }), chart: () => this.charts.curves }));
    confusion.block.append(saveButtons("confusion", { csv: () => ({ columns: ["label", "predicted", "n"], rows: this.confusionRows }), chart: () => this.charts.confusion }));
    calibration.block.append(saveButtons("calibration", { csv: () => ({ columns: ["score", "precision", "low", "high", "n"], rows: this.calibrationRows }), chart: () => this.charts.calibration }));
    costs.block.append(saveButtons("errors", { csv: () => ({ columns: ["type", "source", "n", "cost"], rows: this.costRows }), chart: () => this.charts.costs }));
    container.replaceChildren(
      this.table,
      saveButtons("classes", { csv: () => ({ columns: COLUMNS, rows: this.rows }) }),
      element("div", { class: "sides" }, curves.block, costs.block, confusion.block, calibration.block),
    );
  }

  show(selection, view) {
    this.showTable(selection, view);
    this.showCurves(selection, view);
    // The others are at the run's thresholds: classes alone change them.
    const key = selection.classes.join();
    if (key === this.shown) return;
    this.shown = key;
    this.showConfusion(selection);
    this.showCalibration(selection);
    this.showCosts(selection);
  }

  showTable(selection, view) {
    const { evaluation } = this;
    this.rows = selection.classes.map((k) => {
      const counts = countsAt(evaluation, { classes: [k] }, view.t, view.level);
      return {
        k, class: evaluation.classes[k].name, ...counts, ...ratesOf(counts),
        ap: evaluation.classValue("average_precision", 1 + k, view.t),
        ar: evaluation.classValue("average_recall", 1 + k, view.t),
        best_score_threshold: evaluation.classValue("best_score_threshold", 1 + k, view.t),
      };
    });
    const sign = this.descending ? -1 : 1;
    const isAbsent = (v) => typeof v === "number" && Number.isNaN(v);
    this.rows.sort((a, b) => {
      const [x, y] = [a[this.sortBy], b[this.sortBy]];
      if (isAbsent(x) || isAbsent(y)) return isAbsent(x) - isAbsent(y) || a.k - b.k;
      return x === y ? a.k - b.k : x < y ? -sign : sign;
    });
    const titles = { class: "class", n_labels: "labels", n_predictions: "predictions", ap: "AP", ar: "AR", precision: "precision", recall: "recall", f1: "F1", best_score_threshold: "best at" };
    const columns = Object.entries(titles).map(([key, title]) => ({
      title: element("button", { type: "button", class: "link", "data-sort": key, onclick: () => this.sort(key, selection, view) }, title + (this.sortBy === key ? (this.descending ? " ↓" : " ↑") : "")),
      isNumber: key !== "class",
      of: (row) => {
        if (key === "class") return element("button", { type: "button", class: "link", onclick: () => this.state.set({ classes: new Set([row.k]) }) }, row.class);
        return key.startsWith("n_") ? count(row[key]) : measure(row[key]);
      },
    }));
    this.table.replaceChildren(table("measures by class", columns, this.rows));
  }

  sort(key, selection, view) {
    this.descending = this.sortBy === key ? !this.descending : key !== "class";
    this.sortBy = key;
    this.showTable(selection, view);
  }

  showCurves(selection, view) {
    const { evaluation } = this;
    const { values } = evaluation.array("curve/precision");
    const curve = (k) => values.subarray((k * evaluation.nThresholds + view.t) * POINTS, (k * evaluation.nThresholds + view.t + 1) * POINTS);
    const withLabels = selection.classes.filter((k) => !Number.isNaN(curve(k)[0]));
    const shown = [...withLabels].sort((a, b) => evaluation.classValue("n_labels", 1 + b, view.t) - evaluation.classValue("n_labels", 1 + a, view.t) || a - b).slice(0, MOST_CURVES);
    const rows = [];
    const add = (series, of, colour, width) => {
      for (let i = 0; i < POINTS; i += 1) rows.push({ series, recall: i / (POINTS - 1), precision: of(i), colour, width });
    };
    if (withLabels.length > 1) {
      shown.forEach((k) => add(evaluation.classes[k].name, (i) => curve(k)[i], "var(--pale)", 1));
      add("mean of the selected classes", (i) => mean(withLabels.map((k) => curve(k)[i])), "var(--accent)", 2.5);
    } else withLabels.forEach((k) => add(evaluation.classes[k].name, (i) => curve(k)[i], "var(--accent)", 2.5));
    this.curveRows = rows;
    this.parts.curves.remark.textContent = withLabels.length > MOST_CURVES ? `Thick: the mean of ${withLabels.length} classes. Thin: the ${MOST_CURVES} with the most labels.` : "Thick: the mean of the classes.";
    this.charts.curves.show({ rows }, { label: `Precision by recall of ${withLabels.length} classes` });
  }

  showConfusion(selection) {
    const { evaluation } = this;
    const about = evaluation.document.confusion;
    this.parts.confusion.block.hidden = !about;
    this.confusionRows = [];
    const drawn = [];
    if (!about) return;
    const { values, shape } = evaluation.array("confusion");
    const size = shape[0];
    const involved = (k) => {
      let n = 0;
      for (let j = 0; j < size; j += 1) if (j !== k) n += values[k * size + j] + values[j * size + k];
      return n;
    };
    const shown = [...selection.classes].sort((a, b) => involved(b) - involved(a) || a - b).slice(0, MOST_CONFUSED).sort((a, b) => a - b);
    const places = [...shown, size - 1];
    const name = (k) => (k === size - 1 ? "background" : evaluation.classes[k].name);
    // Names stand on both axes in the order in which they first come: the diagonal comes first.
    for (const a of places) drawn.push({ label: name(a), predicted: name(a), n: 0, share: 0, strength: 0 });
    for (const a of places) {
      const total = sum(values.subarray(a * size, (a + 1) * size));
      for (const b of places) {
        const n = values[a * size + b];
        if (n) this.confusionRows.push({ label: name(a), predicted: name(b), n, share: total ? n / total : 0, strength: 0.12 + 0.88 * (total ? n / total : 0) });
      }
    }
    const more = selection.classes.length > MOST_CONFUSED ? ` The ${MOST_CONFUSED} classes with the most errors.` : "";
    // Null where no prediction is right.
    const scores = about.score_threshold === null ? "every score" : `score ≥ ${about.score_threshold.toFixed(3)}`;
    this.parts.confusion.remark.textContent = `At IoU ${threshold(about.iou_threshold)} and ${scores}, whatever is chosen above.${more}`;
    this.charts.confusion.show({ rows: [...drawn, ...this.confusionRows] }, { label: `Confusion of ${shown.length} classes and background` });
  }

  showCalibration(selection) {
    const { evaluation } = this;
    this.parts.calibration.block.hidden = !evaluation.document.has.calibration;
    this.calibrationRows = [];
    if (!evaluation.document.has.calibration) return;
    const { values: n, shape } = evaluation.array("calibration/n_predictions");
    const right = evaluation.array("calibration/n_true_positive").values;
    const score = evaluation.array("calibration/sum_score").values;
    const bins = shape[1];
    let error = 0;
    let all = 0;
    for (let b = 0; b < bins; b += 1) {
      const add = (values) => sum(selection.classes.map((k) => values[k * bins + b]));
      const [rows, hits, scores] = [add(n), add(right), add(score)];
      if (!rows) continue;
      const [low, high] = wilson(rows, hits, 1);
      this.calibrationRows.push({ score: scores / rows, precision: hits / rows, low, high, n: rows });
      error += Math.abs(hits - scores);
      all += rows;
    }
    this.parts.calibration.remark.replaceChildren("At the run's IoU threshold. Expected calibration error ", element("b", { id: "calibration-error", "data-value": ratio(error, all) }, measure(ratio(error, all))), ".");
    this.charts.calibration.show({ rows: this.calibrationRows }, { label: `Precision by score, expected calibration error ${measure(ratio(error, all))}` });
  }

  showCosts(selection) {
    const { evaluation } = this;
    const rows = evaluation.document.errors;
    this.parts.costs.block.hidden = !rows.length;
    this.costRows = [];
    if (!rows.length) return;
    const wanted = new Set(selection.scope === 0 ? [0] : selection.classes.map((k) => 1 + k));
    const found = new Map();
    for (const row of rows.filter((each) => wanted.has(each.scope))) {
      const key = `${row.source} ${row.type}`;
      if (!found.has(key)) found.set(key, { type: row.type, source: row.source, n: 0, costs: [] });
      const into = found.get(key);
      into.n += row.n;
      if (row.cost !== null) into.costs.push(row.cost);
    }
    this.costRows = [...found.values()].map(({ costs, ...row }) => ({ ...row, cost: mean(costs) }));
    const drawn = this.costRows
      .filter((row) => !Number.isNaN(row.cost))
      .map((row) => ({ ...row, type: row.type.replaceAll("_", " "), colour: colourOf(evaluation.document.errorTypes.indexOf(row.type)) }));
    const counted = this.costRows.filter((row) => row.source === "prediction" && evaluation.document.errorTypes.includes(row.type));
    const total = sum(counted.map((row) => row.n));
    this.parts.costs.remark.textContent = `At the run's IoU threshold. Of ${count(total)} false positives: ${counted.map((row) => `${row.type.replaceAll("_", " ")} ${percent(ratio(row.n, total))}`).join(", ")}.`;
    this.parts.costs.place.hidden = !drawn.length;
    if (drawn.length) this.charts.costs.show({ rows: drawn.sort((a, b) => b.cost - a.cost) }, { label: `AP that error types cost: ${drawn.map((row) => `${row.type} ${measure(row.cost)}`).join(", ")}` });
  }
}

/** Of an error type by its place; of the totals of all types a neutral one. */
const colourOf = (place) => (place < 0 ? "var(--floor)" : `var(--error-${1 + place})`);
