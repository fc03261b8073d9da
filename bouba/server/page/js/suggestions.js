// Under the box: earlier searches and concepts, as the list of a combobox.

import { stateOf } from "./address.js";
import { conceptNames, onConcepts } from "./concepts.js";
import { byId, el } from "./dom.js";
import { galleryNow } from "./galleries.js";
import { earlier, forgetAll } from "./history.js";
import { icon } from "./icons.js";
import { change, replaceAll } from "./state.js";

const MOST = 8;
let at = -1; // of the option that Enter takes; -1 is the text as written
let wanted = false; // the list, as long as nobody closed it; there may be nothing to offer yet

const options = () => [...byId("suggestions").children];

function offered(typed) {
  const fits = (name) => name.toLowerCase().includes(typed.toLowerCase());
  const concepts = conceptNames()
    .filter(fits)
    .map((name) => ({ name, glyph: "bookmark", take: () => takeConcept(name) }));
  const before = earlier().filter(({ name }) => fits(name) && name !== typed);
  return [...concepts, ...before.map((one) => ({ ...one, glyph: "clock", take: () => takeEarlier(one) }))].slice(
    0,
    MOST,
  );
}

function takeConcept(name) {
  byId("text").value = "";
  change({ concept: name, text: "", open: null });
}

function takeEarlier({ address }) {
  replaceAll(stateOf(address), "page");
}

function option({ name, glyph, filtered, take }, index) {
  const hint = filtered ? el("small", {}, `${filtered} filter${filtered > 1 ? "s" : ""}`) : null;
  const press = (event) => (event.preventDefault(), close(), take());
  return el(
    "li",
    {
      id: `suggestion-${index}`,
      role: "option",
      aria: { selected: false },
      on: { pointerdown: (event) => event.preventDefault(), click: press },
    },
    icon(glyph),
    el("span", {}, name),
    hint,
  );
}

function open() {
  const found = galleryNow() ? offered(byId("text").value.trim()) : [];
  wanted = true;
  if (!found.length) return hide();
  byId("suggestions").replaceChildren(...found.map(option));
  byId("suggestions-panel").hidden = false;
  byId("text").setAttribute("aria-expanded", "true");
  choose(-1);
}

export function close() {
  wanted = false;
  hide();
}

function hide() {
  byId("suggestions-panel").hidden = true;
  byId("text").setAttribute("aria-expanded", "false");
  byId("text").removeAttribute("aria-activedescendant");
  at = -1;
}

const isOpen = () => !byId("suggestions-panel").hidden;

function choose(index) {
  at = index;
  options().forEach((node, i) => node.setAttribute("aria-selected", i === at));
  const node = options()[at];
  if (node) byId("text").setAttribute("aria-activedescendant", node.id);
  else byId("text").removeAttribute("aria-activedescendant");
  node?.scrollIntoView({ block: "nearest" });
}

/** Whether the key was for the list. */
function keys(event) {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!isOpen()) return open();
    const count = options().length + 1; // the text as written is one of them
    choose(((at + 1 + (event.key === "ArrowDown" ? 1 : -1) + count) % count) - 1);
  } else if (event.key === "Escape" && isOpen()) {
    event.stopPropagation();
    close();
  } else if (event.key === "Enter" && options()[at]) {
    event.preventDefault();
    options()[at].click();
  }
}

export function startSuggestions() {
  const text = byId("text");
  text.addEventListener("focus", open);
  text.addEventListener("click", open);
  text.addEventListener("input", open);
  text.addEventListener("keydown", keys);
  onConcepts(() => wanted && open());
  byId("box").addEventListener("focusout", ({ relatedTarget }) => {
    if (!byId("box").contains(relatedTarget)) close();
  });
  byId("clear-history").addEventListener("click", () => {
    forgetAll();
    close();
    text.focus();
    close();
  });
}
