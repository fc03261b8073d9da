// The parts of the question beside the words, each of which can be taken back.

import { withGallery } from "./api.js";
import { button, byId, el } from "./dom.js";
import { galleryName } from "./galleries.js";
import { icon } from "./icons.js";
import { change, current, subscribe } from "./state.js";

let writing = false; // what is to be left out is being written
const player = new Audio();

function chip(kind, label, leading, remove, ...more) {
  const close = button(`Remove: ${label}`, { shows: null, glyph: "close", class: "chip-close", press: remove });
  return el(
    "span",
    { class: `chip ${kind}`, title: label },
    leading,
    el("span", { class: "chip-text" }, label),
    ...more,
    close,
  );
}

const miniature = (src) => el("img", { class: "chip-picture", src, alt: "" });

const ofItem = (id) => miniature(withGallery(`items/${id}/thumbnail`, galleryName()));

function play(sound) {
  const starts = player.paused;
  if (starts) {
    player.src = sound.url;
    player.play().catch(() => draw(current())); // a kind that this browser does not play
  } else {
    player.pause();
  }
}

function soundChip(sound) {
  const playing = !player.paused;
  const label = playing ? "Pause the sound" : "Play the sound";
  const toggle = button(label, {
    shows: null,
    glyph: playing ? "pause" : "play",
    class: "chip-close",
    press: () => play(sound),
  });
  return chip(
    "sound",
    sound.name,
    icon("sound"),
    () => change({ sound: null, transcript: null, heardAs: "auto" }),
    toggle,
  );
}

function chipsOf({ picture, sound, concept, like, unlike, without }) {
  const leave = (name, one) => () => change({ [name]: current()[name].filter((other) => other !== one) });
  return [
    picture && chip("picture", picture.name, miniature(picture.url), () => change({ picture: null })),
    sound && soundChip(sound),
    concept && chip("concept", concept, icon("bookmark"), () => change({ concept: null })),
    ...like.map((id) => chip("like", "like", ofItem(id), leave("like", id))),
    ...unlike.map((id) => chip("unlike", "unlike", ofItem(id), leave("unlike", id))),
    ...without.map((part) =>
      part.id
        ? chip("not", "without", ofItem(part.id), leave("without", part))
        : chip("not", `without ${part.text}`, icon("without"), leave("without", part)),
    ),
  ].filter(Boolean);
}

/** A field in which to write what is to be left out. */
function without() {
  const done = () => {
    if (!writing) return;
    writing = false;
    const text = byId("without").value.trim();
    if (text) change({ without: [...current().without, { text }] });
    else draw(current());
  };
  const keys = (event) => {
    if (event.key === "Escape") byId("without").value = "";
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    done();
    byId("text").focus();
  };
  return el("input", {
    id: "without",
    class: "chip-input",
    type: "text",
    maxLength: 200,
    placeholder: "without people, cars…",
    aria: { label: "Without" },
    on: { keydown: keys, blur: done },
  });
}

function startWriting() {
  writing = true;
  draw(current());
  byId("without").focus();
}

function draw(state) {
  const box = byId("chips");
  const place = [...box.querySelectorAll("button")].indexOf(document.activeElement);
  if (!state.sound) player.pause();
  box.replaceChildren(...chipsOf(state), ...(writing ? [without()] : []));
  box.hidden = !box.children.length;
  // Whoever removed one by keyboard goes on from there.
  const left = [...box.querySelectorAll("button")];
  if (place >= 0) (left[Math.min(place, left.length - 1)] ?? byId("text")).focus();
}

export function startChips() {
  subscribe((state) => draw(state));
  for (const event of ["play", "pause", "ended"]) player.addEventListener(event, () => draw(current()));
  byId("leave-out").addEventListener("click", startWriting);
}
