// The card in the corner that shows how far the pictures are that are being added.

import { say } from "./announce.js";
import { button, byId, el } from "./dom.js";
import { sizeOf } from "./details.js";
import { icon } from "./icons.js";
import { galleryNow, onGallery } from "./galleries.js";
import { chooseFiles, chooseFolder, clearDone, onUploads, retryFailed, stopUploads, uploads } from "./upload.js";

const MOST = 200; // rows; a folder of thousands is told as a number
let wasRunning = false;

const counts = (state, queue) => queue.filter((one) => one.state === state).length;

function summary({ added, known, failed }) {
  const parts = [`${added} added`, known && `${known} known already`, failed && `${failed} failed`].filter(Boolean);
  return parts.join(", ");
}

function row({ file, state, share, reason }) {
  const bar = el("progress", { max: 1, value: share, aria: { label: `Progress of ${file.name}` } });
  const says = {
    waiting: "waiting",
    sending: `${Math.round(share * 100)} %`,
    reading: "reading…",
    done: "",
    failed: reason,
  }[state];
  return el(
    "li",
    { class: `upload ${state}` },
    el("span", { class: "upload-name" }, file.name),
    el("span", { class: "upload-says" }, state === "done" ? icon("check") : null, says || sizeOf(file.size)),
    state === "sending" || state === "reading" ? bar : null,
  );
}

/** What failed stands first: it is what wants attention. */
function ordered(queue) {
  const rank = { failed: 0, sending: 1, reading: 1, waiting: 2, done: 3 };
  return [...queue].sort((a, b) => rank[a.state] - rank[b.state]).slice(0, MOST);
}

function head(title, running, totals) {
  return el(
    "div",
    { class: "uploads-head" },
    el("h2", {}, title),
    !running && totals.failed > 0 && button("Try again", { glyph: "retry", kind: "quiet", press: retryFailed }),
    running
      ? button("Stop", { kind: "quiet", press: stopUploads })
      : button("Close", { shows: null, glyph: "close", press: clearDone }),
  );
}

function draw() {
  const { queue, totals, running } = uploads();
  const card = byId("uploads");
  card.hidden = !queue.length;
  if (!queue.length) return;
  const done = counts("done", queue) + counts("failed", queue);
  const title = running
    ? `Adding ${done + 1 > queue.length ? queue.length : done + 1} of ${queue.length}`
    : summary(totals);
  const whole = el("progress", {
    class: "whole",
    max: queue.length,
    value: queue.reduce((sum, one) => sum + (one.state === "waiting" ? 0 : one.share), 0),
    aria: { label: "Progress of all" },
  });
  card.replaceChildren(
    head(title, running, totals),
    running ? whole : "",
    el(
      "ul",
      { class: "uploads-list", role: "list", tabIndex: 0, aria: { label: "Files" } },
      ...ordered(queue).map(row),
    ),
  );
  if (wasRunning && !running) say(`Done: ${summary(totals)}.`);
  wasRunning = running;
}

/** Pictures, or a folder with all that is in it. */
function offer() {
  const dialog = byId("help");
  const choose = (run) => () => (dialog.close(), run());
  dialog.replaceChildren(
    el("h2", { id: "help-title" }, "Add pictures"),
    el(
      "p",
      {},
      "Drop pictures or folders anywhere on the page, or choose them. Those that are there already are not added twice.",
    ),
    el(
      "div",
      { class: "ask-buttons" },
      button("Cancel", { press: () => dialog.close() }),
      button("A folder", { glyph: "folder", press: choose(chooseFolder) }),
      button("Pictures", { glyph: "upload", kind: "primary", press: choose(chooseFiles) }),
    ),
  );
  dialog.showModal();
}

export function startUploadsView() {
  onUploads(draw);
  onGallery(() => (byId("upload-button").hidden = !galleryNow()?.writable));
  byId("upload-button").addEventListener("click", offer);
}
