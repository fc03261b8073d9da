// The archive's page begins: theme, galleries, what can be filtered by, then the question that the address holds.

import { Problem, request } from "../api.js";
import { byId, el } from "../dom.js";
import { startFrame } from "../frame.js";
import { placeIcons } from "../icons.js";
import { startTheme } from "../theme.js";
import { ask, startAsking } from "./asking.js";
import { startImport } from "./import.js";
import { archive, choose } from "./state.js";
import { showProblem } from "./states.js";
import { startStudy } from "./study.js";

async function loadGalleries() {
  const { galleries } = await request("galleries");
  choose(galleries);
  const label = ({ name, items }) => `${name} · ${items.toLocaleString()}`;
  byId("gallery").replaceChildren(...galleries.map((one) => el("option", { value: one.name }, label(one))));
  byId("gallery").value = archive.gallery?.name ?? "";
  byId("gallery-switch").hidden = galleries.length < 2;
  byId("import").hidden = !archive.gallery?.writable;
}

async function loadFacts() {
  archive.facts = await request("medical/info", { gallery: archive.gallery?.name });
  byId("banner").textContent = archive.facts.banner;
  for (const [id, name] of [
    ["modality", "modalities"],
    ["body-part", "body_parts"],
  ]) {
    const options = archive.facts[name].map(({ value, studies }) => el("option", { value }, `${value} · ${studies}`));
    byId(id).replaceChildren(el("option", { value: "" }, "All"), ...options);
  }
}

export async function load() {
  try {
    await loadGalleries();
    await loadFacts();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showProblem(error, load);
    return;
  }
  await ask();
}

placeIcons();
for (const start of [startTheme, startFrame, startAsking, startStudy]) start();
startImport(load);
byId("gallery").addEventListener("change", (event) => {
  archive.wanted = event.target.value;
  load();
});
load();
