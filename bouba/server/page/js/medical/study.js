// One study: its slices, its reports with what each sentence says, and the reports that a slice may belong to.

import { toast } from "../announce.js";
import { posted, Problem, request } from "../api.js";
import { closesOutside } from "../dialogs.js";
import { button, byId, el } from "../dom.js";
import { archive } from "./state.js";
import { about, sentence } from "./studies.js";

const STATUSES = ["affirmed", "uncertain", "negated", "historical"];
const LIKELY = 5; // reports

export async function openStudy(name, item = null) {
  try {
    show(await request(`medical/studies/${encodeURIComponent(name)}`, { gallery: archive.gallery?.name }), item);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message, { kind: "bad" });
  }
}

function show(study, item) {
  const close = button("Close", { shows: null, glyph: "close", press: () => byId("study").close() });
  byId("study").replaceChildren(
    el("div", { class: "study-head" }, el("h2", { id: "study-title" }, study.id), about(described(study)), close),
    el("div", { class: "study-body" }, pictures(study, item), reports(study)),
  );
  if (!byId("study").open) byId("study").showModal();
  byId("study").scrollTop = 0;
}

function described(study) {
  const several = (name) => [...new Set(study.series.map((one) => one[name]).filter(Boolean))].join(", ");
  return { ...study, modality: several("modality"), body_part: several("body_part") };
}

function pictures(study, item) {
  const all = study.series.flatMap((series) => series.pictures.map((one) => ({ ...one, slices: series.slices })));
  const stage = el("div", { class: "stage" });
  const likely = el("div", { aria: { live: "polite" } });
  const buttons = all.map((one) => {
    const label = `Slice ${one.number} of ${one.slices}`;
    const image = el("img", { src: one.thumbnail, alt: "", loading: "lazy" });
    return el("button", { type: "button", aria: { label, pressed: false }, on: { click: () => stand(one) } }, image);
  });
  let shown = null;
  function stand(one) {
    shown = one;
    const alt = `Slice ${one.number} of ${one.slices}${one.masked ? ", writing masked" : ""}`;
    stage.replaceChildren(el("img", { src: one.image, alt }));
    buttons.forEach((node, at) => node.setAttribute("aria-pressed", all[at] === one));
    likely.replaceChildren();
  }
  if (all.length) stand(all.find((one) => one.item === item) ?? all[0]);
  const find = button("Likely reports of this slice", { glyph: "search", press: () => findReports(shown, likely) });
  return el(
    "section",
    { aria: { label: "Slices" } },
    all.length ? stage : el("p", { class: "quiet-text" }, "This study has a report and no pictures."),
    el("div", { class: "slices" }, ...buttons),
    all.length > 0 && find,
    likely,
  );
}

async function findReports({ item }, place) {
  place.replaceChildren(el("p", { class: "quiet-text" }, "Looking…"));
  try {
    const asked = posted({ item, k: LIKELY });
    const { hits } = await request("medical/reports", { gallery: archive.gallery?.name, ...asked });
    const rows = hits.map((hit) =>
      el(
        "li",
        {},
        el("h3", {}, hit.own ? `${hit.study}, its own` : hit.study),
        about(hit),
        ...hit.sentences.map(sentence),
      ),
    );
    place.replaceChildren(rows.length ? el("ol", { class: "likely", role: "list" }, ...rows) : el("p", { class: "quiet-text" }, "The archive has no report that fits."));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    place.replaceChildren(el("p", { class: "quiet-text" }, error.message));
  }
}

function reports(study) {
  const legend = STATUSES.map((name) => el("span", { class: `says ${name}` }, name));
  const all = study.reports.map(({ sentences }) => el("div", { class: "report" }, ...sentences.map(line)));
  return el(
    "section",
    { aria: { label: "Reports" } },
    el("h3", {}, study.reports.length ? "Report" : "No report"),
    study.reports.length > 0 && el("p", { class: "legend" }, ...legend),
    ...all,
  );
}

/** A sentence with each of its parts marked by what it says. */
function line({ section, text, says }) {
  const parts = [];
  let from = 0;
  for (const { text: part, status } of says) {
    const at = text.indexOf(part, from);
    if (at < 0) continue;
    parts.push(text.slice(from, at), el("span", { class: `says ${status}`, title: status }, part));
    from = at + part.length;
  }
  return el("p", { class: "sentence" }, el("b", {}, `${section}: `), ...parts, text.slice(from));
}

export const startStudy = () => closesOutside(byId("study"));
