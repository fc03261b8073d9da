// One picture that waits for a person: the picture, the rule, why, and what can be said.

import { toast } from "../announce.js";
import { posted, request, requestBlob } from "../api.js";
import { button, el } from "../dom.js";
import { canBeShown, nameOf } from "../tile.js";
import { nearest, sureness, tag, texts } from "./evidence.js";
import { galleryNow, now } from "./state.js";

const ACTS = { queue: ["Accept", "Overturn"], sample: ["It breaks the rule", "It is fine"] };

/** `flag`: {item, rule, severity?, decision?, probability?}. `does` has breaks, fine and skip. */
export function caseOf(flag, mode, does, left) {
  const image = el("img", { alt: nameOf(flag.item), src: canBeShown(flag.item) ? flag.item.image : flag.item.thumbnail });
  image.addEventListener("error", () => image.src.endsWith(flag.item.thumbnail) || (image.src = flag.item.thumbnail));
  const stage = el("div", { class: "case-stage" }, image);
  const side = el("div", { class: "case-side" }, heading(flag, mode), verdicts(mode, does));
  const heat = mode === "queue" && galleryNow()?.explains ? heatButton(flag, stage) : null;
  const foot = el("div", { class: "case-foot" }, el("span", {}, nameOf(flag.item)), heat, el("b", {}, left));
  return el("article", { class: "case" }, el("div", {}, stage, foot), side);
}

function heading({ rule, severity, decision, probability }, mode) {
  const tags = mode === "queue" && el("div", { class: "case-tags" }, tag(`${severity} severity`, severity), tag(decision));
  const question = mode === "sample" && el("p", { class: "quiet-text" }, "Does the picture break this rule?");
  const sure = mode === "queue" && el("div", { class: "case-sure" }, sureness(probability, true));
  return el("div", { class: "case-rule" }, tags, el("h2", {}, rule), question, sure);
}

function verdicts(mode, does) {
  const [breaks, fine] = ACTS[mode];
  const act = (label, key, run, kind) => {
    const one = button(label, { kind, press: run, title: `${label} (${key})`, data: { key } });
    one.append(el("kbd", { aria: { hidden: true } }, key));
    return one;
  };
  const buttons = [act(breaks, "a", does.breaks, "danger"), act(fine, "o", does.fine, "primary")];
  if (!galleryNow()?.writable) for (const one of buttons) one.disabled = true;
  const skip = act("Skip", "s", does.skip, "quiet");
  skip.classList.add("skip-case");
  return el("div", { class: "verdicts", role: "group", aria: { label: "What do you say?" } }, ...buttons, skip);
}

/** Adds what is known of it, once the server has told. */
export async function addEvidence(node, flag, signal) {
  const body = { policy: now.policy, id: flag.item.id };
  const found = await request("moderation/evidence", { gallery: now.gallery, signal, ...posted(body) });
  const finding = found.findings.find((one) => one.rule === flag.rule);
  const side = node.querySelector(".case-side");
  node.querySelector(".case-sure")?.replaceChildren(sureness(flag.probability, found.calibrated));
  side.append(...[finding && texts(finding.matched), nearest(found.nearest[flag.rule])].filter(Boolean));
}

function heatButton(flag, stage) {
  let map = null;
  const toggle = async () => {
    const shown = one.getAttribute("aria-pressed") === "true";
    if (!shown && !map) map = await heatOf(flag);
    if (!map) return;
    if (shown) map.remove();
    else stage.append(map);
    one.setAttribute("aria-pressed", String(!shown));
  };
  const one = button("Where", { glyph: "heat", title: "Where (h)", press: toggle, data: { key: "h" }, aria: { pressed: false } });
  return one;
}

async function heatOf(flag) {
  try {
    const body = { policy: now.policy, id: flag.item.id };
    const blob = await requestBlob("moderation/heat", { gallery: now.gallery, ...posted(body) });
    return el("img", { class: "heat", alt: "Heat map", src: URL.createObjectURL(blob) });
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return null;
  }
}
