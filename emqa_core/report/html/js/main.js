// The page: reads its document, draws the headline at once and everything else after it, and again on each change.

import { ClassPanel } from "emqa/class_panel.js";
import { Controls } from "emqa/controls.js";
import { Evaluation, selectionOf } from "emqa/evaluation.js";
import { ExamplePanel } from "emqa/example_panel.js";
import { Findings } from "emqa/findings.js";
import { MetricPanel } from "emqa/metric_panel.js";
import { Overview } from "emqa/overview.js";
import { unpack } from "emqa/packed.js";
import { Ranking } from "emqa/ranking.js";
import { State } from "emqa/state.js";

const at = (id) => document.getElementById(id);

async function main() {
  const evaluation = new Evaluation(await unpack(at("document").textContent));
  let pending = null;
  const state = new State(evaluation, () => {
    pending ??= requestAnimationFrame(() => {
      pending = null;
      show();
    });
  });
  const controls = new Controls(at("controls"), evaluation, state);
  const overview = new Overview(at("overview"), evaluation);
  const ranking = new Ranking(at("ranking"), evaluation, state);
  const metric = new MetricPanel(at("performance"), evaluation, state);
  const classes = new ClassPanel(at("classes"), evaluation, state);
  new Findings(at("findings"), evaluation, state);
  const examples = new ExamplePanel(at("examples-section"), at("examples"), evaluation, state);

  function show() {
    const selection = selectionOf(evaluation, state.classes);
    const view = { t: state.t, level: state.level };
    controls.show();
    overview.show(selection, view);
    const ranked = ranking.show(selection, view);
    const shown = metric.show(selection, view, ranked);
    examples.show(selection, shown);
    classes.show(selection, view);
    document.documentElement.dataset.shown = String(1 + Number(document.documentElement.dataset.shown ?? 0));
  }

  show();
  const charts = [ranking.chart, ...metric.all, ...Object.values(classes.charts)];
  new ResizeObserver(() => charts.forEach((chart) => chart.resize())).observe(at("page"));
}

main().catch((error) => {
  at("failed").hidden = false;
  at("failed").textContent = `This page could not be drawn: ${error.message}. It needs a browser of 2023 or later.`;
  throw error;
});
