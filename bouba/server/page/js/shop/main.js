// The shop's page begins: its parts are started, then the galleries that are shops are asked for, then the products.

import { toast } from "../announce.js";
import { Problem, request } from "../api.js";
import { byId, el, typing } from "../dom.js";
import { startFrame } from "../frame.js";
import { placeIcons } from "../icons.js";
import { dragged, filesOf, kindOf, reduced } from "../intake.js";
import { startTheme } from "../theme.js";
import { change, current, fromAddress, on } from "./ask.js";
import { startChips } from "./chips.js";
import { startFacets, toggleFilters } from "./facets.js";
import { startProduct } from "./product.js";
import { showProblem, startResults } from "./results.js";
import { showRulesButton, startRules } from "./rules.js";

let shops = [];

async function askWith(file) {
  if (kindOf(file) !== "picture") return toast(`${file.name || "This file"} is no picture.`, { kind: "bad" });
  const blob = await reduced(file);
  return change({ text: byId("text").value.trim(), picture: { blob, name: file.name || "picture", url: URL.createObjectURL(blob) } });
}

function startBox() {
  const text = byId("text");
  byId("ask-form").addEventListener("submit", (event) => (event.preventDefault(), change({ text: text.value.trim() })));
  byId("clear").addEventListener("click", () => (change({ text: "", picture: null }), text.focus()));
  byId("pick-picture").addEventListener("click", () => byId("picture-file").click());
  byId("picture-file").addEventListener("change", ({ target }) => (target.files[0] && askWith(target.files[0]), (target.value = "")));
  const drawClear = () => (byId("clear").hidden = !text.value && !current().picture);
  text.addEventListener("input", drawClear);
  on("ask", (now) => {
    text.value = now.text;
    document.title = `${now.text ? `${now.text} · ` : ""}Shop · bouba`;
    drawClear();
  });
  document.addEventListener("paste", (event) => event.clipboardData?.files[0] && (event.preventDefault(), askWith(event.clipboardData.files[0])));
}

function startDrop() {
  addEventListener("dragover", (event) => {
    if (dragged(event) !== "files") return;
    event.preventDefault();
    byId("box").classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget ?? byId("box").classList.remove("over"));
  addEventListener("drop", async (event) => {
    if (dragged(event) !== "files") return;
    event.preventDefault();
    byId("box").classList.remove("over");
    const [file] = await filesOf(event.dataTransfer);
    if (file) askWith(file);
  });
}

function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
    if (event.key === "/") (event.preventDefault(), byId("text").focus());
    if (event.key === "f") toggleFilters();
  });
}

async function loadShops() {
  const { galleries } = await request("galleries");
  const kept = galleries.filter(({ apps }) => apps.includes("shop"));
  shops = kept.length ? kept : galleries;
  byId("gallery").replaceChildren(...shops.map(({ name }) => el("option", { value: name }, name)));
  byId("gallery-switch").hidden = shops.length < 2;
}

function drawShop({ gallery }) {
  const here = shops.find(({ name }) => name === gallery);
  byId("gallery").value = gallery ?? "";
  showRulesButton(Boolean(here?.writable));
}

async function begin() {
  placeIcons();
  for (const start of [startTheme, startFrame, startBox, startDrop, startKeys, startChips, startResults, startFacets, startProduct, startRules]) start();
  on("ask", drawShop);
  byId("gallery").addEventListener("change", ({ target }) => change({ gallery: target.value, filters: [] }));
  addEventListener("popstate", () => change(fromAddress(), { address: false }));
  try {
    await loadShops();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return showProblem(error);
  }
  const asked = fromAddress();
  const known = shops.some(({ name }) => name === asked.gallery);
  return change({ ...asked, gallery: known ? asked.gallery : shops[0]?.name }, { address: false });
}

begin();
