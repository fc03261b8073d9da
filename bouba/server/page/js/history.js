// What was asked before, kept in this browser and nowhere else.

import { addressOf } from "./address.js";
import { storage } from "./dom.js";
import { galleryName } from "./galleries.js";
import { named } from "./question.js";
import { on } from "./searcher.js";
import { cannotBeShared, current, isAsked } from "./state.js";

const MOST = 50;

/** [{name, address}], the latest first. Files cannot be kept, so questions with a file are not. */
export const earlier = () => storage.read("history", []).filter((one) => one?.name && typeof one.address === "string");

export const forgetAll = () => storage.write("history", []);

function remember() {
  const state = current();
  if (!isAsked(state) || cannotBeShared(state)) return;
  const address = addressOf({ ...state, open: null, gallery: galleryName() });
  const one = { name: named(state), address, filtered: Object.keys(state.filters).length };
  const others = earlier().filter((other) => other.address !== address && other.name !== one.name);
  storage.write("history", [one, ...others].slice(0, MOST));
}

export function startHistory() {
  on("answer", remember);
}
