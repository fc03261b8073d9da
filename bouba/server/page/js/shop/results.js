// The products of an answer, or what stands in their place.

import { say } from "../announce.js";
import { posted, request } from "../api.js";
import { written } from "../dialogs.js";
import { button, byId, el } from "../dom.js";
import { icon } from "../icons.js";
import { change, current, on, search, searchMore } from "./ask.js";
import { card } from "./card.js";
import { openProduct } from "./product.js";

const EXAMPLES = ["red dress under 50", "shoes for men on sale", "something warm, not black"];
const TITLES = { away: "The server is away", slow: "That took too long", busy: "The server is busy", key: "A key is needed", forbidden: "Not allowed", missing: "It is not there", refused: "That cannot be asked", broken: "Something broke" };

const panel = (glyph, title, ...content) =>
  el("div", { class: "state-panel" }, el("span", { class: "state-glyph" }, icon(glyph)), el("h2", {}, title), ...content);

const put = (node) => byId("state").replaceChildren(...(node ? [node] : []));

function begin() {
  byId("results").setAttribute("aria-busy", "true");
  document.body.classList.add("searching");
  const there = byId("matches").children.length > 0;
  put(there ? null : el("div", { class: "skeleton", aria: { hidden: true } }, ...Array.from({ length: 10 }, () => el("i"))));
}

function end() {
  document.body.classList.remove("searching");
  byId("results").setAttribute("aria-busy", "false");
}

function show(answer, fresh = 0) {
  end();
  const { products, currency, found } = answer;
  const ranked = Boolean(answer.looked_for) || Boolean(current().picture);
  const count = !ranked || !found ? products.length : Math.min(answer.matches, products.length);
  const draw = (some) => some.map((one) => card(one, currency, openProduct));
  byId("matches").replaceChildren(...draw(products.slice(0, count)));
  byId("rest").replaceChildren(...draw(products.slice(count)));
  byId("rest-part").hidden = count >= products.length;
  byId("more").hidden = answer.complete;
  headline(answer, ranked, count);
  put(products.length ? null : nothing(answer));
  if (fresh) focusOn(products.length - fresh);
}

function headline({ found, total, complete, products }, ranked, count) {
  const some = ranked && found ? `${count}${complete || count < products.length ? "" : "+"}` : total.toLocaleString();
  const title = ranked && !found && products.length ? "The nearest products" : `${some} product${some === "1" ? "" : "s"}`;
  byId("count").textContent = products.length ? title : "No products";
  byId("sure").textContent = ranked && products.length ? `of ${total.toLocaleString()} that fit the filters` : "";
  say(byId("count").textContent);
}

/** The first product of those that came with "more". */
function focusOn(index) {
  const cards = [...document.querySelectorAll(".card-open")];
  cards[index]?.focus();
}

function nothing({ total, filters, chips }) {
  const asked = filters.length || chips.length || current().text;
  if (!asked && !total) return empty();
  const plain = button("Clear the filters", { glyph: "filter", kind: "primary", press: () => change({ filters: [] }) });
  const words = button("Search for the words as they are", { press: () => change({ exact: true, filters: [] }) });
  return panel(
    "search",
    "Nothing fits",
    el("p", {}, "No product has all of that, and letting go of filters did not help."),
    el("div", { class: "state-buttons" }, filters.length > 0 && plain, chips.length > 0 && words),
  );
}

function empty() {
  const ask = (text) => button(`“${text}”`, { kind: "pill", press: () => change({ text }) });
  return panel(
    "gallery",
    "No products here yet",
    el("p", {}, "Import a catalogue from a terminal:"),
    el("pre", { class: "command", tabIndex: 0, aria: { label: "Command" } }, el("code", {}, "bouba shop import products_export.csv --fetch")),
    el("p", {}, "Then ask in plain words:"),
    el("div", { class: "state-buttons" }, ...EXAMPLES.map(ask)),
  );
}

function problem(error) {
  end();
  for (const id of ["matches", "rest"]) byId(id).replaceChildren();
  byId("rest-part").hidden = byId("more").hidden = true;
  byId("count").textContent = "No answer";
  byId("sure").textContent = "";
  if (error.code === "ShopMissing" || error.code === "GalleryMissing") return put(empty());
  const key = button("Enter a key", { glyph: "key", kind: "primary", press: askForKey });
  const retry = button("Try again", { glyph: "retry", kind: "primary", press: search });
  const box = panel(
    error.kind === "key" ? "key" : "alert",
    TITLES[error.kind] ?? "Something broke",
    el("p", { class: "state-message" }, error.message),
    el("div", { class: "state-buttons" }, error.kind === "key" ? key : retry),
    error.requestId && el("p", { class: "quiet-text" }, `Request ${error.requestId}`),
  );
  box.setAttribute("role", "alert");
  put(box);
}

export const showProblem = problem;

async function askForKey() {
  const key = await written({
    title: "A key, please",
    text: "This shop answers those who have a key. It is given out by whoever runs the server: bouba keys new",
    label: "Key",
    type: "password",
    maxLength: 200,
    does: "Go on",
  });
  if (!key) return;
  try {
    await request("session", posted({ key }));
    location.reload();
  } catch (error) {
    problem(error);
  }
}

export function startResults() {
  on("begin", begin);
  on("answer", show);
  on("problem", problem);
  byId("more-button").addEventListener("click", searchMore);
}
