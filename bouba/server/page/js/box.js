// The one box: words are written into it, pictures and sounds are dropped, pasted or chosen.

import { byId } from "./dom.js";
import { galleryNow, onGallery } from "./galleries.js";
import { kindOf } from "./intake.js";
import { askWith } from "./media.js";
import { search } from "./searcher.js";
import { askAnew, change, clearQuestion, current, isAsked, subscribe } from "./state.js";
import { close as closeSuggestions } from "./suggestions.js";

/** Enter asks, and asks again where the words are the same. */
function submit(event) {
  event.preventDefault();
  closeSuggestions();
  const text = byId("text").value;
  if (text.trim() === current().text.trim()) search();
  else change({ text, exact: false, open: null });
}

function show(state, changed) {
  if (changed.has("text")) byId("text").value = state.text;
  showClear();
}

function showClear() {
  byId("clear").hidden = !byId("text").value && !isAsked();
}

/** A picture or a sound from the clipboard, wherever the cursor is; text goes where it always goes. */
function paste(event) {
  const file = [...(event.clipboardData?.files ?? [])].find(kindOf);
  if (!file || event.target.closest?.("dialog")) return;
  event.preventDefault();
  askWith(file);
}

function chooses(buttonId, inputId) {
  const input = byId(inputId);
  if (buttonId) byId(buttonId).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files[0]) askWith(input.files[0]);
    input.value = "";
  });
}

export function startBox() {
  byId("ask-form").addEventListener("submit", submit);
  byId("text").addEventListener("input", showClear);
  byId("clear").addEventListener("click", () => {
    byId("text").value = "";
    clearQuestion();
    showClear();
    byId("text").focus();
  });
  byId("home").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    byId("text").value = "";
    askAnew({ filters: {} });
  });
  document.addEventListener("paste", paste);
  chooses("pick-picture", "picture-file");
  chooses(null, "sound-file");
  subscribe(show);
  onGallery(() => (byId("record").hidden = galleryNow() !== null && !galleryNow().hears));
}
