// What is chosen for the whole page: classes, IoU threshold, score threshold.

import { element, threshold } from "emqa/format.js";

export class Controls {
  constructor(container, evaluation, state) {
    this.evaluation = evaluation;
    this.state = state;
    const { thresholds, levels } = evaluation;
    this.search = element("input", { type: "search", placeholder: "search classes", "aria-label": "search classes", oninput: () => this.filter() });
    this.boxes = evaluation.classes.map((c, k) =>
      element("input", { type: "checkbox", id: `class-${k}`, "data-class": c.id, onchange: () => this.take() }),
    );
    this.items = evaluation.classes.map((c, k) => element("label", { for: `class-${k}` }, this.boxes[k], element("span", {}, c.name)));
    this.summary = element("summary", { id: "classes-summary" });
    const button = (text, id, act) => element("button", { type: "button", id, onclick: act }, text);
    this.details = element(
      "details",
      { class: "classes" },
      this.summary,
      element(
        "div",
        { class: "choose" },
        this.search,
        element("div", { class: "buttons" }, button("all", "classes-all", () => this.tick(true)), button("none", "classes-none", () => this.tick(false))),
        element("div", { class: "list", role: "group", "aria-label": "classes" }, ...this.items),
      ),
    );
    document.addEventListener("click", (event) => {
      if (!this.details.contains(event.target)) this.details.open = false;
    });
    this.details.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.details.open = false;
        this.summary.focus();
      }
    });
    this.iou = slider("iou", thresholds.length - 1, (t) => state.set({ t }));
    this.iouText = element("output", { for: "iou", id: "iou-value" });
    this.score = slider("score", levels.length - 1, (level) => state.set({ level }), evaluation.configuredLevel);
    this.scoreText = element("output", { for: "score", id: "score-value" });
    this.best = button("best F1", "score-best", () => state.set({ level: evaluation.bestLevel }));
    this.configured = button("as run", "score-configured", () => state.set({ level: evaluation.configuredLevel }));
    container.replaceChildren(
      element("div", { class: "control" }, element("span", { class: "name" }, "Classes"), this.details),
      element("div", { class: "control" }, element("label", { for: "iou" }, "IoU threshold ", this.iouText), this.iou),
      element(
        "div",
        { class: "control" },
        element("label", { for: "score" }, "Score threshold ", this.scoreText),
        element("div", { class: "beside" }, this.score, this.configured, this.best),
      ),
    );
  }

  /** The boxes that are ticked become the selection. */
  take() {
    const ticked = [...this.boxes.keys()].filter((k) => this.boxes[k].checked);
    this.state.set({ classes: ticked.length === this.boxes.length ? null : new Set(ticked) });
  }

  /** Tick or clear every class that the search shows. */
  tick(checked) {
    this.boxes.forEach((box, k) => {
      if (!this.items[k].hidden) box.checked = checked;
    });
    this.take();
  }

  filter() {
    const wanted = this.search.value.trim().toLowerCase();
    this.items.forEach((item, k) => {
      item.hidden = !this.evaluation.classes[k].name.toLowerCase().includes(wanted);
    });
  }

  show() {
    const { state, evaluation } = this;
    this.boxes.forEach((box, k) => {
      box.checked = state.classes === null || state.classes.has(k);
    });
    const n = state.classes === null ? evaluation.classes.length : state.classes.size;
    const only = n === 1 ? evaluation.classes[state.classes === null ? 0 : [...state.classes][0]].name : null;
    this.summary.textContent = only ?? (state.classes === null ? `all ${n}` : `${n} of ${evaluation.classes.length}`);
    this.iou.value = state.t;
    this.iouText.textContent = threshold(evaluation.thresholds[state.t]);
    this.iou.setAttribute("aria-valuetext", this.iouText.textContent);
    this.score.value = state.level;
    this.score.disabled = evaluation.levels.length < 2;
    const level = evaluation.levels[state.level];
    this.scoreText.textContent = `≥ ${level.toFixed(level && level < 0.1 ? 3 : 2)}`;
    this.score.setAttribute("aria-valuetext", this.scoreText.textContent);
    this.best.setAttribute("aria-pressed", state.level === evaluation.bestLevel);
    this.configured.setAttribute("aria-pressed", state.level === evaluation.configuredLevel);
    this.best.hidden = evaluation.levels.length < 2;
  }
}

function slider(id, max, take, min = 0) {
  return element("input", { type: "range", id, min, max, step: 1, oninput: (event) => take(Number(event.target.value)) });
}
