// The question in the address bar, so that it can be sent to somebody, and back and forward work.

import { change, current, replaceAll, subscribe } from "./state.js";

const kept = new Map(); // number -> the picture and the sound of a step in the history, while the page is open
let steps = 0;

const FILTER = /^(in|has|is|min|max|from|until)\.(.+)$/s;

export function addressOf(state) {
  const query = new URLSearchParams();
  if (state.text.trim()) query.set("q", state.text.trim());
  if (state.concept) query.set("concept", state.concept);
  for (const part of state.without)
    part.id ? query.append("without-item", part.id) : query.append("without", part.text);
  for (const id of state.like) query.append("like", id);
  for (const id of state.unlike) query.append("unlike", id);
  for (const [name, filter] of Object.entries(state.filters)) addFilter(query, name, filter);
  if (state.gallery) query.set("gallery", state.gallery);
  if (state.exact) query.set("exact", "1");
  if (state.diverse) query.set("diverse", "1");
  if (state.open) query.set("item", state.open);
  return query.toString();
}

function addFilter(query, name, { type, values = [], from, to }) {
  const plain = { text: "in", "list of text": "has", boolean: "is" }[type];
  for (const value of values) query.append(`${plain}.${name}`, value);
  const [low, high] = type === "date" ? ["from", "until"] : ["min", "max"];
  if (from !== undefined) query.set(`${low}.${name}`, from);
  if (to !== undefined) query.set(`${high}.${name}`, to);
}

/** What an address asks; what makes no sense in it is left out. */
export function stateOf(search) {
  const query = new URLSearchParams(search);
  const ids = (name) => query.getAll(name).filter((id) => /^[0-9a-f]{32}$/.test(id));
  return {
    text: query.get("q") ?? "",
    concept: query.get("concept"),
    without: [...query.getAll("without").map((text) => ({ text })), ...ids("without-item").map((id) => ({ id }))],
    like: ids("like"),
    unlike: ids("unlike"),
    filters: filtersOf(query),
    gallery: query.get("gallery"),
    exact: query.get("exact") === "1",
    diverse: query.get("diverse") === "1",
    open: ids("item")[0] ?? null,
  };
}

function filtersOf(query) {
  const filters = {};
  for (const [key, value] of query) {
    const [, kind, name] = FILTER.exec(key) ?? [];
    if (kind) filters[name] = { ...filters[name], ...filterOf(kind, value, filters[name]?.values ?? []) };
  }
  return Object.fromEntries(Object.entries(filters).filter(([, filter]) => filter.type));
}

function filterOf(kind, value, values) {
  const number = Number(value);
  const day = /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value));
  if (kind === "in") return { type: "text", values: [...values, value] };
  if (kind === "has") return { type: "list of text", values: [...values, value] };
  if (kind === "is") return { type: "boolean", values: [...values, value === "true"] };
  if (kind === "min" || kind === "max") {
    return value.trim() && Number.isFinite(number) ? { type: "number", [kind === "min" ? "from" : "to"]: number } : {};
  }
  return day ? { type: "date", [kind === "from" ? "from" : "to"]: value } : {};
}

/** Every change is a step back and forward can go, but moving from picture to picture in the viewer. */
function follow(state, changed, origin) {
  if (origin === "address") return;
  const search = addressOf(state);
  const paging = changed.size === 1 && changed.has("open") && history.state?.viewer && state.open;
  const step = paging ? history.state.step : (steps += 1);
  kept.set(step, { picture: state.picture, sound: state.sound, transcript: state.transcript, heardAs: state.heardAs });
  const opened = Boolean(state.open) && changed.size === 1 && (paging ? history.state.opened : changed.has("open"));
  const entry = { step, viewer: Boolean(state.open), opened };
  const url = search ? `?${search}` : location.pathname;
  paging ? history.replaceState(entry, "", url) : history.pushState(entry, "", url);
}

/** Closing the viewer is going back where nothing but opening it came before, so that the history holds no loops. */
export function closeViewer() {
  if (history.state?.opened) history.back();
  else change({ open: null });
}

function returnTo(event) {
  if (!event.state) return; // a link within the page: another place, the same question
  replaceAll({ ...stateOf(location.search), ...kept.get(event.state?.step) }, "address");
}

/** Takes the question from the address, and keeps the two in step from then on. */
export function startAddress() {
  history.replaceState({ step: 0, viewer: false, opened: false }, "");
  subscribe(follow);
  addEventListener("popstate", returnTo);
  replaceAll(stateOf(location.search), "address");
  kept.set(0, { picture: current().picture, sound: current().sound });
}
