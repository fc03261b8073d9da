// What the gallery can be filtered by, with counts, as the server gives it.

import { request } from "./api.js";
import { galleryName, onGallery } from "./galleries.js";
import { current, subscribe } from "./state.js";
import { whereOf, without } from "./where.js";

let controller = new AbortController();
const listeners = new Set();

/** `run({total, sampled, facets})` with every fresh count; an Error where there is none. */
export const onFacets = (run) => listeners.add(run);

const fetched = (where, signal) => request("facets", { gallery: galleryName(), query: { where }, signal });

/**
 * Counts under the filters in force. The values of a field that is itself filtered are counted as if it were not:
 * otherwise there would be nothing else left to choose.
 */
async function loadFacets() {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  const { filters } = current();
  const fields = Object.keys(filters);
  try {
    const [all, ...others] = await Promise.all([
      fetched(whereOf(filters), signal),
      ...fields.map((field) => fetched(whereOf(without(filters, field)), signal)),
    ]);
    const own = new Map(fields.map((field, i) => [field, others[i].facets.find((one) => one.field === field)]));
    // A field that the filters leave no value of has no facet in the first answer.
    const missing = [...own.values()].filter((one) => one && !all.facets.some(({ field }) => field === one.field));
    tell({ ...all, facets: [...all.facets.map((facet) => own.get(facet.field) ?? facet), ...missing] });
  } catch (error) {
    if (!signal.aborted) tell(error);
  }
}

function tell(answer) {
  for (const run of listeners) run(answer);
}

export function startFacets() {
  subscribe((_, changed) => changed.has("filters") && loadFacets());
  onGallery((gallery) => gallery && loadFacets());
}
