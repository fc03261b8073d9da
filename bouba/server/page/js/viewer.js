// One picture, large: why it matched, what is known of it, and where to go from it.

import { closeViewer } from "./address.js";
import { request } from "./api.js";
import { say } from "./announce.js";
import { detailsOf } from "./details.js";
import { button, byId, el } from "./dom.js";
import { galleryName, galleryNow } from "./galleries.js";
import { focusItem, shownIds } from "./grid.js";
import { heatOf } from "./heat.js";
import { answerNow } from "./searcher.js";
import { change, isAsked, subscribe } from "./state.js";
import { canBeShown, nameOf } from "./tile.js";
import { actionsFor } from "./viewer-actions.js";

let item = null; // that is shown
let heated = false; // stays on from picture to picture
let controller = new AbortController();
const parts = {};

function build() {
  parts.picture = el("img", { class: "original", alt: "" });
  parts.heat = el("img", { class: "heat", alt: "", hidden: true });
  parts.note = el("p", { class: "stage-note", role: "status" });
  parts.before = button("Previous picture", {
    shows: null,
    glyph: "left",
    kind: "pager before",
    press: () => page(-1),
  });
  parts.after = button("Next picture", { shows: null, glyph: "right", kind: "pager after", press: () => page(1) });
  parts.place = el("span", { class: "viewer-place" });
  parts.actions = el("div", {
    class: "viewer-actions",
    role: "toolbar",
    aria: { label: "What to do with this picture" },
  });
  parts.details = el("aside", { class: "viewer-details", tabIndex: 0, aria: { label: "About this picture" } });
  const close = button("Close", { shows: null, glyph: "close", press: closeViewer, title: "Close (Esc)" });
  const stage = el("div", { class: "stage" }, parts.picture, parts.heat, parts.note, parts.before, parts.after);
  byId("viewer").append(el("div", { class: "viewer-bar" }, close, parts.place), parts.actions, stage, parts.details);
  parts.picture.addEventListener("error", showThumbnail);
  startSwipes(stage);
}

/** For kinds that no browser shows, and for originals that are gone. */
function showThumbnail() {
  if (!item || parts.picture.src.includes("/thumbnail")) return;
  parts.picture.src = item.thumbnail;
  parts.note.textContent = canBeShown(item)
    ? "The original is not there any more; this is its thumbnail."
    : `Browsers do not show ${item.media_type}; this is its thumbnail.`;
}

async function show(id) {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  const dialog = byId("viewer");
  if (!dialog.open) dialog.showModal();
  try {
    const found =
      answerNow().hits.find((hit) => hit.id === id) ??
      (await request(`items/${id}`, { gallery: galleryName(), signal }));
    if (!signal.aborted) draw(found, signal);
  } catch (error) {
    if (!signal.aborted) drawProblem(error);
  }
}

function draw(found, signal) {
  item = found;
  parts.note.textContent = "";
  parts.heat.hidden = true;
  parts.picture.style.backgroundImage = `url("${item.thumbnail}")`; // until the original is there
  parts.picture.src = item.image;
  parts.picture.alt = nameOf(item);
  parts.picture.parentElement.style.setProperty("--w", item.width); // shown at most twice as large as it is
  parts.picture.parentElement.style.setProperty("--h", item.height);
  parts.details.replaceChildren(...detailsOf(item, isAsked()));
  parts.details.scrollTop = 0;
  drawBar();
  if (heated) showHeat(signal);
  preload();
}

function drawProblem(error) {
  item = null;
  parts.picture.removeAttribute("src");
  parts.details.replaceChildren();
  parts.actions.replaceChildren();
  parts.note.textContent = error.kind === "missing" ? "This picture is not in the gallery any more." : error.message;
}

function drawBar() {
  const ids = shownIds();
  const at = ids.indexOf(item.id);
  parts.place.textContent = at >= 0 ? `${at + 1} of ${ids.length}` : "";
  parts.before.hidden = at <= 0;
  parts.after.hidden = at < 0 || at >= ids.length - 1;
  const focused = document.activeElement?.dataset?.act;
  const explains = isAsked() && Boolean(galleryNow()?.explains);
  parts.actions.replaceChildren(...actionsFor(item, { heated: heated && explains, explains, toggleHeat }));
  if (focused) parts.actions.querySelector(`[data-act="${focused}"]`)?.focus();
}

function page(step) {
  const ids = shownIds();
  const to = ids[ids.indexOf(item?.id) + step];
  if (item && to) change({ open: to });
}

function preload() {
  const ids = shownIds();
  const next = answerNow().hits.find((hit) => hit.id === ids[ids.indexOf(item.id) + 1]);
  if (next && canBeShown(next)) new Image().src = next.image;
}

function toggleHeat() {
  heated = !heated;
  drawBar();
  if (heated) showHeat(controller.signal);
  else parts.heat.hidden = true;
}

async function showHeat(signal) {
  if (!isAsked() || !galleryNow()?.explains) return;
  const { id } = item;
  parts.note.textContent = "Looking where it matches…";
  try {
    const url = await heatOf(id, signal);
    if (signal.aborted || !heated) return;
    parts.heat.src = url;
    parts.heat.alt = "Heat map: the lighter, the better it matches there";
    await parts.heat.decode();
    parts.heat.hidden = false;
    parts.note.textContent = "The lighter, the better it matches there.";
    say("Heat map shown.");
  } catch (error) {
    if (!signal.aborted) parts.note.textContent = error.message;
  }
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    page(event.key === "ArrowLeft" ? -1 : 1);
    return;
  }
  const act = { h: "heat", "+": "more", "-": "less", s: "search", x: "select", Delete: "delete" }[event.key];
  parts.actions.querySelector(`[data-act="${act}"]`)?.click();
}

function startSwipes(stage) {
  let from = null;
  stage.addEventListener("touchstart", ({ touches }) => (from = touches.length === 1 ? touches[0] : null), {
    passive: true,
  });
  stage.addEventListener("touchend", ({ changedTouches: [to] }) => {
    if (!from) return;
    const [dx, dy] = [to.clientX - from.clientX, to.clientY - from.clientY];
    if (Math.abs(dx) > 60 && Math.abs(dx) > 2 * Math.abs(dy)) page(dx < 0 ? 1 : -1);
  });
}

export function startViewer() {
  build();
  const dialog = byId("viewer");
  dialog.addEventListener("keydown", keys);
  dialog.addEventListener("cancel", (event) => (event.preventDefault(), closeViewer()));
  subscribe(({ open }, changed, origin) => {
    if (origin === "heat") heated = true;
    if (changed.has("open")) follow(open, dialog);
    else if (open && item && dialog.open) drawBar();
  });
}

function follow(open, dialog) {
  if (open) {
    show(open);
  } else if (dialog.open) {
    controller.abort();
    dialog.close();
    heated = false;
    if (item) focusItem(item.id);
  }
}
