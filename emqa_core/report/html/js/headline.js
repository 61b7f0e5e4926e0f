// mAP, mAR, precision, recall, F1 and counts of a selection of classes, with intervals and the run before.

import { logitInterval, mean, ratio, sum, wilson } from "emqa/statistics.js";

const GROUPS = 20;
const MIN_FRAMES = 10;
const COUNTED = ["n_labels", "n_predictions", "n_true_positive"];

/** {average_precision, average_precision_mean, average_recall, average_recall_mean, precision, recall, f1}: each
 *  {value, low, high, reason, before}; and counts. view: {t, level}. */
export function headline(evaluation, selection, view) {
  const counts = countsAt(evaluation, selection, view.t, view.level);
  const atConfigured = view.level === evaluation.configuredLevel;
  const before = previousMeasures(evaluation, selection, view.t);
  const figures = {};
  for (const measure of ["average_precision", "average_recall"]) {
    for (const [suffix, t] of [["_mean", evaluation.nThresholds], ["", view.t]]) {
      figures[measure + suffix] = {
        value: meanOfClasses(evaluation, selection, measure, t),
        ...meanInterval(evaluation, selection, measure, t),
        before: before ? before[measure + suffix] : NaN,
        delta: before ? meanOfClasses(evaluation, before.common, measure, t) - before[measure + suffix] : NaN,
      };
    }
  }
  const rates = ratesOf(counts);
  for (const measure of ["precision", "recall", "f1"]) {
    figures[measure] = {
      value: rates[measure],
      ...rateInterval(evaluation, selection, measure, view.t, atConfigured),
      before: before && before.isLike && atConfigured ? before[measure] : NaN,
      delta: before && before.isLike && atConfigured ? ratesOf(countsAt(evaluation, before.common, view.t, view.level))[measure] - before[measure] : NaN,
    };
  }
  return { figures, counts };
}

export function ratesOf({ n_labels, n_predictions, n_true_positive }) {
  return {
    precision: ratio(n_true_positive, n_predictions),
    recall: ratio(n_true_positive, n_labels),
    f1: ratio(2 * n_true_positive, n_predictions + n_labels),
  };
}

/** Counts of a selection at an IoU threshold and a score level. */
export function countsAt(evaluation, selection, t, level) {
  const counts = { n_labels: 0, n_predictions: 0, n_true_positive: 0 };
  const atConfigured = level === evaluation.configuredLevel;
  const nLevels = evaluation.levels.length;
  for (const k of selection.classes) {
    for (const name of COUNTED) {
      if (atConfigured || name === "n_labels") counts[name] += evaluation.classValue(name, 1 + k, t);
      else {
        const held = evaluation.array(`score/${name}`).values;
        counts[name] += held[(k * evaluation.nThresholds + t) * nLevels + level];
      }
    }
  }
  return counts;
}

function meanOfClasses(evaluation, selection, measure, t) {
  const zero = evaluation.document.absentClasses === "zero";
  const values = selection.classes.map((k) => evaluation.classValue(measure, 1 + k, t));
  return mean(zero ? values.map((v) => (Number.isNaN(v) ? 0 : v)) : values);
}

function meanInterval(evaluation, selection, measure, t) {
  if (selection.scope >= 0) {
    const [low, high] = ["low", "high"].map((end) => evaluation.classValue(`${measure}_${end}`, selection.scope, t));
    return Number.isNaN(low) ? { reason: "no interval" } : { low, high };
  }
  if (!evaluation.document.has.groups) return { reason: "no interval for several classes" };
  const thresholds = t === evaluation.nThresholds ? evaluation.document.averaged : [t];
  const without = evaluation.array(`group/${measure}_without`).values;
  const labels = evaluation.array("group/n_labels").values;
  const replicates = [];
  for (let g = 0; g < GROUPS; g += 1) {
    const at = (k, i) => (k * evaluation.nThresholds + i) * GROUPS + g;
    if (!selection.classes.some((k) => labels[at(k, thresholds[0])] > 0)) continue;
    const byClass = selection.classes.map((k) => {
      const values = thresholds.map((i) => {
        const v = without[at(k, i)];
        return Number.isNaN(v) ? evaluation.classValue(measure, 1 + k, i) : v;
      });
      return values.reduce((a, b) => a + b, 0) / values.length;
    });
    const zero = evaluation.document.absentClasses === "zero";
    replicates.push(mean(zero ? byClass.map((v) => (Number.isNaN(v) ? 0 : v)) : byClass));
  }
  if (!hasFrames(evaluation, selection)) return { reason: "insufficient_support" };
  const value = meanOfClasses(evaluation, selection, measure, t);
  return logitInterval(value, replicates, evaluation.document.studentQuantiles);
}

/** Labels in ten frames at least, a frame counted once for each class. */
function hasFrames(evaluation, selection) {
  const at = evaluation.chosen;
  return sum(selection.classes.map((k) => evaluation.classValue("n_frames_with_label", 1 + k, at))) >= MIN_FRAMES;
}

/** Wilson's at the run's IoU threshold, with the frames of all pairs of the selected classes. */
function wilsonOfPairs(evaluation, selection, source, n, hit) {
  const { classes } = evaluation;
  const add = (name) => {
    const { values } = evaluation.array(`together/${source}/${name}`);
    return sum(selection.classes.flatMap((a) => selection.classes.map((b) => values[a * classes.length + b])));
  };
  const frames = evaluation.array(`together/${source}/n_frames`).values;
  const m = Math.max(...selection.classes.map((k) => frames[k * classes.length + k]));
  const p = hit / n;
  const squares = add("sum_product_yy") - 2 * p * add("sum_product_ny") + p * p * add("sum_product");
  const effect = hit === 0 || hit === n ? 1 : m === 1 ? n : ((m / (m - 1)) * squares) / (n * p * (1 - p));
  return wilson(n, hit, effect);
}

function rateInterval(evaluation, selection, measure, t, atConfigured) {
  if (!atConfigured) return { reason: "no interval here" };
  if (selection.scope >= 0) {
    const [low, high] = ["low", "high"].map((end) => evaluation.classValue(`${measure}_${end}`, selection.scope, t));
    return Number.isNaN(low) ? { reason: "no interval" } : { low, high };
  }
  if (!evaluation.document.has.groups) return { reason: "no interval for several classes" };
  const total = countsAt(evaluation, selection, t, evaluation.configuredLevel);
  const ofPairs = t === evaluation.chosen && evaluation.document.resamplingUnit === "frame" && evaluation.has("together/label/n_frames");
  if (measure === "precision" && ofPairs) {
    if (!total.n_predictions) return { reason: "no_predictions" };
    const [low, high] = wilsonOfPairs(evaluation, selection, "prediction", total.n_predictions, total.n_true_positive);
    return { low, high };
  }
  if (measure === "recall" && ofPairs) {
    if (!total.n_labels) return { reason: "no_labels" };
    const [low, high] = wilsonOfPairs(evaluation, selection, "label", total.n_labels, total.n_labels - total.n_true_positive);
    return { low: 1 - high, high: 1 - low };
  }
  if (!hasFrames(evaluation, selection)) return { reason: "insufficient_support" };
  const replicates = [];
  for (let g = 0; g < GROUPS; g += 1) {
    const left = { ...total };
    let rows = 0;
    for (const k of selection.classes) {
      for (const name of COUNTED) {
        const n = evaluation.array(`group/${name}`).values[(k * evaluation.nThresholds + t) * GROUPS + g];
        left[name] -= n;
        rows += n;
      }
    }
    const value = ratesOf(left)[measure];
    if (rows > 0 && !Number.isNaN(value)) replicates.push(value);
  }
  return logitInterval(ratesOf(total)[measure], replicates, evaluation.document.studentQuantiles);
}

/** The same measures of the run before over the selected classes that both have, and these classes; null without a run
 *  before, or where it counts absent classes in another way. isLike: it had the same score threshold. */
function previousMeasures(evaluation, selection, t) {
  const { previous, absentClasses, run } = evaluation.document;
  if (!previous || previous.absentClasses !== absentClasses) return null;
  const had = new Set(previous.rows.map(([id]) => id));
  const classes = selection.classes.filter((k) => had.has(evaluation.classes[k].id));
  const wanted = new Set(classes.map((k) => evaluation.classes[k].id));
  const threshold = evaluation.thresholds[t];
  const found = { average_precision: [], average_recall: [], average_precision_mean: [], average_recall_mean: [] };
  const counts = { n_labels: 0, n_predictions: 0, n_true_positive: 0 };
  const zero = absentClasses === "zero" ? 0 : NaN;
  for (const [id, iou, ap, ar, labels, predictions, right] of previous.rows) {
    if (id === null || !wanted.has(id)) continue;
    const suffix = iou === null ? "_mean" : Math.abs(iou - threshold) < 5e-4 ? "" : null;
    if (suffix === null) continue;
    found[`average_precision${suffix}`].push(ap ?? zero);
    found[`average_recall${suffix}`].push(ar ?? zero);
    if (suffix === "") {
      counts.n_labels += labels;
      counts.n_predictions += predictions;
      counts.n_true_positive += right;
    }
  }
  const measures = Object.fromEntries(Object.entries(found).map(([name, values]) => [name, mean(values)]));
  const isLike = previous.score_threshold === run.score_threshold;
  return { ...measures, ...ratesOf(counts), common: { classes, scope: -1 }, isLike };
}
