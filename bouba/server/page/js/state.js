// What is asked and what is shown, in one place; whoever wants to know subscribes, and is told what changed.

import { whereOf } from "./where.js";

const NOTHING = {
  text: "",
  picture: null, // {blob, name, url}: cannot stand in an address
  sound: null, // {blob, name, url}
  transcript: null, // what was said, where the recogniser misheard
  heardAs: "auto",
  concept: null,
  without: [], // [{text} | {id}]
  like: [], // ids
  unlike: [],
};

const START = {
  ...NOTHING,
  gallery: null, // a name; null is the server's first
  filters: {},
  exact: false,
  diverse: false,
  open: null, // the id of the picture in the viewer
};

let now = { ...START };
const listeners = new Set();

export const current = () => now;

/** `run(now, changed)`, where `changed` is a set of names. */
export function subscribe(run) {
  listeners.add(run);
}

/**
 * Takes over what differs. `origin` says who did it: "address" that the address is right
 * already, "feedback" that a hit was judged, "heat" that a picture was opened for its map.
 */
export function change(parts, origin = "page") {
  const changed = new Set(Object.keys(parts).filter((name) => !same(now[name], parts[name])));
  if (!changed.size) return;
  now = { ...now, ...parts };
  for (const run of listeners) run(now, changed, origin);
}

export const replaceAll = (parts, origin) => change({ ...START, ...parts }, origin);

/** Another question, with the filters as they are. */
export const askAnew = (parts) => change({ ...NOTHING, exact: false, open: null, ...parts });

export const clearQuestion = () => askAnew({});

function same(a, b) {
  if (a?.blob || b?.blob) return a?.blob === b?.blob;
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What changes the answer. */
export const ASKED = [...Object.keys(NOTHING), "gallery", "filters", "exact", "diverse"];

export function isAsked(state = now) {
  const { text, picture, sound, concept, without, like, unlike } = state;
  return Boolean(text.trim() || picture || sound || concept || without.length || like.length || unlike.length);
}

/** Whether there is something to be unlike of: examples alone need one that is liked. */
export function hasAim(state = now) {
  const { text, picture, sound, concept, like } = state;
  return Boolean(text.trim() || picture || sound || concept || like.length);
}

/** The answer to it cannot be sent to somebody as an address. */
export const cannotBeShared = (state = now) => Boolean(state.picture || state.sound);

export const whereNow = (state = now) => whereOf(state.filters);

export const toggled = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);

/** More or less like an item; the same again takes it back. */
export function judge(id, liked) {
  const [to, from] = liked ? ["like", "unlike"] : ["unlike", "like"];
  change({ [to]: toggled(now[to], id), [from]: now[from].filter((other) => other !== id) }, "feedback");
}
