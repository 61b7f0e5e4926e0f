// A chart: a compiled Vega specification that is given new rows, in the width of its place.

import { element } from "emqa/format.js";

const specs = () => JSON.parse(document.getElementById("charts").textContent);
let compiled = null;

/** A chart in a container. `show(data, options)` draws it: data by name; options {label, scale, domains, onClick}. */
export class Chart {
  constructor(container, name) {
    compiled ??= specs();
    this.container = container;
    this.name = name;
    this.view = null;
    this.kind = "";
    this.place = element("div", { class: "chart", role: "img" });
    container.replaceChildren(this.place);
    // Measured when it changes: asking while other charts are drawn would lay out the page again for each.
    this.width = 600;
    new ResizeObserver(([entry]) => this.resize(entry.contentRect.width)).observe(this.place);
  }

  async show(data, { label, scale = "linear", spec = this.name, onClick = null, adjust = null } = {}) {
    const kind = `${spec}/${scale}/${adjust ? adjust.key : ""}`;
    this.place.setAttribute("aria-label", label ?? "");
    if (this.kind !== kind) {
      this.view?.finalize();
      const copy = structuredClone(compiled[spec]);
      if (scale === "log") makeLogarithmic(copy);
      adjust?.change(copy);
      this.view = new vega.View(vega.parse(copy), { renderer: "svg", container: this.place, hover: true });
      this.view.tooltip((_, event, item, text) => showTooltip(event, text));
      this.kind = kind;
      this.onClick = null;
      this.view.addEventListener("click", (_, item) => item?.datum && this.onClick?.(item.datum));
    }
    this.onClick = onClick;
    for (const [name, rows] of Object.entries(data)) this.view.data(name, rows);
    this.fit();
    await this.view.runAsync();
    // Vega gives its picture a role of its own; the place has the label.
    this.place.querySelector("svg")?.setAttribute("aria-hidden", "true");
  }

  /** Take the width of the place; of a pair of charts each takes its share of it. */
  fit() {
    const { width } = this;
    if (this.name !== "importance") {
      this.view.width(Math.max(120, width - 4));
      return;
    }
    const labels = Math.min(270, width * 0.36);
    this.view.signal("concat_0_width", Math.max(60, (width - labels - 40) * 0.58));
    this.view.signal("concat_1_width", Math.max(50, (width - labels - 40) * 0.42));
  }

  async resize(width) {
    if (!width || width === this.width) return;
    this.width = width;
    if (!this.view) return;
    this.fit();
    await this.view.runAsync();
  }

  /** The picture with its colours as they are on the page. */
  async svg() {
    const text = await this.view.toSVG();
    const style = getComputedStyle(document.documentElement);
    return text.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  }
}

function makeLogarithmic(spec) {
  const x = spec.scales.find((each) => each.name === "x");
  x.type = "log";
  x.base = 10;
  delete x.zero;
}

function showTooltip(event, text) {
  const tip = document.getElementById("tooltip");
  if (text === null || text === undefined || typeof text !== "object") {
    tip.hidden = true;
    return;
  }
  const lines = Object.entries(text).filter(([, v]) => v !== undefined && v !== null && v !== "" && v !== "undefined" && v !== "NaN");
  tip.replaceChildren(...lines.map(([key, v]) => element("div", {}, element("span", {}, `${key} `), String(v))));
  tip.hidden = false;
  const right = event.clientX + 14 + tip.offsetWidth > window.innerWidth;
  tip.style.left = `${event.clientX + (right ? -tip.offsetWidth - 10 : 14)}px`;
  tip.style.top = `${event.clientY + 12}px`;
}
