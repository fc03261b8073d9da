// The microphone button and the strip that it opens: level, time, stop.

import { say, toast } from "./announce.js";
import { button, byId, el } from "./dom.js";
import { askWithSound } from "./media.js";
import { canRecord, record } from "./recorder.js";

const BARS = 32;
let running = null;

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

const REASONS = {
  NotAllowedError:
    "This page may not use the microphone. Allow it in the browser's address bar, or choose a sound file.",
  NotFoundError: "No microphone was found. Choose a sound file instead.",
  NotReadableError: "Another program uses the microphone.",
};

async function begin() {
  const bars = Array.from({ length: BARS }, () => el("i"));
  const time = el("span", { class: "recorder-time" }, "0:00");
  const levels = new Array(BARS).fill(0);
  const each = (level, seconds) => {
    levels.push(level);
    levels.shift();
    bars.forEach((bar, i) => (bar.style.transform = `scaleY(${Math.max(0.06, levels[i])})`));
    time.textContent = clock(seconds);
  };
  try {
    running = await record(each);
  } catch (error) {
    toast(REASONS[error.name] ?? `The microphone cannot be used: ${error.message}`, {
      kind: "bad",
      does: "Choose a file",
      press: chooseFile,
    });
    return;
  }
  draw(bars, time);
  const blob = await running.done;
  end();
  if (blob?.size) askWithSound("recording", blob);
}

function draw(bars, time) {
  const strip = byId("recorder");
  const stop = button("Search", {
    glyph: "stop",
    kind: "primary",
    press: () => running.stop(),
    title: "Stop, and search with it",
  });
  const level = el("span", { class: "meter", role: "img", aria: { label: "Level of the microphone" } }, ...bars);
  strip.replaceChildren(
    el("span", { class: "recorder-dot" }),
    time,
    level,
    stop,
    button("Cancel", { kind: "quiet", press: () => running.cancel() }),
  );
  strip.hidden = false;
  byId("record").setAttribute("aria-pressed", "true");
  stop.focus();
  say("Recording. Enter stops and searches, Escape cancels.");
}

function end() {
  running = null;
  byId("recorder").hidden = true;
  byId("record").setAttribute("aria-pressed", "false");
  byId("text").focus();
}

const chooseFile = () => byId("sound-file").click();

/** Records where that is possible, and where it is not asks for a file. */
export function toggleRecording() {
  if (running) running.stop();
  else if (canRecord()) begin();
  else {
    toast("Recording needs https, or the page on the same computer as the server.", {
      does: "Choose a file",
      press: chooseFile,
    });
  }
}

export function startRecording() {
  byId("record").addEventListener("click", toggleRecording);
  byId("recorder").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    running?.cancel();
  });
}
