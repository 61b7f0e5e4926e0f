// A run's document with the lookups that everything else is computed from.

export class Evaluation {
  constructor(document) {
    this.document = document;
    this.classes = document.classes;
    this.thresholds = document.thresholds;
    this.chosen = document.chosen;
    this.metrics = document.metrics;
    this.nThresholds = document.thresholds.length;
    const configured = document.run.score_threshold;
    this.levels = document.scores ? document.scores.levels : [configured];
    this.configuredLevel = nearest(this.levels, configured);
    const best = this.classValue("best_score_threshold", 0, this.chosen);
    this.bestScore = best;
    this.bestLevel = document.scores && !Number.isNaN(best) ? nearest(this.levels, best) : this.configuredLevel;
  }

  has(name) {
    return this.document.hasArray(name);
  }

  array(name) {
    return this.document.array(name);
  }

  /** A measure of area range `all`: scope 0 is all classes, 1 + k class k; t nThresholds is the mean over T. */
  classValue(name, scope, t) {
    if (!this.has(`class/${name}`)) return NaN;
    return this.array(`class/${name}`).values[scope * (this.nThresholds + 1) + t];
  }

  metricIndex(name) {
    return this.metrics.findIndex((metric) => metric.name === name);
  }

  /** Levels at which a metric explains a target. */
  levelOf(metric, target) {
    const found = this.document.importance.levels.find(([m, , t]) => m === metric && t === target);
    return found ? found[1] : null;
  }
}

export function nearest(values, wanted) {
  let best = 0;
  values.forEach((value, i) => {
    if (Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = i;
  });
  return best;
}

/** Which classes are looked at: `scope` 0 for all, 1 + k for one, -1 for several. */
export function selectionOf(evaluation, chosen) {
  const k = evaluation.classes.length;
  const classes = chosen === null ? [...Array(k).keys()] : [...chosen].sort((a, b) => a - b);
  let scope = -1;
  if (classes.length === k) scope = 0;
  else if (classes.length === 1) scope = 1 + classes[0];
  return { classes, scope };
}
