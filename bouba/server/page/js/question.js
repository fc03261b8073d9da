// What is asked, as the server takes it: a Question in JSON, and beside it the files that it names.

import { current } from "./state.js";

/** {question, files}: `files` maps the name of a form field to a Blob. */
export function questionOf(state = current(), { examples = true } = {}) {
  const files = {};
  const base = baseOf(state, files);
  if (examples && state.like.length) base.like = state.like;
  if (examples && state.unlike.length) base.unlike = state.unlike;
  const refused = state.without.map((part) => ({ not: part.id ? { like: [part.id] } : { text: part.text } }));
  const parts = Object.keys(base).length ? [base, ...refused] : refused;
  return { question: parts.length === 1 ? parts[0] : { all: parts }, files };
}

function baseOf(state, files) {
  const base = {};
  if (state.text.trim()) base.text = state.text.trim();
  if (state.picture) base.image = attached(files, "picture", state.picture.blob);
  if (state.sound) {
    base.audio = attached(files, "sound", state.sound.blob);
    if (state.heardAs !== "auto") base.audio_as = state.heardAs;
    if (state.transcript) base.transcript = state.transcript;
  }
  if (state.concept) base.concept = state.concept;
  return base;
}

function attached(files, name, blob) {
  files[name] = blob;
  return { part: name };
}

/** What a person would call it: for the title of the page and the history. */
export function named(state = current()) {
  const parts = [
    state.text.trim(),
    state.picture && "a picture",
    state.sound && "a sound",
    state.concept,
    state.like.length && (state.like.length === 1 ? "like a picture" : `like ${state.like.length} pictures`),
  ].filter(Boolean);
  const refused = state.without.map((part) => part.text ?? "a picture");
  return [parts.join(" + "), ...refused.map((part) => `without ${part}`)].filter(Boolean).join(", ");
}
