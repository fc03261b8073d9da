// Things dragged over the page: into the box to search with them, anywhere else to add them.

import { byId, el } from "./dom.js";
import { galleryName, galleryNow } from "./galleries.js";
import { icon } from "./icons.js";
import { dragged, filesOf, ITEM_TYPE, kindOf } from "./intake.js";
import { askLike, askWith } from "./media.js";
import { add } from "./upload.js";

let depth = 0; // enter and leave come for every element that is passed

const canAdd = (kind) => kind === "files" && Boolean(galleryNow()?.writable);

function show(kind) {
  const veil = byId("drop");
  veil.hidden = false;
  document.body.classList.add("dragging");
  veil.replaceChildren(
    ...(canAdd(kind)
      ? [
          el(
            "div",
            { class: "drop-card" },
            icon("upload"),
            el("strong", {}, `Drop here to add to ${galleryName()}`),
            el("span", {}, "or into the box above to search with it"),
          ),
        ]
      : []),
  );
}

function hide() {
  depth = 0;
  byId("drop").hidden = true;
  document.body.classList.remove("dragging");
  byId("box").classList.remove("over");
}

function over(event) {
  const kind = dragged(event);
  if (!kind || document.querySelector("dialog:modal")) return;
  event.preventDefault();
  const inBox = byId("box").contains(event.target);
  byId("box").classList.toggle("over", inBox);
  event.dataTransfer.dropEffect = inBox || canAdd(kind) ? "copy" : "none";
}

async function drop(event) {
  const kind = dragged(event);
  if (!kind || document.querySelector("dialog:modal")) return;
  event.preventDefault();
  const inBox = byId("box").contains(event.target);
  hide();
  if (kind === "item") {
    if (inBox) askLike([event.dataTransfer.getData(ITEM_TYPE)]);
    return;
  }
  const files = await filesOf(event.dataTransfer);
  const sound = files.length === 1 && kindOf(files[0]) === "sound";
  if (inBox || sound || !canAdd(kind)) files[0] && askWith(files[0]);
  else add(files);
}

export function startDrop() {
  addEventListener("dragenter", (event) => {
    const kind = dragged(event);
    if (kind && (depth += 1) === 1) show(kind);
  });
  addEventListener("dragleave", (event) => dragged(event) && (depth -= 1) <= 0 && hide());
  addEventListener("dragover", over);
  addEventListener("dragend", hide);
  addEventListener("drop", drop);
}
