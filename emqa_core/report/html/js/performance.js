// Performance by metric: rates of each bin with their bands, the average of the rows, errors by bin.

import { countsByBin, edgesOf, groupsOf, joined } from "emqa/bins.js";
import { ratio, sum, wilson } from "emqa/statistics.js";

export const MOST_SERIES = 8;
const EXAMPLE_RANGES = 5;

/** {rows, average, n, size}: a row per occupied bin {lower, upper, middle, category, rate, low, high, n, hit}; null where
 *  the side has no such metric. view: {t, level, bins}. */
export function performanceOf(evaluation, index, side, selection, view) {
  const metric = evaluation.metrics[index];
  const fine = view.bins > 50 || 50 % view.bins !== 0;
  const stored = countsByBin(evaluation, index, side, selection, view, fine);
  if (stored === null) return null;
  const groupOf = groupsOf(metric, stored, view.bins);
  const counts = groupOf ? joined(stored, groupOf, view.bins) : stored;
  const edges = metric.categories ? null : edgesOf(metric, stored, groupOf, counts.size);
  const rows = [];
  for (let b = 0; b < counts.size; b += 1) {
    const n = counts.n[b];
    if (!n) continue;
    const [low, high] = Number.isNaN(counts.effect[b]) ? [NaN, NaN] : wilson(n, counts.hit[b], counts.effect[b]);
    const place = edges
      ? { lower: edges.lower[b], upper: edges.upper[b], middle: (edges.lower[b] + edges.upper[b]) / 2, group: exampleRange(metric, edges, b) }
      : { category: metric.categories[b], group: b };
    rows.push({ bin: b, ...place, n, hit: counts.hit[b], rate: counts.hit[b] / n, low, high });
  }
  const n = sum(counts.n);
  return { rows, n, average: ratio(sum(counts.hit), n), size: counts.size };
}

/** The fifth of the metric's values, by stored bins, that the middle of a bin lies in: what examples are ranked within. */
function exampleRange(metric, { first, last }, b) {
  return Math.floor((metric.coarse[Math.floor((first[b] + last[b]) / 2)] * EXAMPLE_RANGES) / metric.nCoarse);
}

/** The selected classes that get a line of their own: those with the most objects of the side. */
export function seriesOf(evaluation, selection, side) {
  const total = side === "label" ? "n_labels" : "n_predictions";
  const n = (k) => evaluation.classValue(total, 1 + k, evaluation.chosen);
  return [...selection.classes].sort((a, b) => n(b) - n(a) || a - b).slice(0, MOST_SERIES);
}

/** Errors by bin: {bin, lower, upper, category, type, share, n, order}; [] where the run has none. */
export function errorsByBin(evaluation, index, side, selection) {
  const isWhole = selection.scope === 0;
  const name = `${index}/${side}/${isWhole ? "error" : "class_error"}`;
  if (!evaluation.document.has.errorBins || !evaluation.has(name)) return [];
  const { values, shape } = evaluation.array(name);
  const size = shape[shape.length - 1];
  const types = evaluation.document.errorTypes;
  const counts = types.map((_, kind) => {
    const total = new Float64Array(size);
    for (const k of isWhole ? [0] : selection.classes) {
      const start = (isWhole ? kind : kind * shape[1] + k) * size;
      for (let b = 0; b < size; b += 1) total[b] += values[start + b];
    }
    return total;
  });
  const metric = evaluation.metrics[index];
  const joinedSize = metric.categories ? size : 10;
  const edges = metric.categories ? null : edgesOf(metric, { size: joinedSize }, null, joinedSize);
  const rows = [];
  for (let b = 0; b < joinedSize; b += 1) {
    const inBin = counts.map((of) => sum([...of.keys()].filter((i) => Math.floor((i * joinedSize) / size) === b).map((i) => of[i])));
    const total = sum(inBin);
    if (!total) continue;
    const place = edges ? { lower: edges.lower[b], upper: edges.upper[b] } : { category: metric.categories[b] };
    types.forEach((type, order) => {
      if (inBin[order]) rows.push({ bin: b, ...place, type, order, n: inBin[order], share: inBin[order] / total });
    });
  }
  return rows;
}
