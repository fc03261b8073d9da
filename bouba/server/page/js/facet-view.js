// One field of the filters: values to tick, or a range.

import { button, el } from "./dom.js";
import { change, current, toggled } from "./state.js";

const SHOWN = 8; // values before "more"
const unfolded = new Set(); // fields whose list is shown whole
const closed = new Set(); // fields that were folded away

const NAMES = { media_type: "Kind of file", taken: "Taken" };

export const titleOf = (field) =>
  NAMES[field] ?? field.replace(/_/g, " ").replace(/^./, (first) => first.toUpperCase());

export function set(field, filter) {
  const { [field]: _, ...rest } = current().filters;
  const holds = filter && (filter.values?.length || filter.from !== undefined || filter.to !== undefined);
  change({ filters: holds ? { ...rest, [field]: filter } : rest });
}

export function valueName(value, field = "") {
  if (value === true) return "Yes";
  if (value === false) return "No";
  return field === "media_type" ? value.replace("image/", "").toUpperCase() : String(value);
}

export function facetView(facet, redraw) {
  const body = facet.values ? ticks(facet, redraw) : facet.type === "date" ? dates(facet) : numbers(facet);
  const details = el(
    "details",
    { class: "facet", open: !closed.has(facet.field) },
    el("summary", {}, titleOf(facet.field)),
    ...body,
  );
  details.addEventListener("toggle", () => (details.open ? closed.delete(facet.field) : closed.add(facet.field)));
  return details;
}

function ticks(facet, redraw) {
  const chosen = current().filters[facet.field]?.values ?? [];
  // What is ticked stays to be seen, and to be unticked, when nothing has it any more.
  const gone = chosen
    .filter((value) => !facet.values.some((one) => one.value === value))
    .map((value) => ({ value, count: 0 }));
  const all = [...facet.values, ...gone];
  const folded = all.length > SHOWN + 2 && !unfolded.has(facet.field);
  const seen = folded ? all.filter(({ value }, i) => i < SHOWN || chosen.includes(value)) : all;
  const more =
    folded &&
    button(`${all.length - seen.length} more`, { kind: "quiet", press: () => (unfolded.add(facet.field), redraw()) });
  const rest = facet.more && !folded && el("p", { class: "quiet-text" }, "The commonest; there are more.");
  return [
    el("ul", { class: "ticks", role: "list" }, ...seen.map((one) => tick(facet, one, chosen))),
    more,
    rest,
  ].filter(Boolean);
}

function tick({ field, type }, { value, count }, chosen) {
  const box = el("input", { type: "checkbox", checked: chosen.includes(value), data: { key: `${field}=${value}` } });
  box.addEventListener("change", () => set(field, { type, values: toggled(chosen, value) }));
  return el(
    "li",
    {},
    el(
      "label",
      { class: "tick" },
      box,
      el("span", {}, valueName(value, field)),
      el("small", {}, count.toLocaleString()),
    ),
  );
}

function end(facet, which, properties, read) {
  const filter = current().filters[facet.field] ?? { type: facet.type };
  const label = which === "from" ? "From" : "To";
  const input = el("input", { ...properties, value: filter[which] ?? "", data: { key: `${facet.field}.${which}` } });
  input.addEventListener("change", () => {
    if (!input.validity.valid) return input.reportValidity();
    set(facet.field, {
      ...current().filters[facet.field],
      type: facet.type,
      [which]: input.value === "" ? undefined : read(input.value),
    });
  });
  return el("label", { class: "end" }, el("span", {}, label), input);
}

function numbers(facet) {
  const rounded = (value) => Number(value.toPrecision(6));
  const properties = (which) => ({
    type: "number",
    step: "any",
    inputMode: "decimal",
    placeholder: String(rounded(which === "from" ? facet.min : facet.max)),
  });
  return [
    el(
      "div",
      { class: "ends" },
      end(facet, "from", properties("from"), Number),
      end(facet, "to", properties("to"), Number),
    ),
  ];
}

function dates(facet) {
  const [min, max] = [facet.min, facet.max].map((moment) => moment.slice(0, 10));
  const properties = { type: "date", min, max };
  return [
    el("div", { class: "ends" }, end(facet, "from", properties, String), end(facet, "to", properties, String)),
    el("p", { class: "quiet-text" }, `${min} to ${max}`),
  ];
}
