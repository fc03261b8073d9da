// What is asked, in one place; the address holds what fits into it. Whoever draws it subscribes.

import { posted, request } from "../api.js";

const PAGE = 24;

let now = { gallery: null, text: "", filters: [], exact: false, picture: null };
let answer = null;
let running = null;
const listeners = { begin: new Set(), answer: new Set(), problem: new Set(), ask: new Set() };

export const current = () => now;
export const answerNow = () => answer;
export const on = (event, run) => listeners[event].add(run);
const tell = (event, ...given) => listeners[event].forEach((run) => run(...given));

/** Takes over what differs, writes the address, and asks. A sentence that was changed is read anew. */
export function change(parts, { address = true } = {}) {
  const text = parts.text !== undefined && parts.text !== now.text ? { exact: false } : {};
  now = { ...now, ...text, ...parts };
  if (address) history.pushState(null, "", addressOf(now));
  tell("ask", now);
  return search();
}

/** The filter of a field, in place of those that it has. */
export const setFilter = (field, filter) =>
  change({ filters: [...now.filters.filter((one) => one.field !== field), ...(filter ? [filter] : [])] });

export const filterOf = (field) => now.filters.find((one) => one.field === field) ?? null;

function addressOf({ gallery, text, filters, exact }) {
  const query = new URLSearchParams();
  if (gallery) query.set("gallery", gallery);
  if (text) query.set("q", text);
  if (exact) query.set("exact", "1");
  for (const one of filters) query.append("f", JSON.stringify(one));
  return `?${query}`;
}

/** What an address asks; what is no filter in it is left out. */
export function fromAddress() {
  const query = new URLSearchParams(location.search);
  const filters = query.getAll("f").flatMap((text) => {
    try {
      return [JSON.parse(text)];
    } catch {
      return [];
    }
  });
  return {
    gallery: query.get("gallery") ?? now.gallery,
    text: query.get("q") ?? "",
    exact: query.has("exact"),
    filters,
    picture: null,
  };
}

export async function search() {
  running?.abort();
  running = new AbortController();
  tell("begin");
  try {
    answer = await ask(0, running.signal);
    tell("answer", answer);
  } catch (error) {
    if (error.name !== "AbortError") tell("problem", error);
  }
}

/** The next page, behind those that are shown. */
export async function searchMore() {
  try {
    const more = await ask(answer.products.length, running.signal);
    const known = new Set(answer.products.map(({ id }) => id));
    const fresh = more.products.filter(({ id }) => !known.has(id));
    answer = { ...answer, complete: more.complete || !fresh.length, products: [...answer.products, ...fresh] };
    answer.matches = Math.max(answer.matches, more.matches);
    tell("answer", answer, fresh.length);
  } catch (error) {
    if (error.name !== "AbortError") tell("problem", error);
  }
}

async function ask(offset, signal) {
  const { gallery, text, filters, exact, picture } = now;
  const body = { text, filters, exact, limit: PAGE, offset, facets: offset === 0 };
  const files = picture ? { picture: picture.blob } : {};
  const question = picture ? { ...body, image: { part: "picture" } } : body;
  const found = await request("shop/search", { gallery, signal, ...posted(question, files) });
  const complete = found.products.length < PAGE || offset + PAGE > 1000;
  return offset ? { ...answer, ...found, facets: answer.facets, complete } : { ...found, complete };
}
