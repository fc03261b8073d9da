// What is known of one picture, beside it in the viewer.

import { say } from "./announce.js";
import { button, el } from "./dom.js";
import { change } from "./state.js";
import { meter, nameOf, percent } from "./tile.js";

export function detailsOf(item, asked) {
  return [
    el("h2", { class: "viewer-name" }, nameOf(item)),
    asked && match(item),
    copies(item),
    facts(item),
    attributes(item),
    place(item),
  ].filter(Boolean);
}

function section(title, ...content) {
  return el("section", { class: "detail" }, el("h3", {}, title), ...content);
}

const WHAT = "The more exactly something is asked for, the fewer pictures can be meant, and the lower the figures.";

/** How sure the model is, of the whole and of each part; the score where it was never calibrated. */
function match(item) {
  if (item.score === undefined) return null;
  if (item.probability === undefined) {
    return section(
      "Match",
      el("p", { class: "quiet-text" }, `Score ${item.score.toFixed(3)}. This model gives no probabilities.`),
    );
  }
  const whole = el("div", { class: "part" }, el("span", {}, "Likely asked for"), meter(item.probability));
  return section(
    "Match",
    whole,
    ...(item.parts ?? []).map(part),
    heardAt(item),
    el("p", { class: "quiet-text" }, WHAT),
  );
}

function part({ asked, probability, wanted }) {
  const label = wanted ? asked : `not ${asked}`;
  const says = wanted ? percent(probability) : `${percent(probability)} that it is there`;
  return el("div", { class: "part" }, el("span", {}, label), meter(probability, says));
}

function heardAt({ second }) {
  if (second === undefined) return null;
  const minutes = Math.floor(second / 60);
  return el(
    "p",
    { class: "quiet-text" },
    `Fits the sound best at ${minutes}:${(second % 60).toFixed(1).padStart(4, "0")}`,
  );
}

function copies(item) {
  if (!item.duplicates?.length) return null;
  const one = ({ id, path, thumbnail }) =>
    el(
      "button",
      {
        type: "button",
        class: "copy",
        title: path,
        aria: { label: `Show the near-duplicate ${nameOf({ id, path })}` },
        on: { click: () => change({ open: id }) },
      },
      el("img", { src: thumbnail, alt: "", loading: "lazy" }),
    );
  return section("Near-duplicates", el("div", { class: "copies" }, ...item.duplicates.map(one)));
}

const pair = (name, value) => [el("dt", {}, name), el("dd", {}, value)];

function facts(item) {
  const list = [
    ...pair("Size", `${item.width} × ${item.height}`),
    ...pair("File", `${sizeOf(item.bytes)}, ${item.media_type.replace("image/", "").toUpperCase()}`),
    ...(item.taken
      ? pair("Taken", new Date(item.taken).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }))
      : []),
  ];
  return section("Picture", el("dl", {}, ...list));
}

export function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function attributes(item) {
  const pairs = Object.entries(item.attributes ?? {}).filter(([, value]) => value !== null);
  return pairs.length
    ? section("Attributes", el("dl", {}, ...pairs.flatMap(([name, value]) => pair(name, shown(value)))))
    : null;
}

function shown(value) {
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return value.toLocaleString();
  return /^\d{4}-\d{2}-\d{2}T00:00:00$/.test(value) ? value.slice(0, 10) : String(value);
}

function place(item) {
  const copy = async (text, what) => {
    await navigator.clipboard?.writeText(text);
    say(`${what} copied.`);
  };
  return section(
    "Where",
    item.path && el("p", { class: "path" }, item.path),
    el(
      "div",
      { class: "detail-buttons" },
      item.path && button("Copy path", { kind: "quiet", press: () => copy(item.path, "Path") }),
      button("Copy id", { kind: "quiet", press: () => copy(item.id, "Id") }),
    ),
  );
}
