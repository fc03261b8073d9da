// Short messages: seen as a toast, and read out by screen readers.

import { button, byId, el } from "./dom.js";

const SHOWN_MS = 6000;

/** For screen readers alone: what is seen anyway. */
export function say(text) {
  const region = byId("said");
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}

/** A message that goes by itself, with one thing to do about it. */
export function toast(text, { does = null, press = null, kind = "" } = {}) {
  const box = el("div", { class: `toast ${kind}` }, el("span", {}, text));
  let timer = 0;
  const close = () => {
    clearTimeout(timer);
    box.remove();
  };
  if (does) box.append(button(does, { kind: "quiet", press: () => (close(), press()) }));
  box.append(button("Dismiss", { shows: null, glyph: "close", kind: "quiet", press: close }));
  const wait = () => (timer = setTimeout(close, SHOWN_MS));
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("focusin", () => clearTimeout(timer));
  box.addEventListener("pointerleave", wait);
  byId("toasts").append(box);
  wait();
}
