// What the products can be filtered by, with counts: a column at the side, on a phone a sheet from below.

import { closesOutside } from "../dialogs.js";
import { button, byId, el } from "../dom.js";
import { change, current, filterOf, on, setFilter } from "./ask.js";

const SHOWN = 8; // values before "more"
const FLAGS = [
  ["stock", "In stock"],
  ["sale", "On sale"],
  ["new", "New"],
];
const unfolded = new Set();
const closed = new Set();
const wide = matchMedia("(min-width: 800px)");

const titleOf = (field) => field.replace(/_/g, " ").replace(/^./, (first) => first.toUpperCase());

function facetView(facet) {
  const body = facet.values ? ticks(facet) : prices(facet);
  const details = el("details", { class: "facet", open: !closed.has(facet.field) }, el("summary", {}, titleOf(facet.field)), ...body);
  details.addEventListener("toggle", () => (details.open ? closed.delete(facet.field) : closed.add(facet.field)));
  return details;
}

function ticks({ field, values }) {
  const chosen = filterOf(field)?.value ?? [];
  const gone = chosen.filter((one) => !values.some(({ value }) => value === one)).map((value) => ({ value, count: 0 }));
  const all = [...values, ...gone];
  const folded = all.length > SHOWN + 2 && !unfolded.has(field);
  const seen = folded ? all.filter(({ value }, i) => i < SHOWN || chosen.includes(value)) : all;
  const more = folded && button(`${all.length - seen.length} more`, { kind: "quiet", press: () => (unfolded.add(field), draw(latest)) });
  return [el("ul", { class: "ticks", role: "list" }, ...seen.map((one) => tick(field, one, chosen))), more].filter(Boolean);
}

function tick(field, { value, count }, chosen) {
  const change = (on) => {
    const values = on ? [...chosen, value] : chosen.filter((one) => one !== value);
    setFilter(field, values.length ? { field, op: "is", value: values } : null);
  };
  return box(`${field}=${value}`, value, chosen.includes(value), change, count);
}

function box(key, label, checked, change, count = null) {
  const input = el("input", { type: "checkbox", checked, data: { key } });
  input.addEventListener("change", () => change(input.checked));
  const shown = count === null ? null : el("small", {}, count.toLocaleString());
  return el("li", {}, el("label", { class: "tick" }, input, el("span", {}, label), shown));
}

function flags() {
  const one = ([field, label]) =>
    box(field, label, Boolean(filterOf(field)), (on) => setFilter(field, on ? { field, op: "is", value: ["yes"] } : null));
  return el("ul", { class: "ticks", role: "list" }, ...FLAGS.map(one));
}

function prices({ min, max }) {
  const filter = filterOf("price");
  const [low, high] = filter ? { between: filter.value, ">=": [filter.value, null], "<=": [null, filter.value] }[filter.op] ?? [null, null] : [null, null];
  const input = (label, value, placeholder, key) => {
    const field = el("input", { type: "number", min: 0, step: "any", inputMode: "decimal", value: value ?? "", placeholder: String(placeholder), data: { key } });
    return [field, el("label", { class: "end" }, el("span", {}, label), field)];
  };
  const [from, fromView] = input("From", low, min, "price.from");
  const [to, toView] = input("To", high, max, "price.to");
  const set = () => setFilter("price", priceFilter(from.value, to.value));
  for (const field of [from, to]) field.addEventListener("change", () => (field.validity.valid ? set() : field.reportValidity()));
  return [el("div", { class: "ends" }, fromView, toView)];
}

function priceFilter(from, to) {
  if (from !== "" && to !== "") {
    const ends = [Number(from), Number(to)].sort((a, b) => a - b);
    return { field: "price", op: "between", value: ends };
  }
  if (from !== "") return { field: "price", op: ">=", value: Number(from) };
  return to === "" ? null : { field: "price", op: "<=", value: Number(to) };
}

let latest = null;

/** Drawn anew with every answer; what had the focus has it again. */
function draw(answer) {
  latest = answer;
  const key = document.activeElement?.dataset?.key;
  byId("facets").replaceChildren(flags(), ...answer.facets.map(facetView));
  if (key) [...byId("facets").querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus();
  byId("clear-filters").hidden = !current().filters.length;
  byId("filter-button").dataset.count = current().filters.length || "";
}

function toggle(open = !byId("panel").open) {
  const panel = byId("panel");
  if (!open) panel.close();
  else if (wide.matches) panel.setAttribute("open", "");
  else if (!panel.open) panel.showModal();
  byId("filter-button").setAttribute("aria-expanded", panel.open);
}

export function startFacets() {
  on("answer", (answer, fresh) => fresh || draw(answer));
  byId("filter-button").addEventListener("click", () => toggle());
  for (const id of ["close-panel", "show-results"]) byId(id).addEventListener("click", () => toggle(false));
  byId("panel").addEventListener("close", () => byId("filter-button").setAttribute("aria-expanded", "false"));
  byId("clear-filters").addEventListener("click", () => change({ filters: [] }));
  wide.addEventListener("change", () => (byId("panel").close(), toggle(wide.matches)));
  closesOutside(byId("panel"));
  toggle(wide.matches);
}

export const toggleFilters = () => toggle();
