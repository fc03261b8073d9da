// A picture of one's own, judged without being kept.

import { posted, request } from "../api.js";
import { button, byId, el } from "../dom.js";
import { reduced } from "../intake.js";
import { nearest, sureness, tag, texts, where } from "./evidence.js";
import { loading, put, showProblem } from "./panels.js";
import { galleryNow, now } from "./state.js";

const TOLD = { allow: "Passes", review: "Goes to a person", block: "Blocked" };
let shown = null; // the object URL of the picture

const choose = () => byId("check-file").click();

function dropper() {
  const may = galleryNow()?.writable;
  const text = may
    ? "Drop or paste a picture here. It is judged by the policy, written to the audit log by its hash, and not kept."
    : "Judging writes to the audit log, which this server or this key does not allow.";
  const box = el(
    "div",
    { class: "check-drop" },
    el("h2", {}, "Check a picture"),
    el("p", {}, text),
    may && button("Choose a picture", { glyph: "picture", kind: "primary", press: choose }),
  );
  for (const event of ["dragenter", "dragover"]) {
    box.addEventListener(event, (one) => (one.preventDefault(), box.classList.add("over")));
  }
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  return box;
}

export function openCheck() {
  put(el("div", { class: "check" }, dropper()));
}

async function check(file) {
  if (!file || !galleryNow()?.writable) return;
  loading();
  try {
    const image = await reduced(file);
    const body = { policy: now.policy, image: { part: "picture" }, heat: true };
    draw(await request("moderate", { gallery: now.gallery, ...posted(body, { picture: image }) }), image);
  } catch (error) {
    showProblem(error, openCheck);
  }
}

function draw(found, file) {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(file);
  const picture = el("div", { class: "case-stage" }, el("img", { alt: file.name ?? "Your picture", src: shown }));
  const map = found.heat_png && el("img", { alt: "Heat maps", src: `data:image/png;base64,${found.heat_png}` });
  const left = [picture, map && el("div", { class: "case-stage" }, map)].filter(Boolean);
  const again = button("Another picture", { glyph: "picture", press: choose });
  const node = el(
    "article",
    { class: "case" },
    el("div", { class: "check" }, ...left),
    el("div", { class: "case-side" }, verdict(found), ...found.findings.map((one) => finding(one, found)), again),
  );
  put(node);
}

function verdict({ decision, findings, probabilities }) {
  const rows = Object.entries(probabilities).map(([text, probability]) => ({ text, probability }));
  const rest = findings.length ? null : texts(rows);
  const tags = el("div", { class: "case-tags" }, tag(decision));
  return el("div", { class: "case-rule", role: "status" }, tags, el("h2", {}, TOLD[decision]), rest);
}

function finding(one, found) {
  return el(
    "section",
    { class: "rule" },
    el("h3", {}, one.rule),
    el("div", { class: "case-tags" }, tag(`${one.severity} severity`, one.severity), tag(one.decision)),
    sureness(one.probability, found.calibrated),
    texts(one.matched),
    where(found.where[one.rule]),
    nearest(found.nearest[one.rule]),
  );
}

export function startCheck() {
  byId("check-file").addEventListener("change", (event) => {
    check(event.target.files[0]);
    event.target.value = "";
  });
  addEventListener("dragover", (event) => now.view === "check" && event.preventDefault());
  addEventListener("drop", (event) => {
    if (now.view !== "check") return;
    event.preventDefault();
    check(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => now.view === "check" && check(event.clipboardData.files[0]));
}
