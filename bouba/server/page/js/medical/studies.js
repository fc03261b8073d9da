// Studies as cards: the slice and the sentence that matched, and what is known of the study.

import { button, byId, el } from "../dom.js";
import { icon } from "../icons.js";
import { openStudy } from "./study.js";

export function showAnswer({ hits, ruled_out: denied, notes }) {
  showNotes(notes);
  byId("count").textContent = hits.length === 1 ? "1 study" : `${hits.length} studies`;
  byId("sure").textContent = hits.length ? "best first" : "";
  byId("hits").replaceChildren(...hits.map(card));
  byId("ruled-out").hidden = !denied.length;
  byId("ruled-out-title").textContent =
    denied.length === 1 ? "1 study whose report rules it out" : `${denied.length} studies whose reports rule it out`;
  byId("denied").replaceChildren(...denied.map(card));
}

export const showNotes = (notes) =>
  byId("notes").replaceChildren(...notes.map((text) => el("p", { class: "note" }, el("span", {}, text))));

/** What is known of a study, as short marks. */
export function about({ modality, body_part: part, age, sex, date, patient }) {
  const marks = [modality, part, age === null ? "" : `${age} y`, sex, date, patient].filter(Boolean);
  return el("div", { class: "about" }, ...marks.map((text) => el("span", {}, text)));
}

/** A sentence in which what matched is marked by what it says. */
export function sentence({ section, text, part, status }) {
  const at = text.indexOf(part);
  const marked =
    at < 0 || !part
      ? [text]
      : [text.slice(0, at), el("mark", { class: `says ${status}` }, part), text.slice(at + part.length)];
  return el("p", { class: "sentence" }, el("b", {}, `${section}: `), ...marked);
}

function card(hit) {
  const foot = hit.slice ? `Slice ${hit.slice.number} of ${hit.slice.slices}` : "A report without pictures";
  return el(
    "li",
    { class: "study" },
    picture(hit),
    el(
      "div",
      { class: "study-text" },
      el("h2", {}, hit.study),
      about(hit),
      hit.sentence && sentence(hit.sentence),
      el(
        "div",
        { class: "study-foot" },
        el("span", {}, foot),
        button(`Open ${hit.study}`, { shows: "Open", kind: "quiet", press: () => openStudy(hit.study, hit.slice?.item) }),
      ),
    ),
  );
}

function picture(hit) {
  const inside = hit.slice ? el("img", { src: hit.slice.thumbnail, alt: "", loading: "lazy" }) : icon("gallery");
  return el(
    "button",
    {
      type: "button",
      class: hit.slice ? "study-open" : "study-open without",
      aria: { label: `Study ${hit.study}` },
      on: { click: () => openStudy(hit.study, hit.slice?.item) },
    },
    inside,
  );
}
