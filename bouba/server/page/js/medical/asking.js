// The question: words or a report, a scan, and filters. It stands in the address, but for the scan.

import { say } from "../announce.js";
import { posted, Problem, request } from "../api.js";
import { button, byId, el, settled } from "../dom.js";
import { archive } from "./state.js";
import { showNone, showNothing, showProblem, showStart, showWaiting } from "./states.js";
import { showAnswer, showNotes } from "./studies.js";

const SHOWN = 24; // studies
let scan = null; // a file
let asking = null; // what aborts the question that is under way

const filters = () =>
  Object.fromEntries([...new FormData(byId("only"))].filter(([, value]) => value !== ""));

function body() {
  const { youngest, oldest, ...rest } = filters();
  const only = { ...rest };
  if (youngest) only.youngest = Number(youngest);
  if (oldest) only.oldest = Number(oldest);
  const text = byId("text").value.trim();
  return { k: SHOWN, only, ...(text && { text }), ...(scan && { image: { part: "scan" } }) };
}

function keepAddress() {
  const entries = { gallery: archive.gallery?.name, q: byId("text").value.trim().slice(0, 500), ...filters() };
  const query = new URLSearchParams(Object.entries(entries).filter(([, value]) => value));
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
}

/** Asks what stands in the box, or shows how to begin. */
export async function ask() {
  asking?.abort();
  const mine = (asking = new AbortController());
  keepAddress();
  draw();
  const question = body();
  if (!question.text && !question.image) return begin();
  byId("results").setAttribute("aria-busy", true);
  showWaiting();
  try {
    const sent = posted(question, scan ? { scan } : {});
    const answer = await request("medical/search", { gallery: archive.gallery?.name, signal: mine.signal, ...sent });
    if (mine !== asking) return;
    showAnswer(answer);
    if (answer.hits.length || answer.ruled_out.length) showNothing();
    else showNone();
    say(`${answer.hits.length} studies`);
  } catch (error) {
    if (mine !== asking || error.name === "AbortError") return;
    if (!(error instanceof Problem)) throw error;
    showAnswer({ hits: [], ruled_out: [], notes: [] });
    showProblem(error, ask);
  }
  byId("results").setAttribute("aria-busy", false);
}

function begin() {
  showAnswer({ hits: [], ruled_out: [], notes: [] });
  byId("count").textContent = "Studies";
  if (archive.facts) showStart(archive.facts, askFor);
  byId("results").setAttribute("aria-busy", false);
}

function askFor(text) {
  byId("text").value = text;
  fit();
  ask();
}

function draw() {
  byId("clear").hidden = !byId("text").value && !scan;
  byId("reset").hidden = !Object.keys(filters()).length;
  byId("chips").hidden = !scan;
  byId("chips").replaceChildren(...(scan ? [chip(scan)] : []));
}

function chip(file) {
  const remove = button(`Without ${file.name}`, { shows: null, glyph: "close", class: "chip-close", press: () => setScan(null) });
  return el("span", { class: "chip picture" }, el("span", { class: "chip-text" }, file.name), remove);
}

function setScan(file) {
  scan = file;
  ask();
}

/** As high as what is written in it. */
function fit() {
  const text = byId("text");
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 160)}px`;
}

function fromAddress() {
  const given = new URLSearchParams(location.search);
  byId("text").value = given.get("q") ?? "";
  for (const field of byId("only").elements) {
    const value = field.name && given.get(field.name);
    if (!value) continue;
    if (field.tagName === "SELECT") field.append(el("option", { value }, value)); // until the real ones are there
    field.value = value;
  }
  fit();
}

export function startAsking() {
  fromAddress();
  byId("ask-form").addEventListener("submit", (event) => (event.preventDefault(), ask()));
  byId("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    ask();
  });
  byId("text").addEventListener("input", () => (fit(), draw()));
  byId("clear").addEventListener("click", () => {
    scan = null;
    askFor("");
    byId("text").focus();
  });
  byId("pick-scan").addEventListener("click", () => byId("scan-file").click());
  byId("scan-file").addEventListener("change", ({ target }) => {
    if (target.files[0]) setScan(target.files[0]);
    target.value = "";
  });
  byId("only").addEventListener("submit", (event) => event.preventDefault());
  byId("only").addEventListener("input", settled(ask, 300));
  byId("only").addEventListener("reset", () => setTimeout(ask)); // once the fields are empty
  addEventListener("keydown", ({ key, target }) => {
    if (key !== "/" || target.matches("input, textarea, select")) return;
    setTimeout(() => byId("text").focus());
  });
  showNotes([]);
}
