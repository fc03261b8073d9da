// The filters in force: those read from the sentence, those chosen at the side, and the picture. Each can be removed.

import { button, byId, el } from "../dom.js";
import { icon } from "../icons.js";
import { change, current, on, setFilter } from "./ask.js";

function chip(kind, label, remove, { relaxed = false, image = null, said = null } = {}) {
  const spoken = relaxed ? `${label}, let go of as nothing had it` : label;
  return el(
    "span",
    { class: `chip ${kind} ${relaxed ? "relaxed" : ""}`, title: said ? `Read from “${said}”` : spoken },
    image && el("img", { class: "chip-picture", src: image, alt: "" }),
    el("span", { class: "chip-text" }, label),
    relaxed && el("span", { class: "sr" }, "let go of"),
    button(`Remove: ${label}`, { shows: null, glyph: "close", class: "chip-close", press: remove }),
  );
}

const same = (a, b) => a.field === b.field && a.op === b.op && JSON.stringify(a.value) === JSON.stringify(b.value);

function draw(answer) {
  const { picture } = current();
  const gone = (one) => answer.relaxed.some((other) => same(one, other));
  const read = answer.chips.map((one) =>
    chip("filter", one.label, () => change({ text: one.without }), { relaxed: gone(one), said: one.text }),
  );
  const chosen = answer.filters.map((one) =>
    chip("filter", one.label, () => setFilter(one.field, null), { relaxed: gone(one) }),
  );
  const asked = picture && chip("picture", picture.name, () => change({ picture: null }), { image: picture.url });
  const chips = [asked, ...read, ...chosen].filter(Boolean);
  byId("chips").replaceChildren(...chips);
  byId("chips").hidden = !chips.length;
}

/** What was understood, with the way back to the words as they were written. */
function drawNotes({ notes, chips }) {
  const { exact, text } = current();
  const lines = notes.map((note) => el("p", { class: "note" }, el("span", {}, note)));
  const asWords = button("Search for the words as they are", { kind: "quiet", press: () => change({ exact: true }) });
  const asFilters = button("Read filters from them", { kind: "quiet", press: () => change({ exact: false }) });
  if (chips.length) {
    const told = `“${text}” has ${chips.length} filter${chips.length > 1 ? "s" : ""}.`;
    lines.push(el("p", { class: "note" }, icon("filter"), el("span", {}, told), asWords));
  }
  if (exact && text) lines.push(el("p", { class: "note" }, el("span", {}, "The words as they are."), asFilters));
  byId("notes").replaceChildren(...lines);
}

export function startChips() {
  on("answer", draw);
  on("answer", drawNotes);
}
