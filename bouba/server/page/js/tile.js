// One picture in the grid.

import { button, el } from "./dom.js";
import { ITEM_TYPE } from "./intake.js";

const SHOWN_BY_BROWSERS = new Set(["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"]);
const SMALL_BYTES = 400_000; // an original of which more would be spent on a sharper grid is left to the viewer

/** The file's name without its folders. */
export const nameOf = (item) => item.path.split(/[/\\]/).pop() || `picture ${item.id.slice(0, 8)}`;

/** Nothing is certain, and little is impossible: no figure is rounded to either. */
export function percent(share) {
  if (share > 0.995) return "> 99 %";
  if (share < 0.005) return "< 1 %";
  return `${Math.round(share * 100)} %`;
}

export const canBeShown = (item) => SHOWN_BY_BROWSERS.has(item.media_type);

/** A list item. `does` has what its buttons do, each with the id: press, open, select, more, less, explain. */
export function tile(hit, does) {
  const node = el(
    "li",
    { class: "tile", data: { id: hit.id } },
    opener(hit, does),
    badges(hit),
    copies(hit, does),
    tools(hit, does),
  );
  node.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData(ITEM_TYPE, hit.id);
    event.dataTransfer.effectAllowed = "copy";
  });
  return node;
}

function opener(hit, does) {
  const chance = hit.probability === undefined ? "" : `, ${percent(hit.probability)} likely`;
  const copies = hit.duplicates?.length
    ? `, and ${hit.duplicates.length} near-duplicate${hit.duplicates.length > 1 ? "s" : ""}`
    : "";
  return el(
    "button",
    {
      type: "button",
      class: "open",
      tabIndex: -1,
      draggable: true,
      title: nameOf(hit),
      aria: { label: `${nameOf(hit)}${chance}${copies}` },
      on: { click: (event) => does.press(hit.id, event) },
    },
    picture(hit),
  );
}

function picture(hit) {
  const image = el("img", {
    loading: "lazy",
    decoding: "async",
    alt: "",
    draggable: false,
    width: hit.width,
    height: hit.height,
  });
  image.addEventListener("load", () => image.classList.add("there"), { once: true });
  image.addEventListener("error", () => image.closest(".tile")?.classList.add("gone"), { once: true });
  image.src = hit.thumbnail;
  return image;
}

/** The thumbnail has 256 px; on a large tile a small original is sharper. To be called when its size is known. */
export function sharpen(node, hit, width) {
  const image = node.querySelector("img");
  if (image.srcset || hit.bytes > SMALL_BYTES || !canBeShown(hit)) return;
  const thumbnail = Math.round(256 * Math.min(1, hit.width / hit.height));
  image.sizes = `${width}px`;
  image.srcset = `${hit.thumbnail} ${thumbnail}w, ${hit.image} ${hit.width}w`;
}

/** What the model knows: a bar and a figure where there is a probability, nothing where there is none. */
function badges(hit) {
  const chance = hit.probability;
  return el("div", { class: "badges", aria: { hidden: true } }, chance !== undefined && meter(chance));
}

/** How many near-duplicates are folded under it; the viewer shows them. */
function copies(hit, does) {
  const count = hit.duplicates?.length;
  if (!count) return null;
  const label = `${count} near-duplicate${count > 1 ? "s" : ""} of ${nameOf(hit)}`;
  return button(label, {
    shows: `+${count}`,
    glyph: "copies",
    class: "copies-badge",
    tabIndex: -1,
    title: label,
    press: () => does.open(hit.id),
  });
}

export function meter(chance, label = percent(chance)) {
  const fill = el("i");
  fill.style.inlineSize = `${Math.max(3, chance * 100)}%`;
  return el("span", { class: "chance" }, el("span", { class: "chance-bar" }, fill), label);
}

function tools(hit, does) {
  const name = nameOf(hit);
  const tool = (act, label, glyph) =>
    button(`${label}: ${name}`, {
      shows: null,
      glyph,
      kind: "tile-tool",
      class: act,
      tabIndex: -1,
      title: label,
      press: () => does[act](hit.id),
      data: { act },
      aria: { pressed: false },
    });
  const why = button(`Why it matched: ${name}`, {
    shows: null,
    glyph: "heat",
    kind: "tile-tool",
    class: "explain",
    tabIndex: -1,
    title: "Why it matched",
    press: () => does.explain(hit.id),
  });
  return el(
    "div",
    { class: "tile-tools" },
    tool("select", "Select", "check"),
    el(
      "div",
      { class: "tile-judge" },
      why,
      tool("less", "Less like this", "less"),
      tool("more", "More like this", "more"),
    ),
  );
}

/** Which of its buttons are pressed and which make sense. */
export function mark(node, { selected, liked, disliked, canJudge, canExplain }) {
  node.classList.toggle("selected", selected);
  node.classList.toggle("liked", liked);
  node.classList.toggle("disliked", disliked);
  const pressed = { select: selected, more: liked, less: disliked };
  for (const tool of node.querySelectorAll("[data-act]")) tool.setAttribute("aria-pressed", pressed[tool.dataset.act]);
  node.querySelector('[data-act="less"]').hidden = !canJudge;
  node.querySelector(".explain").hidden = !canExplain;
}
