// What the run recommends, and the regions where it is worst.

import { count, element, percent, table } from "emqa/format.js";
import { saveButtons } from "emqa/save.js";

const SHOWN = 10;

export class Findings {
  constructor(container, evaluation, state) {
    const { recommendation, slice } = evaluation.document;
    container.replaceChildren(recommendations(recommendation, state), slices(slice));
  }
}

function recommendations(rows, state) {
  if (rows === null) return element("p", { class: "remark" }, "This run has no recommendations: it was evaluated by an earlier version.");
  if (!rows.length) return element("p", { class: "remark" }, "Nothing held on both halves of the frames: no recommendation.");
  const item = (row) => {
    const open = element("button", { type: "button", class: "link", onclick: () => state.set({ metric: row.metric }) }, row.metric);
    const same = rows.filter((other) => other.duplicate_of_rank === row.rank);
    return element("li", {}, row.text, " ", open, ...(same.length ? [repeated(same.map(item))] : []));
  };
  const list = rows.filter((row) => !isRepeated(row)).slice(0, SHOWN).map(item);
  const csv = () => ({ columns: Object.keys(rows[0]), rows });
  return element("div", { id: "recommendations" }, element("ol", {}, ...list), saveButtons("recommendation", { csv }));
}

/** Whether another piece of advice says the same by another metric; runs of earlier versions do not tell. */
export const isRepeated = (row) => (row.duplicate_of_rank ?? null) !== null;

function repeated(items) {
  const said = items.length === 1 ? "and one that says the same" : `and ${items.length} that say the same`;
  return element("details", {}, element("summary", {}, said), element("ul", {}, ...items));
}

function slices(rows) {
  const told = (rows ?? []).filter((row) => row.is_significant);
  if (!told.length) return element("div");
  const number = (title, of) => ({ title, of, isNumber: true });
  const columns = [
    { title: "region", of: (row) => row.text ?? row.metric },
    number("objects", (row) => count(row.n)),
    number("rate", (row) => percent(row.rate)),
    number("elsewhere", (row) => percent(row.rate_rest)),
  ];
  return element(
    "div",
    { id: "slices" },
    element("h3", {}, "Worst regions"),
    element("div", { class: "scroll" }, table("worst regions", columns, told.slice(0, SHOWN))),
    saveButtons("slice", { csv: () => ({ columns: Object.keys(rows[0]), rows }) }),
  );
}
