// For who may write: what is shown first, last, at a place or not at all.

import { toast } from "../announce.js";
import { posted, request } from "../api.js";
import { closesOutside, confirmed } from "../dialogs.js";
import { button, byId, el } from "../dom.js";
import { current, search } from "./ask.js";
import { closer } from "./product.js";

const KINDS = { pin: "Pin to a place", boost: "Show earlier", bury: "Show later", hide: "Do not show" };

async function open() {
  const { gallery } = current();
  try {
    const [{ rules }, { log }] = await Promise.all([request("shop/rules", { gallery }), request("shop/rules/log", { gallery })]);
    draw(rules, log);
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

function draw(rules, log) {
  const dialog = byId("rules");
  dialog.replaceChildren(
    el("div", { class: "dialog-head" }, el("h2", { id: "rules-title" }, "Rules"), closer(dialog)),
    el("div", { class: "rules-body" }, form(), el("h3", {}, "In force"), list(rules), el("h3", {}, "Log"), history(log)),
  );
  if (!dialog.open) dialog.showModal();
}

const field = (label, input) => el("label", { class: "field" }, el("span", {}, label), input);

function form() {
  const text = (name, more = {}) => el("input", { type: "text", name, maxLength: 200, autocomplete: "off", ...more });
  const kinds = Object.entries(KINDS).map(([value, label]) => el("option", { value }, label));
  const inputs = [
    field("What", el("select", { name: "kind" }, ...kinds)),
    field("Products (numbers, with commas)", text("products")),
    field("Or a brand", text("brand")),
    field("For questions with the words", text("words")),
    field("Or for a category", text("category")),
    field("Place of a pin", el("input", { type: "number", name: "place", min: 1, max: 50, value: 1, required: true })),
    field("Strength", el("input", { type: "number", name: "factor", min: 1.1, max: 100, step: "any", value: 2, required: true })),
    field("From", el("input", { type: "date", name: "starts" })),
    field("Until", el("input", { type: "date", name: "ends" })),
    field("Why", text("note")),
    el("button", { type: "submit", class: "button primary" }, "Add the rule"),
  ];
  return el("form", { class: "rules-form", on: { submit: add } }, ...inputs);
}

async function add(event) {
  event.preventDefault();
  const { products, brand, place, factor, ...rest } = Object.fromEntries(new FormData(event.target));
  const listed = products.split(",").map((one) => one.trim()).filter(Boolean);
  const about = brand.trim() && !listed.length ? { field: "brand", value: brand.trim() } : { products: listed };
  const rule = { ...rest, ...about, place: Number(place), factor: Number(factor) };
  await done(() => request("shop/rules", { gallery: current().gallery, ...posted(rule) }));
}

async function remove(rule) {
  if (!(await confirmed({ title: "Remove this rule?", text: rule.told, does: "Remove", kind: "danger" }))) return;
  await done(() => request(`shop/rules/${rule.id}`, { gallery: current().gallery, method: "DELETE" }));
}

async function done(work) {
  try {
    await work();
    await open();
    search();
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

function list(rules) {
  if (!rules.length) return el("p", { class: "quiet-text" }, "None yet.");
  const line = (rule) =>
    el("tr", {}, el("td", {}, rule.told), el("td", {}, rule.note), el("td", {}, `${rule.used.toLocaleString()} answers`), el("td", {}, button(`Remove rule ${rule.id}`, { shows: null, glyph: "trash", press: () => remove(rule) })));
  return table(["Rule", "Why", "Changed", ""], rules.map(line));
}

function history(log) {
  if (!log.length) return el("p", { class: "quiet-text" }, "Nothing was changed yet.");
  const line = ({ time, action, told, who }) => el("tr", {}, el("td", {}, new Date(time).toLocaleString()), el("td", {}, action), el("td", {}, told), el("td", {}, who));
  return table(["When", "What", "Rule", "Who"], log.map(line));
}

const table = (names, lines) =>
  el("div", { class: "table-wrap" }, el("table", {}, el("thead", {}, el("tr", {}, ...names.map((name) => (name ? el("th", {}, name) : el("td", {}))))), el("tbody", {}, ...lines)));

/** `writable`: whether the caller may change this shop. */
export const showRulesButton = (writable) => (byId("rules-button").hidden = !writable);

export function startRules() {
  closesOutside(byId("rules"));
  byId("rules-button").addEventListener("click", open);
}
