// What stands in place of pictures: nothing yet, nothing found, an empty gallery, or what went wrong.

import { Problem } from "./api.js";
import { button, byId, el } from "./dom.js";
import { galleryNow, loadGalleries } from "./galleries.js";
import { command, placard, problemPlacard } from "./placard.js";
import { askForKey } from "./session.js";
import { on, search } from "./searcher.js";
import { change, current, isAsked } from "./state.js";
import { chooseFiles, chooseFolder } from "./upload.js";

const TRIES = 3; // by itself, where the server is busy
const EXAMPLES = ["a dog running on a beach", "a red car at night", "people at a table without wine"];
let tries = 0;
let timer = 0;

/** Nothing, or one panel in place of the pictures. */
function put(node) {
  clearInterval(timer);
  byId("state").replaceChildren(...(node ? [node] : []));
}

function skeleton({ asked }) {
  const tiles = [1.5, 1, 1.33, 0.75, 1.6, 1.2, 1, 1.5, 0.8, 1.4, 1.33, 1].map((ratio) => {
    const tile = el("i");
    tile.style.setProperty("--ratio", ratio);
    return tile;
  });
  const there = byId("matches").children.length > 0;
  document.body.classList.toggle("searching", there);
  put(there && asked !== undefined ? null : el("div", { class: "skeleton", aria: { hidden: true } }, ...tiles));
}

function emptyGallery() {
  const ask = (text) => button(`“${text}”`, { kind: "pill", press: () => change({ text }) });
  const name = galleryNow()?.name ?? "";
  const writable = galleryNow()?.writable;
  return placard(
    "gallery",
    "No pictures here yet",
    el(
      "p",
      {},
      writable
        ? "Drop pictures or a whole folder anywhere on this page. They are looked at once, and then found by what they show: no names, no tags."
        : "This gallery is read-only here. Pictures are added with the command.",
    ),
    writable &&
      el(
        "div",
        { class: "state-buttons" },
        button("Choose pictures", { glyph: "upload", kind: "primary", press: chooseFiles }),
        button("Choose a folder", { glyph: "folder", press: chooseFolder }),
      ),
    el("p", {}, "Or from a terminal:"),
    command(`bouba add ~/Pictures --gallery ${name || "PLACE"}`),
    el("p", {}, "Then ask for what you remember of a picture:"),
    el("div", { class: "state-buttons" }, ...EXAMPLES.map(ask)),
  );
}

function nothingFound() {
  const filtered = Object.keys(current().filters).length > 0;
  const clear = button("Clear the filters", { glyph: "filter", kind: "primary", press: () => change({ filters: {} }) });
  return placard(
    "search",
    "Nothing found",
    el("p", {}, filtered ? "No picture fits the filters." : "There is no picture to compare with."),
    filtered && el("div", { class: "state-buttons" }, clear),
  );
}

function show(answer) {
  tries = 0;
  document.body.classList.remove("searching");
  if (answer.hits.length) put(null);
  else if (galleryNow() && !galleryNow().items && !Object.keys(current().filters).length) put(emptyGallery());
  else put(nothingFound());
  document.body.classList.toggle("no-pictures", !answer.hits.length);
}

function problem(error) {
  document.body.classList.remove("searching");
  document.body.classList.add("no-pictures");
  byId("count").textContent = isAsked() ? "No answer" : "Pictures";
  const box = problemPlacard(error, { again, enter: askForKey });
  put(box);
  if (error.kind === "busy" && tries < TRIES) countDown(error.retryAfter ?? 2, box.querySelector("button"));
  if (error.kind === "key") askForKey();
}

/** Also after a start at which nobody answered. */
async function again() {
  try {
    if (!galleryNow()) await loadGalleries();
    await search();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem(error);
  }
}

/** Asks again by itself when the server said that it may be asked. */
function countDown(seconds, retry) {
  tries += 1;
  let left = seconds;
  const text = retry.querySelector("span");
  const tick = () => {
    text.textContent = `Trying again in ${left} s`;
    if (left-- > 0) return;
    clearInterval(timer);
    again();
  };
  tick();
  timer = setInterval(tick, 1000);
}

export function startStates() {
  on("begin", skeleton);
  on("answer", show);
  on("problem", problem);
  addEventListener("online", () => byId("state").querySelector("[role=alert]") && again());
}

export const showProblem = problem;
