// Elements are made here and nowhere with markup in strings: what a gallery says is text, never HTML.

import { icon } from "./icons.js";

/** An element: properties as they are, `class`, `data` and `aria` by name, `on` for events; children or text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === "class") node.className = value;
  else if (name === "data") Object.assign(node.dataset, value);
  else if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
  else if (name === "aria") for (const [key, is] of Object.entries(value)) node.setAttribute(`aria-${key}`, is);
  else if (name === "role" || name === "for" || name === "list") node.setAttribute(name, value);
  else node[name] = value;
}

/** A button with an icon, a text, or both; the label is what a screen reader says. */
export function button(label, { shows = label, glyph = null, kind = "", press, title = null, ...rest } = {}) {
  const { class: extra = "", ...more } = rest;
  return el(
    "button",
    {
      type: "button",
      class: `button ${kind} ${shows ? "" : "icon-only"} ${extra}`.replace(/\s+/g, " ").trim(),
      title: title ?? (shows ? null : label),
      on: press ? { click: press } : {},
      ...more,
      aria: { ...(shows === label ? {} : { label }), ...more.aria },
    },
    glyph ? icon(glyph) : null,
    shows ? el("span", {}, shows) : null,
  );
}

export const byId = (id) => document.getElementById(id);

/** Whether somebody is typing, so that a letter is no shortcut. */
export function typing(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input:not([type=checkbox]):not([type=range]), textarea, select"))
  );
}

/** `run` once it has not been called for `ms`. */
export function settled(run, ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(run, ms, ...given);
  };
}

export const storage = {
  read(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`bouba.${key}`)) ?? otherwise;
    } catch {
      return otherwise; // no storage in this browser, or something else wrote there
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(`bouba.${key}`, JSON.stringify(value));
    } catch {
      // full or forbidden: it is forgotten with the page, and nothing breaks
    }
  },
};
