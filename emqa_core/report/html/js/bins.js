// Counts of a metric's bins for a selection of classes, and how bins are joined into fewer.

/** Counts by bin of one side at an IoU threshold and score level.
 *  Returns {n, hit, effect, cluster, size}: arrays of `size` bins; hit: true positives, or missed labels; effect: design
 *  effect, NaN where it is not known; cluster: the same, at other scores than the run's that of the run's. null where the
 *  side has no such metric, or the score is another than the run's at another IoU threshold. */
export function countsByBin(evaluation, index, side, selection, view, fine = false) {
  const key = `${index}/${side}`;
  if (!evaluation.has(`${key}/all_n`)) return null;
  const { t, level } = view;
  if (level !== evaluation.configuredLevel) {
    return t === evaluation.chosen ? scoredCounts(evaluation, index, side, selection, level) : null;
  }
  if (selection.scope === 0) {
    if (fine && t === evaluation.chosen && evaluation.has(`${key}/fine_n`)) {
      const [n, hit, effect] = ["fine_n", "fine_hit", "fine_effect"].map((name) => evaluation.array(`${key}/${name}`).values);
      return withCluster({ n, hit, effect: effect.map(Math.exp), size: n.length, isFine: true });
    }
    const size = evaluation.array(`${key}/all_n`).shape[1];
    const at = (name) => evaluation.array(`${key}/${name}`).values.subarray(t * size, (t + 1) * size);
    return withCluster({ n: at("all_n"), hit: at("all_hit"), effect: at("all_effect").map(Math.exp), size });
  }
  const [, nClasses, size] = evaluation.array(`${key}/n`).shape;
  const add = (name) => addClasses(evaluation.array(`${key}/${name}`).values, t * nClasses, selection.classes, size);
  const n = add("n");
  return withCluster({ n, hit: add("hit"), effect: effectOf(evaluation, key, selection, t, size), size });
}

const withCluster = (counts) => ({ ...counts, cluster: counts.effect });

function addClasses(values, first, classes, size) {
  const total = new Float64Array(size);
  for (const k of classes) {
    const start = (first + k) * size;
    for (let b = 0; b < size; b += 1) total[b] += values[start + b];
  }
  return total;
}

/** Of one class as stored; of several, that of all classes scaled by how many rows of the selection share a frame. */
function effectOf(evaluation, key, selection, t, size) {
  const unknown = new Float64Array(size).fill(NaN);
  if (selection.scope > 0) {
    if (t !== evaluation.chosen) return unknown;
    const held = evaluation.array(`${key}/effect`).values;
    const start = (selection.scope - 1) * size;
    return held.subarray(start, start + size).map(Math.exp);
  }
  const stored = evaluation.array(`${key}/all_effect`);
  const joined = stored.shape[1] / size;
  const share = clusterShare(evaluation, key.split("/")[1], selection);
  return unknown.map((_, b) => {
    const own = stored.values.subarray(t * stored.shape[1] + b * joined, t * stored.shape[1] + (b + 1) * joined);
    const known = [...own].filter((v) => !Number.isNaN(v)).map(Math.exp);
    return known.length ? 1 + (Math.max(...known) - 1) * share : 1;
  });
}

/** (m_selected - 1) / (m_all - 1), m the mean number of rows of a frame as a row sees it: docs/definitions.md. */
export function clusterShare(evaluation, side, selection) {
  const { values } = evaluation.array(`together/${side}/sum_product`);
  const k = evaluation.classes.length;
  const total = TOTALS[side];
  const meanSize = (classes) => {
    let squares = 0;
    let rows = 0;
    for (const a of classes) {
      rows += evaluation.classValue(total, 1 + a, evaluation.chosen);
      for (const b of classes) squares += values[a * k + b];
    }
    return rows ? squares / rows : 1;
  };
  const all = meanSize([...Array(k).keys()]);
  return all > 1 ? Math.max(0, (meanSize(selection.classes) - 1) / (all - 1)) : 0;
}

const TOTALS = { prediction: "n_predictions", label: "n_labels" };

/** At another score threshold than the configured one, at the chosen T: rows of the levels above are added. */
function scoredCounts(evaluation, index, side, selection, level) {
  if (!evaluation.document.has.scoreBins) return null;
  const isWhole = selection.scope === 0;
  const prefix = `${index}/${isWhole ? "" : "class_"}score_`;
  if (!evaluation.has(`${prefix}n`)) return null;
  const { shape } = evaluation.array(`${prefix}n`);
  const size = shape[shape.length - 1];
  const above = (name) => {
    const { values } = evaluation.array(prefix + name);
    const total = new Float64Array(size);
    for (let l = level; l < shape[0]; l += 1) {
      const first = isWhole ? l : l * shape[1];
      const added = isWhole ? values.subarray(l * size, (l + 1) * size) : addClasses(values, first, selection.classes, size);
      for (let b = 0; b < size; b += 1) total[b] += added[b];
    }
    return total;
  };
  const effect = new Float64Array(size).fill(NaN);
  const configured = { t: evaluation.chosen, level: evaluation.configuredLevel };
  const whole = joinTo(countsByBin(evaluation, index, side, selection, configured), size);
  const cluster = whole.effect;
  if (side === "prediction") return { n: above("n"), hit: above("hit"), effect, cluster, size };
  const found = above("found");
  return { n: whole.n, hit: whole.n.map((n, b) => n - found[b]), effect, cluster, size };
}

/** The same counts in fewer bins of equal share, for sizes that divide. */
function joinTo(counts, size) {
  if (counts.size === size) return counts;
  return joined(counts, Array.from({ length: counts.size }, (_, b) => Math.floor((b * size) / counts.size)), size);
}

/** Counts joined into groups. The effect of a joined bin is not known where its parts share frames: the parts' mean,
 *  weighed by rows, times their number is never too small. */
export function joined(counts, groupOf, size) {
  const n = new Float64Array(size);
  const hit = new Float64Array(size);
  const weighed = new Float64Array(size);
  const parts = new Float64Array(size);
  for (let b = 0; b < counts.size; b += 1) {
    if (!counts.n[b]) continue;
    const g = groupOf[b];
    n[g] += counts.n[b];
    hit[g] += counts.hit[b];
    weighed[g] += counts.n[b] * (counts.effect[b] - 1);
    parts[g] += 1;
  }
  const effect = n.map((rows, g) => (parts[g] === 1 ? 1 + weighed[g] / rows : 1 + (Math.max(0, weighed[g]) / rows) * parts[g]));
  return { n, hit, effect, size };
}

/** Group of each bin when a numeric axis is cut into `wanted`; null where the bins stay as they are. */
export function groupsOf(metric, counts, wanted) {
  if (metric.categories || wanted >= counts.size) return null;
  const middle = counts.isFine ? metric.middle : Array.from({ length: counts.size }, (_, b) => (b + 0.5) / counts.size);
  return middle.map((share) => Math.min(wanted - 1, Math.floor(wanted * share)));
}

/** Lower and upper edge of each bin or group, and its fine bins from `first` to `last` of the metric. */
export function edgesOf(metric, counts, groupOf, size) {
  const lower = Array(size).fill(null);
  const upper = Array(size).fill(null);
  const first = Array(size).fill(null);
  const last = Array(size).fill(null);
  const fineToBin = counts.isFine
    ? metric.lower.map((_, i) => i)
    : metric.coarse.map((c) => Math.floor((c * counts.size) / metric.nCoarse));
  metric.lower.forEach((edge, i) => {
    const g = groupOf ? groupOf[fineToBin[i]] : fineToBin[i];
    if (lower[g] === null) {
      lower[g] = edge;
      first[g] = i;
    }
    upper[g] = metric.upper[i];
    last[g] = i;
  });
  return { lower, upper, first, last };
}
