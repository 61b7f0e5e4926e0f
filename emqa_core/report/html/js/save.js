// Tables as CSV and charts as SVG, saved by the browser.

import { element } from "emqa/format.js";

function saveCsv(name, columns, rows) {
  const line = (values) => values.map(quoted).join(",");
  const text = [line(columns), ...rows.map((row) => line(columns.map((c) => row[c])))].join("\r\n");
  save(`${name}.csv`, `${text}\r\n`, "text/csv");
}

/** Quoted where it must be; a text that a spreadsheet would take for a formula is set off by an apostrophe. */
function quoted(v) {
  if (v === null || v === undefined || (typeof v === "number" && Number.isNaN(v))) return "";
  if (typeof v === "number") return String(v);
  const text = /^[=+\-@\t\r]/.test(v) ? `'${v}` : String(v);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Buttons below a chart or table. csv: () => ({columns, rows}); chart: a Chart. */
export function saveButtons(name, { csv = null, chart = null }) {
  const buttons = [];
  if (csv) {
    const onclick = () => {
      const { columns, rows } = csv();
      saveCsv(name, columns, rows);
    };
    buttons.push(element("button", { type: "button", class: "quiet", "data-save": `${name}.csv`, onclick }, "CSV"));
  }
  if (chart) {
    const onclick = async () => save(`${name}.svg`, await chart().svg(), "image/svg+xml");
    buttons.push(element("button", { type: "button", class: "quiet", "data-save": `${name}.svg`, onclick }, "SVG"));
  }
  return element("div", { class: "save" }, `Save ${name.replaceAll("_", " ")}: `, ...buttons);
}
