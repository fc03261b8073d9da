// What the server made of the question: what it heard, corrected or read differently, with a way back.

import { button, byId, el } from "./dom.js";
import { icon } from "./icons.js";
import { written } from "./dialogs.js";
import { on } from "./searcher.js";
import { change, current } from "./state.js";
import { percent } from "./tile.js";

/** The notes speak of the command's option; here it is a button. */
const plainly = (note) => note.replace(/; --exact keeps it\)/, ")").replace(/ \(--exact keeps (it|the sentence)\)/, "");

function noteOf(note) {
  const back =
    /--exact/.test(note) && button("Take it as written", { kind: "quiet", press: () => change({ exact: true }) });
  return el("p", { class: "note" }, el("span", {}, plainly(note)), back);
}

function exactly() {
  return el(
    "p",
    { class: "note" },
    el("span", {}, "Taken exactly as written."),
    button("Correct and interpret", { kind: "quiet", press: () => change({ exact: false }) }),
  );
}

async function correct(transcript) {
  const text = await written({
    title: "What was said?",
    label: "In words",
    value: transcript,
    maxLength: 1000,
    does: "Search",
  });
  if (text) change({ transcript: text });
}

const another = (text, weight) =>
  button(`“${text}” ${percent(weight)}`, {
    kind: "pill",
    press: () => change({ transcript: text, heardAs: "speech" }),
  });

function speech({ transcript, readings }) {
  return el(
    "p",
    { class: "note heard" },
    icon("microphone"),
    el("span", {}, "Heard: ", el("q", {}, transcript)),
    button("Correct", { glyph: "pencil", kind: "quiet", press: () => correct(transcript) }),
    button("It is a sound", { kind: "quiet", press: () => change({ heardAs: "sound", transcript: null }) }),
    ...(readings ?? [])
      .filter(({ text }) => text !== transcript)
      .slice(0, 3)
      .map(({ text, weight }) => another(text, weight)),
  );
}

function sound({ tags, transcript }) {
  const names = tags
    .slice(0, 3)
    .map(({ name, score }) => `${name} ${percent(score)}`)
    .join(", ");
  return el(
    "p",
    { class: "note heard" },
    icon("sound"),
    el("span", {}, transcript ? "And as a sound: " : "Heard a sound: ", names || "nothing that has a name"),
  );
}

function heardOf(heard) {
  return [
    heard.transcript && speech(heard),
    heard.kind !== "speech" && sound(heard),
    current().heardAs === "sound" &&
      el(
        "p",
        { class: "note" },
        el("span", {}, "Taken as a sound."),
        button("Listen for words", { kind: "quiet", press: () => change({ heardAs: "auto" }) }),
      ),
    ...heard.notes.map((note) => el("p", { class: "note" }, el("span", {}, note))),
  ].filter(Boolean);
}

function draw({ notes = [], heard }) {
  const all = [...(heard ? heardOf(heard) : []), ...notes.map(noteOf), ...(current().exact ? [exactly()] : [])];
  byId("notes").replaceChildren(...all);
}

export function startNotes() {
  on("begin", () => byId("notes").replaceChildren());
  on("answer", draw);
  on("problem", () => byId("notes").replaceChildren());
}
