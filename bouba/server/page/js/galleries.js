// The galleries of the server: what each of them can do, and which one is shown.

import { request } from "./api.js";
import { byId, el } from "./dom.js";
import { change, current, subscribe } from "./state.js";

let known = [];
let needsKey = false;
const waiting = new Set();

/** The one that is shown: {name, items, hears, explains, model, writable, attributes}. */
export const galleryNow = () => known.find((one) => one.name === current().gallery) ?? known[0] ?? null;

/** Its name, as routes take it. */
export const galleryName = () => galleryNow()?.name ?? current().gallery;

export const keyNeeded = () => needsKey;

/** `run(gallery)` whenever another one is shown, or what is known of it changed. */
export const onGallery = (run) => waiting.add(run);

export async function loadGalleries() {
  const answer = await request("galleries");
  known = answer.galleries;
  needsKey = answer.key_needed;
  drawSwitch();
  tell();
}

function tell() {
  for (const run of waiting) run(galleryNow());
}

function drawSwitch() {
  const select = byId("gallery");
  const label = ({ name, items }) => `${name} · ${items.toLocaleString()}`;
  select.replaceChildren(...known.map((one) => el("option", { value: one.name }, label(one))));
  select.value = galleryName() ?? "";
  byId("gallery-switch").hidden = known.length < 2;
}

export function startGalleries() {
  byId("gallery").addEventListener("change", (event) => {
    const without = current().without.filter((part) => part.text);
    // Ids, filters and concepts belong to the gallery that they are of; words and files can be asked of any.
    change({ gallery: event.target.value, filters: {}, like: [], unlike: [], without, concept: null, open: null });
  });
  subscribe((_, changed) => {
    if (!changed.has("gallery")) return;
    byId("gallery").value = galleryName() ?? "";
    tell();
  });
}
