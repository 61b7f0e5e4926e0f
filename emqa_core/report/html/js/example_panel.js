// The frames and objects behind the figures: which examples are asked for, and the frames that went worst.

import { count, element, value } from "emqa/format.js";
import { exampleFrames, renderExamples } from "emqa/examples.js";

const SOURCES = { "": "both", prediction: "false positives", label: "missed labels" };

export class ExamplePanel {
  constructor(section, container, evaluation, state) {
    this.evaluation = evaluation;
    this.state = state;
    this.examples = JSON.parse(document.getElementById("example-data").textContent);
    section.hidden = !this.examples;
    if (!this.examples) return;
    const select = (id, options, take) => {
      const made = element("select", { id, onchange: () => take(made.value || null) }, ...options);
      return made;
    };
    this.source = select("example-source", Object.entries(SOURCES).map(([v, text]) => element("option", { value: v }, text)), (source) => state.set({ source }));
    this.range = select("example-range", [], (group) => state.set({ group: group === null ? null : Number(group) }));
    const kinds = [["", "any error"], ...evaluation.document.errorTypes.map((kind) => [kind, kind.replaceAll("_", " ")])];
    this.error = select("example-error", kinds.map(([v, text]) => element("option", { value: v }, text)), (errorType) => state.set({ errorType }));
    this.title = element("h3", {});
    this.objects = element("div", { id: "example-objects" });
    this.frames = element("div", { id: "example-frames" });
    container.replaceChildren(
      element(
        "div",
        { class: "choices" },
        element("label", { class: "inline", for: "example-source" }, "objects ", this.source),
        element("label", { class: "inline", for: "example-range" }, "range ", this.range),
        element("label", { class: "inline", for: "example-error" }, "error ", this.error),
      ),
      this.title, ...leftOut(this.examples.n_left_out), this.objects,
      element("h3", {}, "Frames of the lowest F1"), this.frames,
    );
  }

  show(selection, metric) {
    if (!this.examples) return;
    const { evaluation, state } = this;
    const ranked = this.examples.metrics.find((each) => each.name === metric);
    this.showRanges(ranked);
    this.source.value = state.source ?? "";
    this.error.value = state.errorType ?? "";
    const classes = selection.scope === 0 ? null : new Set(selection.classes.map((k) => evaluation.classes[k].id));
    this.title.textContent = `Worst objects by ${metric}, at the run's thresholds`;
    const group = ranked && state.group !== null ? state.group : null;
    const key = JSON.stringify([metric, group, state.source, state.errorType, classes && [...classes]]);
    if (key === this.shown) return;
    this.shown = key;
    renderExamples(this.objects, this.examples, { metric, binGroup: group, source: state.source, classes, errorType: state.errorType });
    exampleFrames(this.frames, this.examples, classes);
  }

  showRanges(ranked) {
    if (this.ranges === ranked) return;
    this.ranges = ranked;
    const text = (range) => range.category ?? `${value(range.lower)} to ${value(range.upper)}`;
    const options = (ranked?.ranges ?? []).map((range) => element("option", { value: range.number }, text(range)));
    this.range.replaceChildren(element("option", { value: "" }, "any"), ...options);
    this.range.value = this.state.group === null ? "" : String(this.state.group);
  }
}

/** What is not among the examples, so that nobody takes them for all of the worst. */
function leftOut(n) {
  if (!n) return [];
  const more = n === 1 ? "One more of the worst objects lies" : `${count(n)} more of the worst objects lie`;
  return [element("p", { class: "remark", id: "examples-left-out" }, `${more} in frames for which this page had no room.`)];
}
