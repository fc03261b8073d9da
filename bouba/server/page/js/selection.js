// Several pictures at once: chosen with ctrl, shift, a long press or x.

import { say, toast } from "./announce.js";
import { posted, request } from "./api.js";
import { written } from "./dialogs.js";
import { button, byId, el } from "./dom.js";
import { galleryName, galleryNow } from "./galleries.js";
import { askLike, askWithItems } from "./media.js";
import { questionOf } from "./question.js";
import { remove } from "./removal.js";
import { on } from "./searcher.js";
import { change, current, isAsked } from "./state.js";

const HOLD_MS = 500;

export const selected = new Set(); // ids
const listeners = new Set();
let anchor = null; // where shift begins
let held = false; // a long press ends in a click, which is none

export const onSelection = (run) => listeners.add(run);

function tell() {
  draw();
  for (const run of listeners) run();
}

export function toggle(id) {
  if (!selected.delete(id)) selected.add(id);
  anchor = id;
  tell();
}

export function clearSelection() {
  if (!selected.size) return false;
  selected.clear();
  tell();
  return true;
}

function upTo(id, ids) {
  const [from, to] = [ids.indexOf(anchor), ids.indexOf(id)].sort((a, b) => a - b);
  if (from < 0) return toggle(id);
  for (const one of ids.slice(from, to + 1)) selected.add(one);
  tell();
}

/** A press on a picture: selects where that was meant, else opens it. */
export function press(id, event, ids) {
  if (held) held = false;
  else if (event.shiftKey && anchor) upTo(id, ids);
  else if (event.ctrlKey || event.metaKey || event.shiftKey || selected.size) toggle(id);
  else change({ open: id });
}

/** A long press on a touch screen selects. */
export function startHolding(list, select) {
  let timer = 0;
  const stop = () => clearTimeout(timer);
  list.addEventListener("pointerdown", (event) => {
    const node = event.target.closest(".tile");
    held = false;
    if (event.pointerType !== "touch" || !node) return;
    timer = setTimeout(() => ((held = true), select(node.dataset.id)), HOLD_MS);
  });
  for (const event of ["pointerup", "pointercancel", "pointermove"]) list.addEventListener(event, stop);
  list.addEventListener("contextmenu", (event) => held && event.preventDefault());
}

function draw() {
  const bar = byId("selection");
  const count = selected.size;
  bar.hidden = !count;
  document.body.classList.toggle("selecting", count > 0);
  if (!count) return bar.replaceChildren();
  const ids = [...selected];
  const done = (run) => () => (run(ids), clearSelection());
  bar.replaceChildren(
    ...[
      button("Clear the selection", { shows: null, glyph: "close", press: clearSelection }),
      el("strong", { class: "selection-count" }, `${count}`, el("span", {}, " selected")),
      button("Search with these", { glyph: "search", kind: "primary", press: done(askWithItems) }),
      isAsked() && button("More like these", { glyph: "more", press: done(askLike) }),
      button("Keep as a concept", { glyph: "bookmark", press: () => keepConcept(ids) }),
      galleryNow()?.writable && button("Delete", { glyph: "trash", kind: "careful", press: () => removeThem(ids) }),
    ].filter(Boolean),
  );
  say(`${count} selected`);
}

async function removeThem(ids) {
  if (await remove(ids)) clearSelection();
}

/** The question so far, and these as what is liked, under a name. */
export async function keepConcept(ids) {
  const name = await written({
    title: "Keep as a concept",
    text: "What you look for, taught by the pictures that you like, under a name. It can be asked for again, alone or beside words.",
    label: "Name",
    does: "Keep",
  });
  if (!name) return;
  const { like, unlike, text } = current();
  const liked = [...new Set([...like, ...ids])];
  const disliked = unlike.filter((id) => !liked.includes(id));
  const { question, files } = text.trim()
    ? questionOf(current(), { examples: false })
    : { question: { like: liked }, files: {} };
  try {
    const body = { query: question, liked, disliked, save_as: name, k: 1 };
    await request("feedback", { gallery: galleryName(), ...posted(body, files) });
    toast(`“${name}” is kept.`, {
      does: "Search with it",
      press: () => change({ concept: name, text: "", like: [], unlike: [], without: [] }),
    });
    document.dispatchEvent(new CustomEvent("bouba:concepts"));
    clearSelection();
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

export function startSelection() {
  on("begin", clearSelection);
}
