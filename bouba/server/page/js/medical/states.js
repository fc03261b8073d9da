// What stands in place of studies: nothing yet, nothing found, waiting, or what went wrong.

import { toast } from "../announce.js";
import { posted, request } from "../api.js";
import { written } from "../dialogs.js";
import { button, byId, el } from "../dom.js";
import { icon } from "../icons.js";

const EXAMPLES = ["pleural effusion", "ring enhancing lesion", "fracture without dislocation"];

function panel(glyph, title, ...content) {
  return el(
    "div",
    { class: "state-panel" },
    el("span", { class: "state-glyph" }, icon(glyph)),
    el("h2", {}, title),
    ...content,
  );
}

const put = (...nodes) => byId("state").replaceChildren(...nodes);

export const showNothing = () => put();

export function showWaiting() {
  if (!byId("hits").children.length) put(el("p", { class: "quiet-text" }, "Looking…"));
}

/** Before anything is asked. */
export function showStart(facts, asked) {
  if (!facts.studies) {
    put(
      panel(
        "gallery",
        "No studies here yet",
        el("p", {}, "DICOM files, folders and ZIP archives are de-identified on the way in. From a terminal:"),
        el("pre", { class: "command", tabIndex: 0, aria: { label: "Command" } }, el("code", {}, "bouba medical import ~/dicom")),
      ),
    );
    return;
  }
  const told = (count, one, several) => `${count.toLocaleString()} ${count === 1 ? one : several}`;
  const counts = [
    told(facts.studies, "study", "studies"),
    told(facts.pictures, "picture", "pictures"),
    told(facts.reports, "report", "reports"),
  ].join(", ");
  put(
    panel(
      "search",
      "Ask for a finding, a report or a scan",
      el("p", {}, `${counts}. What reports deny is kept apart: “effusion” finds no “no effusion”.`),
      el("div", { class: "state-buttons" }, ...EXAMPLES.map((text) => button(`“${text}”`, { kind: "pill", press: () => asked(text) }))),
    ),
  );
}

export const showNone = () =>
  put(panel("search", "Nothing found", el("p", {}, "No study fits. Other words, or fewer filters, may find more.")));

const TITLES = { key: "A key is needed", away: "The server is away", busy: "The server is busy", slow: "That took too long" };

export function showProblem(error, again) {
  byId("hits").replaceChildren();
  const key = () => enterKey(again);
  const does =
    error.kind === "key"
      ? button("Enter a key", { glyph: "key", kind: "primary", press: key })
      : button("Try again", { glyph: "retry", kind: "primary", press: again });
  const box = panel(
    error.kind === "key" ? "key" : "alert",
    TITLES[error.kind] ?? "That cannot be asked",
    el("p", {}, error.message),
    el("div", { class: "state-buttons" }, does),
  );
  box.setAttribute("role", "alert");
  put(box);
  byId("results").setAttribute("aria-busy", false);
}

async function enterKey(again) {
  const key = await written({
    title: "A key, please",
    text: "This server answers those who have a key. It is given out by whoever runs it: bouba keys new",
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
    toast(error.message, { kind: "bad" });
  }
}
