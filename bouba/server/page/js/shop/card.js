// One product in a list.

import { el } from "../dom.js";
import { icon } from "../icons.js";
import { money, range } from "./money.js";

/** A list item; `open(id)` when it is pressed. */
export function card(product, currency, open) {
  const shown = product.pictures[0] ?? null;
  const node = el(
    "li",
    { class: `card ${product.in_stock ? "" : "sold-out"}`, data: { id: product.id } },
    el(
      "button",
      { type: "button", class: "card-open", on: { click: () => open(product.id) } },
      el("span", { class: `card-picture ${shown ? "" : "none"}` }, shown ? picture(shown) : icon("picture"), badge(product)),
      product.brand && el("span", { class: "card-brand" }, product.brand),
      el("span", { class: "card-title" }, product.title),
      price(product, currency),
      variants(product),
    ),
  );
  return node;
}

function picture({ thumbnail }) {
  const image = el("img", { loading: "lazy", decoding: "async", alt: "" });
  image.addEventListener("error", () => image.replaceWith(icon("picture")), { once: true });
  image.src = thumbnail;
  return image;
}

function badge({ in_stock, variants }) {
  const off = Math.max(0, ...variants.map(({ price, was }) => (was ? Math.round(100 * (1 - price / was)) : 0)));
  const says = !in_stock ? "Sold out" : off ? `−${off} %` : null;
  return says && el("span", { class: "badge" }, says);
}

/** Of the variant that matched, where all cost the same or it alone fits; else from the cheapest on. */
function price({ price: whole, variants }, currency) {
  if (!whole) return null;
  const [first] = variants;
  if (whole.min === whole.max && first.was) {
    return el("span", { class: "card-price" }, el("span", { class: "reduced" }, money(first.price, currency)), el("s", {}, money(first.was, currency)));
  }
  return el("span", { class: "card-price" }, range(whole, currency));
}

/** What can be chosen: "3 variants: red, blue, green". */
function variants({ variants: all }) {
  if (all.length < 2) return null;
  const colours = [...new Set(all.map(({ options }) => options.colour).filter(Boolean))];
  const sizes = [...new Set(all.map(({ options }) => options.size).filter(Boolean))];
  const told = [...(colours.length > 1 ? colours : []), ...(colours.length > 1 ? [] : sizes)].slice(0, 4).join(", ");
  return el("span", { class: "card-more" }, `${all.length} variants${told ? `: ${told}` : ""}`);
}
