// The page: reads its document, and draws each section when it is seen and again on each change.

import { ClassPanel } from "emqa/class_panel.js";
import { Controls } from "emqa/controls.js";
import { Evaluation, selectionOf } from "emqa/evaluation.js";
import { ExamplePanel } from "emqa/example_panel.js";
import { Findings } from "emqa/findings.js";
import { rankedMetrics } from "emqa/importance.js";
import { MetricPanel } from "emqa/metric_panel.js";
import { Overview } from "emqa/overview.js";
import { unpack } from "emqa/packed.js";
import { Panels } from "emqa/panels.js";
import { Ranking } from "emqa/ranking.js";
import { State } from "emqa/state.js";

const at = (id) => document.getElementById(id);

async function main() {
  const evaluation = new Evaluation(await unpack(at("document").textContent));
  let looked = null;
  const state = new State(evaluation, () => {
    looked = null;
    controls.show();
    panels.change();
  });

  /** Selection, thresholds (of measures, and by metric) and ranking of the state, worked out once however many sections ask. */
  function look() {
    if (looked === null) {
      const selection = selectionOf(evaluation, state.classes);
      const view = { t: state.t, level: state.level };
      // By metric, other score thresholds than the run's are known at the run's IoU threshold alone.
      const byMetric = state.t === evaluation.chosen ? view : { ...view, level: evaluation.configuredLevel };
      const ranked = rankedMetrics(evaluation, selection, { ...byMetric, target: state.target });
      looked = { selection, view, byMetric, ranked };
    }
    return looked;
  }

  const controls = new Controls(at("controls"), evaluation, state);
  const overview = new Overview(at("overview"), evaluation);
  const ranking = new Ranking(at("ranking"), evaluation, state);
  const metric = new MetricPanel(at("performance"), evaluation, state);
  const examples = new ExamplePanel(at("examples-section"), at("examples"), evaluation, state);
  const classes = new ClassPanel(at("classes"), evaluation, state);
  new Findings(at("findings"), evaluation, state);
  const section = (id) => at(id).closest("section");
  const panels = new Panels([
    { section: section("overview"), show: () => overview.show(look().selection, look().view) },
    { section: section("ranking"), show: () => ranking.show(look().selection, look().byMetric, look().ranked) },
    { section: section("performance"), show: () => metric.show(look().selection, look().byMetric, look().ranked) },
    { section: section("examples"), show: () => examples.show(look().selection, metric.nameOf(look().ranked)) },
    { section: section("classes"), show: () => classes.show(look().selection, look().view) },
  ]);
  controls.show();
  panels.change();
}

main().catch((error) => {
  at("failed").hidden = false;
  at("failed").textContent = `This page could not be drawn: ${error.message}. It needs a browser of 2023 or later.`;
  throw error;
});
