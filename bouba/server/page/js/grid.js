// The pictures of an answer: laid out, added to while scrolling, and walked through with the arrow keys.

import { byId, settled, storage } from "./dom.js";
import { galleryNow } from "./galleries.js";
import { justified, neighbour } from "./layout.js";
import { answerNow, on, searchMore } from "./searcher.js";
import { press, selected, onSelection, startHolding, toggle } from "./selection.js";
import { change, current, hasAim, isAsked, judge, subscribe } from "./state.js";
import { mark, sharpen, tile } from "./tile.js";

const GAP = 6; // pixels between pictures
const lists = { matches: [], rest: [] }; // the hits of each grid, and their tiles
let boxes = { matches: [], rest: [] };
let restIsOpen = false;

const does = {
  press: (id, event) => press(id, event, shownIds()),
  open: (id) => change({ open: id }),
  select: (id) => toggle(id),
  more: (id) => judge(id, true),
  less: (id) => judge(id, false),
  explain: (id) => change({ open: id }, "heat"),
};

/** The ids that can be seen, in their order: what shift selects and the viewer pages through. */
export const shownIds = () => [...lists.matches, ...(restIsOpen ? lists.rest : [])].map(({ hit }) => hit.id);

const closest = 6; // shown at once where nothing matches

function split({ asked, found, hits, matches }) {
  const count = !asked ? hits.length : found ? matches : Math.min(closest, hits.length);
  return { matches: hits.slice(0, count), rest: hits.slice(count) };
}

/** Two hits with the same look the same. Galleries can hold the same picture, with other addresses. */
const sameness = (hit) => `${hit.thumbnail} ${hit.probability} ${hit.duplicates?.length}`;

/** Tiles that are there stay: a picture that was loaded is not loaded again, and focus is not lost. */
function fill(name, hits, before) {
  lists[name] = hits.map((hit) => before.get(sameness(hit)) ?? { hit, node: tile(hit, does) });
  const nodes = lists[name].map(({ node }) => node);
  const list = byId(name);
  const same = nodes.length >= list.children.length && [...list.children].every((child, i) => child === nodes[i]);
  if (same) list.append(...nodes.slice(list.children.length));
  else list.replaceChildren(...nodes);
}

function show(answer) {
  const before = new Map([...lists.matches, ...lists.rest].map((one) => [sameness(one.hit), one]));
  const parts = split(answer);
  for (const name of ["matches", "rest"]) fill(name, parts[name], before);
  drawLine(answer);
  lay();
  markAll();
  keepOneTabStop();
}

function drawLine({ found, asked, complete }) {
  const count = lists.rest.length;
  byId("line").hidden = !asked || !count;
  byId("rest-part").hidden = !restIsOpen || !count;
  const more = complete ? "" : "+";
  byId("line-button").setAttribute("aria-expanded", restIsOpen);
  const what = found ? "less likely" : "further away";
  byId("line-button").textContent = restIsOpen ? `Hide ${count}${more} ${what}` : `Show ${count}${more} ${what}`;
}

/** The height of a row that was chosen, and no more than lets two pictures stand beside each other on a phone. */
const rowHeight = (width) => Math.min(Number(byId("size").value), Math.max(110, width / 2.6));

function lay() {
  for (const name of ["matches", "rest"]) {
    const list = byId(name);
    const width = list.clientWidth;
    if (!width) continue;
    const laid = justified(
      lists[name].map(({ hit }) => hit.width / hit.height),
      { width, target: rowHeight(width), gap: GAP },
    );
    boxes[name] = laid.boxes;
    list.style.height = `${laid.height}px`;
    lists[name].forEach(({ node, hit }, index) => setBox(node, hit, laid.boxes[index]));
  }
}

function setBox(node, hit, { left, top, width, height }) {
  Object.assign(node.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  node.classList.toggle("narrow", width < 120);
  sharpen(node, hit, width);
}

function markAll() {
  const { like, unlike } = current();
  const canJudge = hasAim();
  const canExplain = isAsked() && Boolean(galleryNow()?.explains);
  for (const { hit, node } of [...lists.matches, ...lists.rest]) {
    const { id } = hit;
    mark(node, {
      selected: selected.has(id),
      liked: like.includes(id),
      disliked: unlike.includes(id),
      canJudge,
      canExplain,
    });
  }
}

/** Tab goes to one picture, the arrows go on from there. */
function keepOneTabStop(wanted = null) {
  const all = [...lists.matches, ...lists.rest];
  const stop = wanted ?? all.find(({ node }) => node.classList.contains("stop")) ?? all[0];
  for (const one of all) {
    const here = one === stop;
    one.node.classList.toggle("stop", here);
    for (const control of one.node.querySelectorAll("button")) control.tabIndex = here ? 0 : -1;
  }
}

const placeOf = (node) => {
  for (const name of ["matches", "rest"]) {
    const index = lists[name].findIndex((one) => one.node === node);
    if (index >= 0) return { name, index };
  }
  return null;
};

function step({ name, index }, key) {
  const last = lists[name].length - 1;
  const there = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last }[key];
  if (there !== undefined) return across(name, there);
  const to = neighbour(boxes[name], index, key === "ArrowDown" ? 1 : -1);
  return to === index ? across(name, key === "ArrowDown" ? last + 1 : -1) : lists[name][to];
}

/** From the matches into what is less likely, and back. */
function across(name, index) {
  if (name === "matches" && index >= lists.matches.length && restIsOpen) return lists.rest[0];
  if (name === "rest" && index < 0) return lists.matches.at(-1);
  return lists[name][index];
}

function walk(event) {
  const node = event.target.closest?.(".tile");
  if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
  if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
  event.preventDefault();
  const to = step(placeOf(node), event.key);
  if (to) focusOn(to);
}

function focusOn(one) {
  keepOneTabStop(one);
  one.node.querySelector(".open").focus();
}

/** The picture that the viewer showed last has the focus when it closes. */
export function focusItem(id) {
  const one = [...lists.matches, ...lists.rest].find(({ hit }) => hit.id === id);
  if (one) focusOn(one);
}

export const focusFirst = () => lists.matches[0] && focusOn(lists.matches[0]);

export const focusedId = () => document.activeElement?.closest?.(".tile")?.dataset.id ?? null;

function moreIsWanted() {
  const { asked, found, matches, hits, complete } = answerNow();
  if (complete) return false;
  return !asked || restIsOpen || (found && matches >= hits.length);
}

function startScrolling() {
  const watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && moreIsWanted() && searchMore(), {
    rootMargin: "1200px",
  });
  const again = () => (watcher.unobserve(byId("sentinel")), watcher.observe(byId("sentinel")));
  on("answer", again);
  on("more", again);
  byId("line-button").addEventListener("click", () => {
    restIsOpen = !restIsOpen;
    drawLine(answerNow());
    lay();
    again();
  });
}

export function startGrid() {
  subscribe((_, changed, origin) => {
    if (changed.has("text") || changed.has("gallery") || origin === "address") restIsOpen = false;
  });
  const size = byId("size");
  size.value = storage.read("size", 220);
  size.addEventListener("input", () => (storage.write("size", Number(size.value)), lay()));
  on("answer", show);
  on("more", show);
  onSelection(markAll);
  subscribe((_, changed) => (changed.has("like") || changed.has("unlike")) && markAll());
  new ResizeObserver(settled(lay, 60)).observe(byId("results"));
  byId("results").addEventListener("keydown", walk);
  byId("results").addEventListener("focusin", (event) => {
    const place = event.target.closest?.(".tile") && placeOf(event.target.closest(".tile"));
    if (place) keepOneTabStop(lists[place.name][place.index]);
  });
  for (const name of ["matches", "rest"]) startHolding(byId(name), (id) => toggle(id));
  startScrolling();
}
