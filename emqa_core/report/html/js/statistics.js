// Rates, means and their intervals: docs/definitions.md, sections "AP and AR" and "Bins".

const Z_95 = 1.959963984540054;

/** 95% interval of a rate by Wilson's score method, n divided by max(1, effect). */
export function wilson(n, hit, effect) {
  if (!n) return [NaN, NaN];
  const p = hit / n;
  const effective = n / Math.max(1, effect);
  const square = (Z_95 * Z_95) / effective;
  const centre = (p + square / 2) / (1 + square);
  const half = (Z_95 / (1 + square)) * Math.sqrt((p * (1 - p)) / effective + square / (4 * effective));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/** Delete-a-group jackknife on the logit scale of a number in 0..1: {low, high} or {reason}.
 *  quantiles: 0.975 quantile of Student's t by number of groups. */
export function logitInterval(value, without, quantiles) {
  const groups = without.length;
  if (groups < 2) return { reason: "few groups" };
  if (!(value > 0 && value < 1)) return { reason: "insufficient_support" };
  const mean = without.reduce((a, b) => a + b, 0) / groups;
  const squares = without.reduce((a, b) => a + (b - mean) ** 2, 0);
  const se = Math.sqrt(((groups - 1) / groups) * squares);
  if (!(se > 0)) return { reason: "insufficient_support" };
  const half = (quantiles[groups] * se) / (value * (1 - value));
  const centre = Math.log(value / (1 - value));
  const expit = (x) => 1 / (1 + Math.exp(-x));
  return { low: expit(centre - half), high: expit(centre + half) };
}

/** Mean of what is not NaN; NaN where nothing is. */
export function mean(values) {
  let n = 0;
  let total = 0;
  for (const v of values) {
    if (!Number.isNaN(v)) {
      n += 1;
      total += v;
    }
  }
  return n ? total / n : NaN;
}

export function sum(values) {
  let total = 0;
  for (const v of values) total += v;
  return total;
}

export const ratio = (a, b) => (b > 0 ? a / b : NaN);
