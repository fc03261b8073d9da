// Heat maps from the server: where in a picture the question matches.

import { posted, requestBlob } from "./api.js";
import { galleryName } from "./galleries.js";
import { questionOf } from "./question.js";
import { ASKED, subscribe } from "./state.js";

const MOST = 30; // maps that are kept for paging to and fro
const kept = new Map(); // id -> object URL, of the question that is asked

/** The picture with the map over it, as an address for an <img>. Raises Problem. */
export async function heatOf(id, signal) {
  if (!kept.has(id)) {
    const { question, files } = questionOf();
    const blob = await requestBlob("explain", {
      gallery: galleryName(),
      signal,
      ...posted({ query: question, id }, files),
    });
    if (kept.size >= MOST) drop(kept.keys().next().value);
    kept.set(id, URL.createObjectURL(blob));
  }
  return kept.get(id);
}

function drop(id) {
  URL.revokeObjectURL(kept.get(id));
  kept.delete(id);
}

export function startHeat() {
  subscribe((_, changed) => {
    if (ASKED.some((name) => changed.has(name))) [...kept.keys()].forEach(drop);
  });
}
