// The frames and objects behind the figures: a grid of small pictures with their boxes, each of which opens large.
//
// `examples` is what emqa_core/report/examples/document.py gives. Text of the data is set as text, never as markup.

import { element, value } from "emqa/format.js";

const SVG = "http://www.w3.org/2000/svg";
const FIRST_SHOWN = 12;
// Of a hundred predictions most are unsure: they stay in the background, in small pictures all the more.
const FAINTEST = { small: 0.08, large: 0.3 };
const SOURCES = ["prediction", "label"];
const REASONS = {
  image_empty: "the image is an empty file",
  image_missing: "the image was not found",
  image_not_allowed: "the image lies outside the images' root",
  image_too_large: "the image is too large to be decoded",
  image_unreadable: "the image cannot be read",
  image_wrong_size: "the image is not of the frame's size",
  no_image_uri: "the frame names no image",
  no_image_root: "no folder of images was given",
  over_limit: "no room for more pictures on the page",
  store_error: "the images could not be reached",
};
const OUTCOMES = {
  true_positive: "true positive",
  false_positive: "false positive",
  found: "found label",
  missed: "missed label",
  ignored: "ignored",
};

/**
 * Draw the examples that a view asks for, the worst first.
 *
 * view: metric (name or null), binGroup (number of a range: bin_50 // 10, of a category its bin_50; null: any),
 * source ("prediction", "label" or null: both), classes (Set of class ids, or null: all), errorType (name or null).
 * Where none of the metric's examples is left, those of any range are shown, and it is said.
 */
export function renderExamples(container, examples, view) {
  const { chosen, note } = chooseExamples(examples, view);
  const parts = note ? [element("p", { class: "example-note" }, note)] : [];
  if (chosen.length) {
    parts.push(...grid(chosen, (example) => objectFigure(examples, example, view)));
  }
  container.replaceChildren(...parts);
}

/** Draw the frames of the lowest F1. classes (Set of class ids, or null): the boxes that are drawn. */
export function exampleFrames(container, examples, classes = null) {
  if (!examples.worst_frames.length) {
    container.replaceChildren(element("p", { class: "example-note" }, "No frame has a false positive or a missed label."));
    return;
  }
  container.replaceChildren(
    ...grid(examples.worst_frames, (number) => frameFigure(examples, number, classes)),
  );
}

/** The examples of a view in the order in which they are drawn, and what is to be said about them. */
export function chooseExamples(examples, view) {
  const fits = examples.examples.filter((example) => isOfObjects(examples, example, view));
  if (view.metric === null) {
    return { chosen: fits, note: fits.length ? "" : "No example is of this choice." };
  }
  const metric = examples.metrics.findIndex((each) => each.name === view.metric);
  const chosen = fits
    .map((example) => ({ example, place: placeIn(example, metric, view.binGroup) }))
    .filter(({ place }) => place !== null)
    .sort((a, b) => a.place - b.place)
    .map(({ example }) => example);
  if (chosen.length || !fits.length) {
    return { chosen, note: chosen.length ? "" : "No example is of this choice." };
  }
  const note =
    metric < 0
      ? `Examples are not ranked by ${view.metric}; here are the worst of this choice.`
      : "None of the worst of this range is of this choice; here are the worst of any range.";
  return { chosen: fits, note };
}

function isOfObjects(examples, example, view) {
  const shown = objectOf(examples, examples.frames[example.frame].objects[example.object]);
  return (
    (view.source === null || view.source === shown.source) &&
    (view.classes === null || view.classes.has(shown.classId)) &&
    (view.errorType === null || view.errorType === shown.errorType)
  );
}

function placeIn(example, metric, range) {
  const places = example.places.filter(([of, number]) => of === metric && (range === null || range === number));
  return places.length ? Math.min(...places.map(([, , place]) => place)) : null;
}

/** An object's list of numbers as words. */
function objectOf(examples, [x, y, width, height, source, ofClass, outcome, error, score]) {
  return {
    box: { x, y, width, height },
    source: SOURCES[source],
    classId: examples.classes[ofClass].id,
    className: examples.classes[ofClass].name,
    outcome: examples.outcomes[outcome],
    errorType: error === null ? null : examples.error_types[error],
    score,
  };
}

function grid(items, draw) {
  const figures = element("div", { class: "example-grid" });
  const more = element("button", { class: "example-more", type: "button" });
  const show = (n) => {
    const first = figures.children.length;
    figures.append(...items.slice(first, first + n).map(draw));
    const left = items.length - figures.children.length;
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, FIRST_SHOWN)} more of ${left}`;
    return figures.children[first];
  };
  show(FIRST_SHOWN);
  more.onclick = () => show(FIRST_SHOWN).querySelector("button").focus();
  return [figures, more];
}

function objectFigure(examples, example, view) {
  const frame = examples.frames[example.frame];
  const shown = objectOf(examples, frame.objects[example.object]);
  const what = [OUTCOMES[shown.outcome] ?? shown.outcome];
  if (shown.errorType !== null && shown.errorType !== shown.outcome) {
    what.push(words(shown.errorType));
  }
  const score = shown.score === null ? "" : ` ${shown.score.toFixed(2)}`;
  const lines = [element("span", { class: "example-title" }, `${shown.className}${score}`), element("span", {}, what.join(" · "))];
  const range = view.metric !== null && view.binGroup === null ? rangeText(examples, example, view.metric) : "";
  if (range) {
    lines.push(element("span", {}, range));
  }
  const alt = `${shown.className}${score}, ${what.join(", ")}, in frame ${frame.frame_id}`;
  return figure(examples, frame, { main: example.object, classes: null, alt, lines });
}

function frameFigure(examples, number, classes) {
  const frame = examples.frames[number];
  const labels = frame.n_labels ? `${frame.n_missed} of ${counted(frame.n_labels, "label")} missed` : "no labels";
  const counts = `${counted(frame.n_false_positive, "false positive")}, ${labels}`;
  const title = `F1 ${frame.f1 === null ? "-" : frame.f1.toFixed(2)}`;
  const lines = [element("span", { class: "example-title" }, title), element("span", {}, counts)];
  return figure(examples, frame, { main: null, classes, alt: `Frame ${frame.frame_id}, ${title}, ${counts}`, lines });
}

/** A picture that opens large, over its caption. lines: what the caption says before the frame's id. */
function figure(examples, frame, { main, classes, alt, lines }) {
  const open = () => openDialog(examples, frame, { main, classes, alt, lines });
  const picture = stage(examples, frame, { main, classes, alt });
  return element(
    "figure",
    { class: "example" },
    element("button", { class: "example-open", type: "button", onclick: open }, picture),
    element(
      "figcaption",
      {},
      ...lines.map((line) => line.cloneNode(true)),
      element("span", { class: "example-frame-id", title: frame.frame_id }, frame.frame_id),
    ),
  );
}

/** The picture, or a grey panel of the frame's shape, with the boxes over it. */
function stage(examples, frame, { main, classes, alt, isLarge = false }) {
  const of = element("span", { class: isLarge ? "example-stage example-stage-large" : "example-stage" });
  of.style.setProperty("--ratio", String(frame.width / frame.height));
  const drawing = svg("svg", { viewBox: `0 0 ${frame.width} ${frame.height}` });
  if (typeof frame.picture === "string" && frame.picture.startsWith("data:image/jpeg;base64,")) {
    of.append(element("img", { src: frame.picture, alt, decoding: "async" }));
    drawing.setAttribute("aria-hidden", "true");
  } else {
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", `${alt}; no picture: ${reason(frame)}`);
  }
  // The example comes last, over all others.
  const objects = frame.objects.map((values) => objectOf(examples, values));
  objects
    .filter((each, place) => place !== main && (classes === null || classes.has(each.classId)))
    .forEach((each) => drawing.append(box(each, "", isLarge ? FAINTEST.large : FAINTEST.small)));
  if (main !== null) {
    drawing.append(box(objects[main], " example-halo", 1), box(objects[main], " example-main", 1));
  }
  of.append(drawing);
  return of;
}

/** A box; that of a prediction is the fainter the lower its score, from `faintest` on. */
function box(shown, kind, faintest) {
  const rectangle = svg("rect", shown.box);
  const outcome = shown.outcome in OUTCOMES ? shown.outcome : "ignored";
  rectangle.setAttribute("class", `example-box outcome-${outcome.replace("_", "-")} of-${shown.source}${kind}`);
  const score = Math.min(Math.max(shown.score ?? 1, 0), 1);
  rectangle.style.opacity = String(faintest + (1 - faintest) * score);
  const title = svg("title");
  title.textContent = [shown.className, shown.score?.toFixed(2), OUTCOMES[shown.outcome] ?? shown.outcome]
    .filter((part) => part !== undefined)
    .join(" · ");
  rectangle.append(title);
  return rectangle;
}

/** The frame as large as the window allows, with a legend by which outcomes can be hidden. */
function openDialog(examples, frame, { main, classes, alt, lines }) {
  const facts = [];
  if (frame.image_uri !== null) {
    facts.push(frame.image_uri);
  }
  if (frame.picture === null) {
    facts.push(`no picture: ${reason(frame)}`);
  }
  if (frame.objects.length < frame.n_objects) {
    facts.push(`${frame.objects.length} of ${frame.n_objects} objects are drawn`);
  }
  const large = stage(examples, frame, { main, classes, alt, isLarge: true });
  const text = [...lines.map((line) => line.cloneNode(true)), element("span", {}, `frame ${frame.frame_id}`)];
  const dialog = element(
    "dialog",
    { class: "example-dialog", "aria-label": alt, onclose: () => dialog.remove() },
    element(
      "div",
      { class: "example-heading" },
      element("div", { class: "example-caption" }, ...text),
      element("button", { class: "example-close", type: "button", onclick: () => dialog.close() }, "Close"),
    ),
    large,
    legend(examples, frame, large),
    element("p", { class: "example-facts" }, facts.join(" · ")),
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) {
      dialog.close();
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

function legend(examples, frame, large) {
  const of = element("div", { class: "example-legend" });
  const outcomes = frame.objects.map((values) => examples.outcomes[values[6]]);
  for (const outcome of Object.keys(OUTCOMES).filter((each) => outcomes.includes(each))) {
    const name = outcome.replace("_", "-");
    const hide = (event) => large.classList.toggle(`without-${name}`, !event.target.checked);
    const n = outcomes.filter((each) => each === outcome).length;
    of.append(
      element(
        "label",
        { class: `outcome-${name}` },
        element("input", { type: "checkbox", checked: true, onchange: hide }),
        element("span", { class: "example-swatch" }),
        `${OUTCOMES[outcome]} (${n})`,
      ),
    );
  }
  return of;
}

function rangeText(examples, example, metric) {
  const number = examples.metrics.findIndex((each) => each.name === metric);
  const place = example.places.find(([of]) => of === number);
  const range = place && examples.metrics[number].ranges.find((each) => each.number === place[1]);
  if (!range) {
    return "";
  }
  const text = range.category ?? `${value(range.lower)} – ${value(range.upper)}`;
  return `${metric}: ${text}`;
}

function reason(frame) {
  return REASONS[frame.reason] ?? words(String(frame.reason));
}

function words(name) {
  return name.replaceAll("_", " ");
}

function counted(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

function svg(tag, attributes = {}) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  return made;
}
