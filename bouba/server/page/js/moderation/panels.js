// What stands in place of pictures: loading, nothing to do, and what went wrong.

import { toast } from "../announce.js";
import { posted, request } from "../api.js";
import { written } from "../dialogs.js";
import { button, byId, el } from "../dom.js";
import { icon } from "../icons.js";

const TITLES = {
  away: ["offline", "The server is away"],
  slow: ["clock", "That took too long"],
  busy: ["clock", "The server is busy"],
  key: ["key", "A key is needed"],
  forbidden: ["key", "Not allowed"],
  missing: ["alert", "It is not there"],
  refused: ["alert", "That cannot be done"],
  broken: ["alert", "Something broke"],
};

export function put(...nodes) {
  byId("view").replaceChildren(...nodes);
  byId("work").setAttribute("aria-busy", "false");
}

export function loading() {
  byId("work").setAttribute("aria-busy", "true");
  byId("view").replaceChildren(el("div", { class: "loading", aria: { hidden: true } }));
}

export function panel(glyph, title, ...content) {
  const head = [el("span", { class: "state-glyph" }, icon(glyph)), el("h2", {}, title)];
  return el("div", { class: "state-panel" }, ...head, ...content);
}

export function showProblem(error, again) {
  const [glyph, title] = TITLES[error.kind] ?? TITLES.broken;
  const press = error.kind === "key" ? () => enterKey(again) : again;
  const does = error.kind === "key" ? "Enter a key" : "Try again";
  const id = error.requestId && el("p", { class: "quiet-text" }, `Request ${error.requestId}`);
  const todo = el("div", { class: "state-buttons" }, button(does, { kind: "primary", press }));
  const box = panel(glyph, title, el("p", {}, error.message), todo, id);
  box.setAttribute("role", "alert");
  put(box);
}

async function enterKey(again) {
  const key = await written({
    title: "A key, please",
    text: "To review, it needs the scope write. It is given out by whoever runs the server: bouba keys new",
    label: "Key",
    type: "password",
    maxLength: 200,
    does: "Go on",
  });
  if (!key) return;
  try {
    await request("session", posted({ key }));
    await again();
  } catch (error) {
    toast(error.kind === "key" ? "The server does not know this key." : error.message, { kind: "bad" });
  }
}
