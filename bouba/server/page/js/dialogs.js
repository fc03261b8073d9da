// Dialogs on the browser's own <dialog>: it traps the focus and gives it back, makes the rest inert, and
// Escape closes it.

import { button, byId, el } from "./dom.js";

/** A press beside the dialog closes it. */
export function closesOutside(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog) return;
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const inside = event.clientX >= left && event.clientX <= right && event.clientY >= top && event.clientY <= bottom;
    if (!inside) dialog.close();
  });
}

function asking({ title, text, does, kind = "primary", field = null }) {
  const confirm = el("button", { type: "submit", value: "yes", class: `button ${kind}` }, does);
  const form = el(
    "form",
    { method: "dialog", class: "ask" },
    el("h2", { id: "ask-title" }, title),
    text && el("p", {}, text),
    field && el("label", { class: "field" }, el("span", {}, field.label), field.input),
    el("div", { class: "ask-buttons" }, button("Cancel", { press: () => byId("ask").close("no") }), confirm),
  );
  const dialog = byId("ask");
  dialog.replaceChildren(form);
  dialog.returnValue = "no";
  dialog.showModal();
  (field?.input ?? confirm).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Whether it is to be done. */
export const confirmed = (question) => asking(question);

/** What was written, trimmed; null where it was cancelled. */
export async function written({ label, type = "text", value = "", maxLength = 60, ...question }) {
  const input = el("input", {
    type,
    value,
    maxLength,
    required: true,
    autocomplete: type === "password" ? "current-password" : "off",
  });
  const yes = await asking({ ...question, field: { label, input } });
  return yes ? input.value.trim() || null : null;
}
