// One product, large: its pictures and variants, what looks like it, and what goes with it.

import { toast } from "../announce.js";
import { request } from "../api.js";
import { closesOutside } from "../dialogs.js";
import { button, byId, el } from "../dom.js";
import { icon } from "../icons.js";
import { answerNow, current } from "./ask.js";
import { card } from "./card.js";
import { money, range } from "./money.js";

let shown = null; // its id: what comes late for another one is left out

export async function openProduct(id) {
  const { gallery } = current();
  shown = id;
  try {
    const product = await request(`shop/products/${id.split("/").map(encodeURIComponent).join("/")}`, { gallery });
    if (shown === id) draw(product);
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return;
  }
  row("similar", id, "similar");
  row("goes-with", id, "goes-with");
}

function draw(product) {
  const currency = answerNow()?.currency ?? "";
  const dialog = byId("product");
  const similar = relatedRow("similar", "Similar");
  const goesWith = relatedRow("goes-with", "Goes with", "Of other kinds, for the same people, in a colour that fits.");
  dialog.replaceChildren(
    el("div", { class: "dialog-head" }, el("h2", { id: "product-title" }, product.title), closer(dialog)),
    el("div", { class: "product-body" }, pictures(product), facts(product, currency)),
    similar,
    goesWith,
  );
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  dialog.querySelector(".dialog-head .button").focus();
}

export const closer = (dialog) => button("Close", { shows: null, glyph: "close", press: () => dialog.close() });

function pictures({ pictures: all, title }) {
  if (!all.length) return el("div", { class: "product-large" }, icon("picture"));
  const large = el("img", { src: all[0].image, alt: title });
  large.addEventListener("error", () => large.src.endsWith(all[0].thumbnail) || (large.src = all[0].thumbnail), { once: true });
  const small = all.map((one, n) => smallPicture(one, n, large));
  return el("div", {}, el("div", { class: "product-large" }, large), all.length > 1 && el("div", { class: "product-small" }, ...small));
}

function smallPicture({ thumbnail, image }, number, large) {
  const press = (event) => {
    large.src = image;
    for (const other of event.currentTarget.parentNode.children) other.setAttribute("aria-pressed", other === event.currentTarget);
  };
  const label = `Picture ${number + 1}`;
  return el("button", { type: "button", aria: { label, pressed: number === 0 }, on: { click: press } }, el("img", { src: thumbnail, alt: "" }));
}

function facts(product, currency) {
  const path = [product.brand, ...product.category].filter(Boolean).join(" › ");
  const safe = /^https?:/i.test(product.link);
  return el(
    "div",
    { class: "product-facts" },
    el("p", { class: "product-path" }, path),
    product.price && el("p", { class: "product-price" }, range(product.price, currency)),
    variantTable(product, currency),
    product.description && el("p", { class: "product-text", tabIndex: 0 }, product.description),
    el("p", { class: "quiet-text" }, `No. ${product.id}`),
    safe && el("a", { class: "button", href: product.link, rel: "noopener noreferrer", target: "_blank" }, "To the product's page"),
  );
}

function variantTable({ variants }, currency) {
  const names = [...new Set(variants.flatMap(({ options }) => Object.keys(options)))];
  const stock = ({ available, stock }) => (!available ? "Sold out" : stock === null ? "In stock" : `${stock} in stock`);
  const line = (one) =>
    el(
      "tr",
      { class: one.fits ? "fits" : "" },
      ...names.map((name) => el("td", {}, one.options[name] ?? "")),
      el("td", {}, money(one.price, currency), one.was ? el("s", { class: "quiet-text" }, ` ${money(one.was, currency)}`) : null),
      el("td", {}, stock(one)),
    );
  const head = [...names, "Price", "Stock"].map((name) => el("th", {}, name.replace(/^./, (c) => c.toUpperCase())));
  return el("div", { class: "table-wrap" }, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...variants.map(line))));
}

const relatedRow = (id, title, about = null) =>
  el("section", { class: "product-row", id: `row-${id}`, hidden: true, aria: { labelledby: `title-${id}` } }, el("h3", { id: `title-${id}` }, title), about && el("p", {}, about), el("ul", { class: "shelf", role: "list" }));

async function row(route, id, name) {
  try {
    const { products } = await request(`shop/${route}`, { gallery: current().gallery, query: { product: id, limit: 12 } });
    const place = byId(`row-${name}`);
    if (shown !== id || !place) return;
    place.hidden = !products.length;
    place.querySelector("ul").replaceChildren(...products.map((one) => card(one, answerNow()?.currency ?? "", openProduct)));
  } catch (error) {
    toast(error.message, { kind: "bad" });
  }
}

export function startProduct() {
  closesOutside(byId("product"));
  byId("product").addEventListener("close", () => {
    const id = shown;
    shown = null;
    document.querySelector(`.cards .card[data-id="${CSS.escape(id ?? "")}"] .card-open`)?.focus();
  });
}
