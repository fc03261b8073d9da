// Keys that work anywhere on the page, and the dialog that lists them all.

import { button, byId, el, typing } from "./dom.js";
import { closesOutside } from "./dialogs.js";
import { focusedId, focusFirst } from "./grid.js";
import { galleryNow } from "./galleries.js";
import { askWithItems } from "./media.js";
import { togglePanel } from "./panel.js";
import { toggleRecording } from "./recording.js";
import { remove } from "./removal.js";
import { clearSelection, selected, toggle } from "./selection.js";
import { change, hasAim, isAsked, judge } from "./state.js";

const KEYS = [
  ["/", "to the search box"],
  ["Enter", "search, or open a picture"],
  ["↓", "from the box to earlier searches"],
  ["← ↑ ↓ →", "from picture to picture"],
  ["m", "record a sound"],
  ["f", "filters"],
  ["u", "add pictures"],
  ["+  −", "more, less like this picture"],
  ["h", "why it matched (heat map)"],
  ["s", "search with this picture"],
  ["x", "select"],
  ["Delete", "delete the picture or the selection"],
  ["Esc", "close, clear the selection"],
  ["?", "this list"],
];

function showHelp() {
  const dialog = byId("help");
  const list = KEYS.flatMap(([key, what]) => [
    el("dt", {}, ...key.split(/\s+/).map((one) => el("kbd", {}, one))),
    el("dd", {}, what),
  ]);
  dialog.replaceChildren(
    el("h2", { id: "help-title" }, "Keyboard"),
    el("dl", { class: "keys" }, ...list),
    el("div", { class: "ask-buttons" }, button("Close", { kind: "primary", press: () => dialog.close() })),
  );
  dialog.showModal();
}

const onPage = {
  "/": () => (byId("text").focus(), byId("text").select()),
  "?": showHelp,
  f: togglePanel,
  m: () => byId("record").hidden || toggleRecording(),
  u: () => byId("upload-button").hidden || byId("upload-button").click(),
  Escape: () => clearSelection(),
};

const onPicture = {
  "+": (id) => judge(id, true),
  "-": (id) => hasAim() && judge(id, false),
  h: (id) => isAsked() && change({ open: id }, "heat"),
  s: (id) => askWithItems([id]),
  x: (id) => toggle(id),
  Delete: (id) => galleryNow()?.writable && remove(selected.size ? [...selected] : [id]),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
  if (typing(event.target)) return;
  const id = focusedId();
  const run = (id && onPicture[event.key]) || onPage[event.key];
  if (!run) return;
  event.preventDefault();
  run(id);
}

/** From the box down to the pictures, where no list of suggestions is open. */
function leaveBox(event) {
  if (event.key === "Escape" && !event.defaultPrevented) focusFirst();
}

export function startKeys() {
  addEventListener("keydown", press);
  byId("text").addEventListener("keydown", leaveBox);
  byId("help-button").addEventListener("click", showHelp);
  closesOutside(byId("help"));
  closesOutside(byId("ask"));
}
