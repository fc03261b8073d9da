// What stands in place of content, the same on every page: an icon, a title, what there is to say and to do.

import { button, el } from "./dom.js";
import { icon } from "./icons.js";

const PROBLEMS = {
  away: ["offline", "The server is away"],
  slow: ["clock", "That took too long"],
  busy: ["clock", "The server is busy"],
  key: ["key", "A key is needed"],
  forbidden: ["key", "Not allowed"],
  missing: ["alert", "It is not there"],
  refused: ["alert", "That cannot be done"],
  broken: ["alert", "Something broke"],
};

export function placard(glyph, title, ...content) {
  return el(
    "div",
    { class: "state-panel" },
    el("span", { class: "state-glyph" }, icon(glyph)),
    el("h2", {}, title),
    ...content,
  );
}

/** A line for a terminal, which can be selected with the keyboard. */
export const command = (line) =>
  el("pre", { class: "command", tabIndex: 0, aria: { label: "Command" } }, el("code", {}, line));

/** Of a Problem. `again` asks again, `enter` asks for a key. */
export function problemPlacard(error, { again, enter }) {
  const [glyph, title] = PROBLEMS[error.kind] ?? PROBLEMS.broken;
  const does =
    error.kind === "key"
      ? button("Enter a key", { glyph: "key", kind: "primary", press: enter })
      : button("Try again", { glyph: "retry", kind: "primary", press: again });
  const id = error.requestId && el("p", { class: "quiet-text" }, `Request ${error.requestId}`);
  const box = placard(glyph, title, el("p", {}, error.message), el("div", { class: "state-buttons" }, does), id);
  box.setAttribute("role", "alert");
  return box;
}
