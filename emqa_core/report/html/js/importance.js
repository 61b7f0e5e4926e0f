// Metric importance and correlation of a selection of classes: of one class or all as the tables have them, of
// several from the sums over classes: docs/definitions.md, "A selection of classes".

import { clusterShare, countsByBin } from "emqa/bins.js";
import { sum } from "emqa/statistics.js";

const MIN_ROWS = 25;
const MIN_RARER_OUTCOME = 5;
const MIN_EFFECTIVE_FRAMES = 10;
const STORED = [
  "importance", "importance_low", "importance_high", "noise_floor", "correlation", "correlation_low", "correlation_high",
  "correlation_spearman", "correlation_spearman_low", "correlation_spearman_high", "correlation_partial", "correlation_partial_low", "correlation_partial_high",
];

/** A row per metric of the target, the most important first: {metric, index, level, importance, importance_low, ...,
 *  is_significant, is_confounded, reason, isEstimate}. view: {t, level, target}. */
export function rankedMetrics(evaluation, selection, view) {
  const { target } = view;
  const rows = [];
  evaluation.metrics.forEach((metric, index) => {
    const level = evaluation.levelOf(metric.name, target);
    if (level === null) return;
    const row = stored(evaluation, selection, view, index) ?? estimated(evaluation, selection, view, index);
    rows.push({ metric: metric.name, index, level, ...row });
  });
  const rank = (row) => (Number.isNaN(row.importance) ? -1 : row.importance);
  return rows.sort((a, b) => rank(b) - rank(a) || (a.metric < b.metric ? -1 : 1));
}

/** As table metric_importance has it; null where it has no such row. */
function stored(evaluation, selection, { t, level, target }, index) {
  const { scores } = evaluation.document.importance;
  const score = scores.findIndex((value) => Math.abs(value - evaluation.levels[level]) < 1e-12);
  if (selection.scope < 0 || score < 0 || (score > 0 && t !== evaluation.chosen)) return null;
  const of = evaluation.document.targets.indexOf(target);
  const place = [score, of, index, selection.scope];
  const row = { isEstimate: false };
  for (const name of STORED) row[name] = storedMeasure(evaluation, name, [...place, t]);
  row.is_significant = flag(storedMeasure(evaluation, "is_significant", [...place, t]));
  row.is_confounded = t === evaluation.chosen ? flag(storedMeasure(evaluation, "is_confounded", [...place, t])) : null;
  const code = atPlace(evaluation.array("importance/at/reason"), place);
  const reason = t === evaluation.chosen && code >= 0 ? evaluation.document.importance.reasons[code] : "insufficient_support";
  return { ...row, reason: Number.isNaN(row.importance) ? reason : null };
}

const flag = (v) => (Number.isNaN(v) ? null : v > 0.5);

/** From the array that has it: of all classes at every T, of single ones at the chosen T or a few measures at all. */
function storedMeasure(evaluation, name, [score, target, index, scope, t]) {
  if (t === evaluation.chosen) {
    const key = `importance/at/${name}`;
    return evaluation.has(key) ? atPlace(evaluation.array(key), [score, target, index, scope]) : NaN;
  }
  if (scope === 0 && evaluation.has(`importance/all/${name}`)) return atPlace(evaluation.array(`importance/all/${name}`), [target, index, t]);
  const key = `importance/class/${name}`;
  return evaluation.has(key) ? atPlace(evaluation.array(key), [target, index, scope, t]) : NaN;
}

function atPlace({ values, shape }, places) {
  return values[places.reduce((at, place, axis) => at * shape[axis] + place, 0)];
}

const NOTHING = Object.fromEntries(STORED.map((name) => [name, NaN]));

/** From sums over classes; frames cannot be added up so. */
function estimated(evaluation, selection, view, index) {
  const unknown = (reason) => ({ ...NOTHING, isEstimate: true, is_significant: null, is_confounded: null, reason });
  if (view.target === "frame") return unknown("of one class or all classes");
  const counts = countsByBin(evaluation, index, view.target, selection, view);
  if (counts === null) return unknown("not in this run");
  const right = view.target === "label" ? counts.n.map((n, b) => n - counts.hit[b]) : counts.hit;
  // Bins are decided on the totals at the chosen T and kept for every other.
  const decided = view.t === evaluation.chosen ? counts : countsByBin(evaluation, index, view.target, selection, { ...view, t: evaluation.chosen });
  const decidedRight = view.target === "label" ? decided.n.map((n, b) => n - decided.hit[b]) : decided.hit;
  const bins = mergedBins(decided.n, decidedRight, decided.cluster, evaluation.metrics[index]);
  const value = importanceOf(counts.n, right, bins, biasFactor(evaluation, selection, view, index));
  return {
    ...NOTHING,
    isEstimate: true,
    is_significant: null,
    is_confounded: null,
    importance: value.importance,
    reason: value.reason,
    ...correlations(evaluation, view, index, counts, right, selection),
  };
}

/** f of all classes, scaled by how many rows of the selection share a frame. */
function biasFactor(evaluation, selection, { t, target }, index) {
  const f = atPlace(evaluation.array("importance/bias_factor"), [evaluation.document.targets.indexOf(target), index, t]);
  if (Number.isNaN(f)) return 1;
  return selection.scope === 0 ? f : 1 + (f - 1) * clusterShare(evaluation, target, selection);
}

/** Neighbours merged from left to right until each is large enough; the rest joins the last. */
function mergedBins(n, right, effect, metric) {
  const size = n.length;
  const rows = sum(n);
  const hits = sum(right);
  const rarer = Math.min(hits, rows - hits);
  const large = (count, squares) =>
    count >= MIN_ROWS && count * rarer >= MIN_RARER_OUTCOME * rows && count * count >= MIN_EFFECTIVE_FRAMES * squares;
  const merged = new Int32Array(size);
  if (metric.categories) {
    const kept = [...Array(size).keys()].filter((b) => large(n[b], n[b] * meanSize(effect[b])));
    const small = [...Array(size).keys()].filter((b) => !kept.includes(b));
    const others = sum(small.map((b) => n[b]));
    const stands = large(others, others);
    kept.forEach((b, i) => (merged[b] = i));
    small.forEach((b) => (merged[b] = stands || !kept.length ? kept.length : kept.length - 1));
    return merged;
  }
  let closed = 0;
  let count = 0;
  let squares = 0;
  for (let b = 0; b < size; b += 1) {
    merged[b] = closed;
    if (!n[b]) continue;
    count += n[b];
    squares += n[b] * meanSize(effect[b]);
    if (large(count, squares)) {
      closed += 1;
      count = 0;
      squares = 0;
    }
  }
  if (closed > 0) for (let b = 0; b < size; b += 1) merged[b] = Math.min(merged[b], closed - 1);
  return merged;
}

/** Rows of a frame in a bin as a row sees them: at least the design effect, which is all that is known here. */
const meanSize = (effect) => (effect >= 1 ? effect : 1);

/** {importance, reason} of counts in merged bins. */
function importanceOf(n, right, bins, factor) {
  const size = Math.max(...bins) + 1;
  const rows = new Float64Array(size);
  const hits = new Float64Array(size);
  bins.forEach((k, b) => {
    rows[k] += n[b];
    hits[k] += right[b];
  });
  const total = sum(rows);
  const positive = sum(hits);
  const nLogN = (v) => (v > 0 ? v * Math.log(v) : 0);
  const entropy = total ? Math.log(total) - (nLogN(positive) + nLogN(total - positive)) / total : 0;
  const occupied = rows.filter((v) => v > 0).length;
  if (!total || occupied < 2) return { importance: NaN, reason: "insufficient_support" };
  if (!(positive > 0 && positive < total)) return { importance: NaN, reason: "constant_outcome" };
  let information = nLogN(total) - nLogN(positive) - nLogN(total - positive);
  let cells = 0;
  rows.forEach((v, k) => {
    information += nLogN(hits[k]) + nLogN(v - hits[k]) - nLogN(v);
    cells += (hits[k] > 0) + (v - hits[k] > 0);
  });
  const bias = Math.max(0, (cells - occupied - 2 + 1) / (2 * total));
  const importance = (Math.max(0, information / total) - factor * bias) / entropy;
  return { importance: Math.min(1, Math.max(0, importance)), reason: null };
}

/** Pearson from bin means, scaled so that all classes together have their stored one; Spearman from mid-ranks. */
function correlations(evaluation, view, index, counts, right, selection) {
  const metric = evaluation.metrics[index];
  if (metric.categories) return {};
  const means = coarseMeans(evaluation, index, counts.size);
  const own = weightedCorrelation(counts.n, right, means);
  const spearman = weightedCorrelation(counts.n, right, midRanks(counts.n));
  const everything = { classes: [...evaluation.classes.keys()], scope: 0 };
  const configured = { ...view, level: evaluation.configuredLevel };
  const whole = stored(evaluation, everything, configured, index);
  const all = countsByBin(evaluation, index, view.target, everything, configured);
  const allRight = view.target === "label" ? all.n.map((n, b) => n - all.hit[b]) : all.hit;
  const binned = weightedCorrelation(all.n, allRight, coarseMeans(evaluation, index, all.size));
  const scale = whole && Math.abs(binned) > 0.01 ? Math.min(1, Math.max(0, whole.correlation / binned)) : 1;
  return { correlation: own * scale, correlation_spearman: spearman };
}

/** Mean of the metric in each bin, from those of the fine bins and their rows; NaN for an empty one. */
function coarseMeans(evaluation, index, size) {
  const metric = evaluation.metrics[index];
  const weight = new Float64Array(size);
  const total = new Float64Array(size);
  metric.mean.forEach((value, i) => {
    if (value === null) return;
    const b = Math.floor((metric.coarse[i] * size) / metric.nCoarse);
    let rows = 0;
    for (const side of ["prediction", "label"]) {
      if (evaluation.has(`${index}/${side}/fine_n`)) rows += evaluation.array(`${index}/${side}/fine_n`).values[i];
    }
    weight[b] += rows;
    total[b] += rows * value;
  });
  return total.map((value, b) => (weight[b] ? value / weight[b] : NaN));
}

function midRanks(n) {
  let before = 0;
  return n.map((rows) => {
    const rank = before + (rows + 1) / 2;
    before += rows;
    return rank;
  });
}

function weightedCorrelation(n, right, x) {
  let rows = 0;
  let sumX = 0;
  let sumY = 0;
  n.forEach((count, b) => {
    if (!count || Number.isNaN(x[b])) return;
    rows += count;
    sumX += count * x[b];
    sumY += right[b];
  });
  if (!rows) return NaN;
  const meanX = sumX / rows;
  const meanY = sumY / rows;
  let covariance = 0;
  let variance = 0;
  n.forEach((count, b) => {
    if (!count || Number.isNaN(x[b])) return;
    covariance += (x[b] - meanX) * (right[b] - count * meanY);
    variance += count * (x[b] - meanX) ** 2;
  });
  const spread = Math.sqrt(variance * rows * meanY * (1 - meanY));
  return spread > 0 ? covariance / spread : NaN;
}
