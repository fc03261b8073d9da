// The buttons of the viewer.

import { button, el } from "./dom.js";
import { icon } from "./icons.js";
import { galleryNow } from "./galleries.js";
import { askWithItems } from "./media.js";
import { remove } from "./removal.js";
import { selected, toggle } from "./selection.js";
import { change, current, hasAim, isAsked, judge } from "./state.js";
import { nameOf } from "./tile.js";

function action(act, label, glyph, press, { pressed, kind = "" } = {}) {
  const aria = pressed === undefined ? {} : { pressed };
  return button(label, { glyph, kind: `act ${kind}`, press, title: label, data: { act }, aria });
}

export function actionsFor(item, { heated, explains, toggleHeat }) {
  const { like, unlike } = current();
  const liked = like.includes(item.id);
  const disliked = unlike.includes(item.id);
  return [
    explains && action("heat", "Why it matched", "heat", toggleHeat, { pressed: heated }),
    action("more", "More like this", "more", () => judge(item.id, true), { pressed: liked }),
    hasAim() && action("less", "Less like this", "less", () => judge(item.id, false), { pressed: disliked }),
    isAsked() && action("without", "Without this", "without", () => withoutItem(item.id)),
    action("search", "Search with it", "search", () => askWithItems([item.id])),
    action("select", "Select", "select", () => toggle(item.id), { pressed: selected.has(item.id) }),
    download(item),
    galleryNow()?.writable && action("delete", "Delete", "trash", () => removeShown(item.id), { kind: "careful" }),
  ].filter(Boolean);
}

function download(item) {
  return el(
    "a",
    { class: "button act", href: item.image, download: nameOf(item), title: "Download", data: { act: "download" } },
    icon("download"),
    el("span", {}, "Download"),
  );
}

function withoutItem(id) {
  const { without, like } = current();
  const others = without.filter((part) => part.id !== id);
  change({ without: [...others, { id }], like: like.filter((other) => other !== id), open: null });
}

async function removeShown(id) {
  if (await remove([id])) change({ open: null });
}
