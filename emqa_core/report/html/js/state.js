// What is looked at, in the fragment of the page's address, so that a view can be shared.

const TARGETS = ["prediction", "label", "frame"];
const AXES = ["linear", "log"];
export const BIN_CHOICES = [5, 10, 25, 50, 100, 200];

export class State {
  constructor(evaluation, onChange) {
    this.evaluation = evaluation;
    this.onChange = onChange;
    Object.assign(this, this.defaults(), this.read(window.location.hash));
    window.addEventListener("hashchange", () => {
      if (window.location.hash === this.written) return;
      this.written = window.location.hash; // else the view that a control wrote last could not be come back to
      Object.assign(this, this.defaults(), this.read(window.location.hash));
      this.onChange();
    });
  }

  /** classes: null for all, else a Set of places; t, level: places of IoU and score thresholds. */
  defaults() {
    const { evaluation } = this;
    return {
      classes: null, t: evaluation.chosen, level: evaluation.configuredLevel, target: "label", ofObjects: true,
      ofFrames: true, metric: null, byClass: false, bins: 25, axis: null, source: null, group: null,
      errorType: null,
    };
  }

  /** Take changes; a range is of the metric it was chosen for. */
  set(changes) {
    if ("metric" in changes && changes.metric !== this.metric && !("group" in changes)) this.group = null;
    Object.assign(this, changes);
    this.write();
    this.onChange();
  }

  write() {
    const { evaluation } = this;
    const parts = new URLSearchParams();
    if (this.classes !== null) parts.set("classes", [...this.classes].map((k) => encodeURIComponent(evaluation.classes[k].id)).join(","));
    if (this.t !== evaluation.chosen) parts.set("iou", evaluation.thresholds[this.t].toFixed(3));
    if (this.level !== evaluation.configuredLevel) parts.set("score", String(evaluation.levels[this.level]));
    if (this.target !== "label") parts.set("target", this.target);
    if (!this.ofObjects) parts.set("objects", "no");
    if (!this.ofFrames) parts.set("frames", "no");
    if (this.metric !== null) parts.set("metric", this.metric);
    if (this.byClass) parts.set("by", "class");
    if (this.bins !== 25) parts.set("bins", String(this.bins));
    if (this.axis !== null) parts.set("axis", this.axis);
    if (this.source !== null) parts.set("source", this.source);
    if (this.group !== null) parts.set("range", String(this.group));
    if (this.errorType !== null) parts.set("error", this.errorType);
    this.written = parts.size ? `#${parts}` : "";
    window.history.replaceState(null, "", this.written || window.location.pathname + window.location.search);
  }

  /** What a fragment says; what it says wrongly is left out. */
  read(fragment) {
    const { evaluation } = this;
    const parts = new URLSearchParams(fragment.replace(/^#/, ""));
    const found = {};
    if (parts.has("classes")) {
      const given = parts.get("classes").split(",").map(unescaped);
      const wanted = new Set(given);
      const known = [...evaluation.classes.keys()].filter((k) => wanted.has(evaluation.classes[k].id));
      if (known.length || parts.get("classes") === "") found.classes = new Set(known);
    }
    const near = (values, text) => values.findIndex((v) => Math.abs(v - Number(text)) < 6e-4);
    if (parts.has("iou")) keep(found, "t", near(evaluation.thresholds, parts.get("iou")));
    if (parts.has("score")) keep(found, "level", evaluation.levels.findIndex((v) => String(v) === parts.get("score")));
    if (TARGETS.includes(parts.get("target"))) found.target = parts.get("target");
    if (evaluation.metricIndex(parts.get("metric")) >= 0) found.metric = parts.get("metric");
    if (BIN_CHOICES.includes(Number(parts.get("bins")))) found.bins = Number(parts.get("bins"));
    if (AXES.includes(parts.get("axis"))) found.axis = parts.get("axis");
    if (TARGETS.slice(0, 2).includes(parts.get("source"))) found.source = parts.get("source");
    if (/^\d+$/.test(parts.get("range") ?? "")) found.group = Number(parts.get("range"));
    if (evaluation.document.errorTypes.includes(parts.get("error"))) found.errorType = parts.get("error");
    found.byClass = parts.get("by") === "class";
    found.ofObjects = parts.get("objects") !== "no";
    found.ofFrames = parts.get("frames") !== "no";
    return found;
  }
}

/** An id that a comma may be part of; what is not escaped rightly is taken as it is. */
function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function keep(found, name, place) {
  if (place >= 0) found[name] = place;
}
