// Numbers as text, and elements of a page; text is only ever set as text.

const DASH = "–";

export const measure = (v, digits = 3) => (v === null || v === undefined || Number.isNaN(v) ? DASH : v.toFixed(digits));

/** An IoU threshold: hundredths, or thousandths where it has some. */
export const threshold = (t) => (Math.abs(t * 100 - Math.round(t * 100)) < 1e-6 ? t.toFixed(2) : t.toFixed(3));

export const count = (v) => Math.round(v).toLocaleString("en-US");

export const percent = (v) => (Number.isNaN(v) ? DASH : `${(100 * v).toFixed(1)}%`);

export const interval = (low, high, digits = 3) =>
  low === undefined || Number.isNaN(low) ? "" : `[${low.toFixed(digits)}, ${high.toFixed(digits)}]`;

/** A value of a metric: four digits, however large or small. */
export function value(v) {
  if (v === null || v === undefined || Number.isNaN(v)) return DASH;
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 1e6 || size < 1e-4) return v.toExponential(2);
  return String(Number(v.toPrecision(4)));
}

export const delta = (d) => {
  if (d === undefined || Number.isNaN(d)) return "";
  return `${d >= 0 ? "+" : "−"}${Math.abs(d).toFixed(3)}`;
};

/** An element with attributes, properties (`on...`, `textContent`) and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, v] of Object.entries(attributes)) {
    if (key.startsWith("on") || key === "textContent" || key === "value" || key === "checked" || key === "disabled") made[key] = v;
    else if (v !== null && v !== undefined && v !== false) made.setAttribute(key, v === true ? "" : v);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A table with a caption for those who hear it. columns: {title, of, isNumber}; `of` gives text or an element. */
export function table(caption, columns, rows, attributes = {}) {
  const head = element("tr", {}, ...columns.map((c) => element("th", { scope: "col", class: c.isNumber ? "number" : null }, c.title)));
  const body = rows.map((row) =>
    element(
      "tr",
      {},
      ...columns.map((c, i) => {
        const cell = c.of(row);
        return element(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: c.isNumber ? "number" : null }, cell);
      }),
    ),
  );
  return element("table", attributes, element("caption", { class: "heard" }, caption), element("thead", {}, head), element("tbody", {}, ...body));
}
