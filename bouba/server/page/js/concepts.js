// The concepts of the gallery: questions that were kept under a name.

import { toast } from "./announce.js";
import { request } from "./api.js";
import { confirmed } from "./dialogs.js";
import { galleryName, onGallery } from "./galleries.js";
import { change, current } from "./state.js";

let names = [];
const listeners = new Set();

export const conceptNames = () => names;

export const onConcepts = (run) => listeners.add(run);

async function load() {
  try {
    names = (await request("concepts", { gallery: galleryName() })).concepts.map(({ name }) => name);
  } catch {
    names = []; // the pictures are what matters; their request tells what is wrong
  }
  for (const run of listeners) run(names);
}

export async function removeConcept(name) {
  const yes = await confirmed({
    title: `Drop “${name}”?`,
    text: "The concept goes; no picture does.",
    does: "Drop",
    kind: "danger",
  });
  if (!yes) return;
  try {
    await request(`concepts/${encodeURIComponent(name)}`, { method: "DELETE", gallery: galleryName() });
    if (current().concept === name) change({ concept: null });
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
  await load();
}

export function startConcepts() {
  onGallery((gallery) => gallery && load());
  document.addEventListener("bouba:concepts", load);
}
