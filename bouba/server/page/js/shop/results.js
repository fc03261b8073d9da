// The products of an answer, or what stands in their place.

import { say } from "../announce.js";
import { button, byId, el } from "../dom.js";
import { command, placard, problemPlacard } from "../placard.js";
import { signIn } from "../sign-in.js";
import { change, current, on, search, searchMore } from "./ask.js";
import { card } from "./card.js";
import { openProduct } from "./product.js";

const EXAMPLES = ["red dress under 50", "shoes for men on sale", "something warm, not black"];
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
  return placard(
    "search",
    "Nothing fits",
    el("p", {}, "No product has all of that, and letting go of filters did not help."),
    el("div", { class: "state-buttons" }, filters.length > 0 && plain, chips.length > 0 && words),
  );
}

function empty() {
  const ask = (text) => button(`“${text}”`, { kind: "pill", press: () => change({ text }) });
  return placard(
    "gallery",
    "No products here yet",
    el("p", {}, "Import a catalogue from a terminal:"),
    command("bouba shop import products_export.csv --fetch"),
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
  put(problemPlacard(error, { again: search, enter: () => signIn(() => location.reload()) }));
}

export const showProblem = problem;

export function startResults() {
  on("begin", begin);
  on("answer", show);
  on("problem", problem);
  byId("more-button").addEventListener("click", searchMore);
}
