// Asks the server whenever the question changes, drops answers that were overtaken, and fetches more on demand.

import { Problem, posted, request } from "./api.js";
import { galleryName } from "./galleries.js";
import { questionOf } from "./question.js";
import { ASKED, current, isAsked, subscribe, whereNow } from "./state.js";

const BATCHES = [24, 72, 200, 500]; // hits: few at once, more on scrolling; the last is the server's limit
const PAGE = 60; // items, where nothing is asked

const listeners = { begin: new Set(), answer: new Set(), more: new Set(), problem: new Set() };
let controller = new AbortController();
let shown = empty();

function empty() {
  return { asked: false, hits: [], matches: 0, found: true, total: 0, complete: true, batch: 0, loading: false };
}

/** What is shown: {asked, hits, matches, found, confidence, notes, heard, total, complete, took_ms}. */
export const answerNow = () => shown;

/** `event`: "begin", "answer" (another question's), "more" (added to the end), "problem" (a Problem). */
export const on = (event, run) => listeners[event].add(run);

function emit(event, given) {
  for (const run of listeners[event]) run(given);
}

/** Asks anew what is asked now. */
export async function search(origin = "page") {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  shown = { ...empty(), asked: isAsked(), loading: true };
  emit("begin", shown);
  try {
    const answer = await fetched(0, signal, origin);
    shown = { ...empty(), ...answer };
    emit("answer", shown);
  } catch (error) {
    fail(error, signal);
  }
}

/** The next hits, added to those that are there: what was seen stays where it is. */
export async function searchMore() {
  if (shown.loading || shown.complete) return;
  const { signal } = controller;
  shown.loading = true;
  try {
    const answer = await fetched(shown.batch + 1, signal, "more");
    const there = new Set(shown.hits.map((hit) => hit.id));
    const added = answer.hits.filter((hit) => !there.has(hit.id));
    shown = { ...shown, ...answer, hits: [...shown.hits, ...added], loading: false };
    emit("more", shown);
  } catch (error) {
    shown.loading = false;
    fail(error, signal);
  }
}

function fail(error, signal) {
  if (signal.aborted) return;
  if (!(error instanceof Problem)) throw error;
  emit("problem", error);
}

function fetched(batch, signal, origin) {
  return isAsked() ? hits(batch, signal, origin) : items(batch, signal);
}

async function hits(batch, signal, origin) {
  const k = BATCHES[batch];
  const { path, body, files } = asked(k, origin);
  const answer = await request(path, { gallery: galleryName(), signal, ...posted(body, files) });
  const complete = batch + 1 >= BATCHES.length || answer.hits.length < k - folded(answer.hits);
  return { asked: true, total: answer.hits.length, notes: [], ...answer, batch, complete };
}

const folded = (hits) => hits.reduce((sum, hit) => sum + (hit.duplicates?.length ?? 0), 0);

/** A judged hit is told to the server as such, once; the address of the same question is an ordinary search. */
function asked(k, origin) {
  const { like, unlike, exact, diverse, text, picture, sound, concept } = current();
  const rest = { k, where: whereNow() ?? undefined, exact: exact || undefined, diverse: diverse || undefined };
  if (origin !== "feedback" || !(text.trim() || picture || sound || concept)) {
    const { question, files } = questionOf();
    return { path: "search", body: { query: question, ...rest }, files };
  }
  const { question, files } = questionOf(current(), { examples: false });
  return { path: "feedback", body: { query: question, liked: like, disliked: unlike, ...rest }, files };
}

async function items(batch, signal) {
  const query = { limit: PAGE, offset: batch * PAGE, where: whereNow() };
  const answer = await request("items", { gallery: galleryName(), query, signal });
  const complete = (batch + 1) * PAGE >= answer.total;
  return {
    asked: false,
    found: true,
    matches: answer.items.length,
    hits: answer.items,
    total: answer.total,
    notes: [],
    batch,
    complete,
  };
}

/** Items that were deleted, off the page at once. */
export function forget(ids) {
  const gone = new Set(ids);
  const matches = shown.hits.slice(0, shown.matches).filter((hit) => !gone.has(hit.id)).length;
  const hits = shown.hits.filter((hit) => !gone.has(hit.id));
  shown = { ...shown, hits, matches, total: shown.total - (shown.hits.length - hits.length) };
  emit("answer", shown);
}

export function startSearcher() {
  subscribe((_, changed, origin) => {
    if (ASKED.some((name) => changed.has(name))) search(origin);
  });
}
