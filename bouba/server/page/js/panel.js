// The filters: a panel at the side, on a phone a sheet from below; and what is in force, as chips above the pictures.

import { conceptNames, onConcepts, removeConcept } from "./concepts.js";
import { closesOutside } from "./dialogs.js";
import { button, byId, el, storage } from "./dom.js";
import { facetView, set, titleOf, valueName } from "./facet-view.js";
import { onFacets } from "./facets.js";
import { onGallery } from "./galleries.js";
import { change, current, subscribe } from "./state.js";

const LAST = ["media_type", "taken"]; // what every gallery has, after what is its own
const narrow = matchMedia("(max-width: 799px)");
const telling = new Set(); // fields
let last = { facets: [], total: 0 };

function concepts() {
  const names = conceptNames();
  if (!names.length) return null;
  const one = (name) =>
    el(
      "li",
      { class: "concept" },
      button(name, {
        glyph: "bookmark",
        kind: "quiet",
        press: () => change({ concept: name, open: null }),
        aria: { pressed: current().concept === name },
      }),
      button(`Drop the concept ${name}`, {
        shows: null,
        glyph: "close",
        kind: "quiet",
        press: () => removeConcept(name),
      }),
    );
  return el(
    "details",
    { class: "facet", open: true },
    el("summary", {}, "Concepts"),
    el("ul", { class: "ticks", role: "list" }, ...names.map(one)),
  );
}

/** Those that tell pictures apart; one that did stays, whatever the filters leave of it. */
function inOrder(facets) {
  for (const { field, values, min, max } of facets) if (values ? values.length > 1 : min !== max) telling.add(field);
  const rank = ({ field }) => LAST.indexOf(field);
  return facets.filter(({ field }) => telling.has(field) || current().filters[field]).sort((a, b) => rank(a) - rank(b));
}

/** Drawn anew with every count; what had the focus has it again. */
function draw() {
  const box = byId("facets");
  const key = document.activeElement?.dataset?.key;
  const body =
    last instanceof Error
      ? [el("p", { class: "quiet-text" }, last.message)]
      : inOrder(last.facets).map((facet) => facetView(facet, draw));
  const sampled = last.sampled && el("p", { class: "quiet-text" }, "Counted in a sample of the gallery.");
  const none =
    !body.length &&
    el("p", { class: "quiet-text" }, "Pictures that come with attributes, as from a table, can be filtered by them.");
  box.replaceChildren(...[concepts(), ...body, sampled, none].filter(Boolean));
  if (key) box.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  byId("show-results").textContent =
    last.total === undefined ? "Show pictures" : `Show ${last.total.toLocaleString()} pictures`;
}

function labelOf(field, { type, values = [], from, to }) {
  const title = titleOf(field);
  if (values.length) return `${title}: ${values.map((value) => valueName(value, field)).join(", ")}`;
  if (from !== undefined && to !== undefined) return `${title}: ${from} to ${to}`;
  if (type === "date") return from !== undefined ? `${title}: since ${from}` : `${title}: until ${to}`;
  return from !== undefined ? `${title}: from ${from}` : `${title}: up to ${to}`;
}

function drawActive({ filters }) {
  const all = Object.entries(filters);
  const one = ([field, filter]) => {
    const label = labelOf(field, filter);
    const close = button(`Remove the filter ${label}`, {
      shows: null,
      glyph: "close",
      class: "chip-close",
      press: () => set(field, null),
    });
    return el("span", { class: "chip filter" }, el("span", { class: "chip-text" }, label), close);
  };
  byId("active-filters").replaceChildren(...all.map(one));
  byId("active-filters").hidden = !all.length;
  byId("clear-filters").hidden = !all.length;
  byId("filter-button").dataset.count = all.length || "";
}

function open() {
  const panel = byId("panel");
  if (narrow.matches) panel.showModal();
  else panel.show();
  told(true);
}

function told(isOpen) {
  byId("filter-button").setAttribute("aria-expanded", isOpen);
  document.body.classList.toggle("with-panel", isOpen && !narrow.matches);
  if (!narrow.matches) storage.write("panel", isOpen);
}

export function togglePanel() {
  if (byId("panel").open) {
    byId("panel").close();
  } else {
    open();
    byId("panel").querySelector("summary, input, button")?.focus();
  }
}

export function startPanel() {
  const panel = byId("panel");
  onFacets((answer) => ((last = answer), draw()));
  onConcepts(draw);
  onGallery(draw);
  subscribe((_, changed) => changed.has("gallery") && telling.clear());
  subscribe((state, changed) => {
    if (changed.has("filters")) drawActive(state);
    if (changed.has("concept")) draw();
  });
  drawActive(current());
  byId("filter-button").addEventListener("click", togglePanel);
  byId("close-panel").addEventListener("click", () => (panel.close(), byId("filter-button").focus()));
  byId("show-results").addEventListener("click", () => panel.close());
  byId("clear-filters").addEventListener("click", () => change({ filters: {} }));
  panel.addEventListener("close", () => told(false));
  closesOutside(panel);
  narrow.addEventListener("change", () => panel.close()); // a sheet is modal, a panel is not
  if (storage.read("panel", false) && !narrow.matches) open();
}
