// Why a picture is flagged: texts that fit, the nearest pictures that people named, and where.

import { el } from "../dom.js";
import { meter, percent } from "../tile.js";

const block = (title, ...content) => el("section", { class: "block" }, el("h3", {}, title), ...content);

export const tag = (text, kind = text) => el("span", { class: `tag ${kind}` }, text);

export function sureness(probability, calibrated) {
  const told = calibrated ? "likely to break the rule" : "by the model alone: not calibrated here yet";
  return el("p", { class: "sureness" }, el("strong", {}, percent(probability)), el("span", {}, told));
}

/** The texts of a rule that fit best. */
export function texts(matched) {
  const rows = matched.map(({ text, probability }) => el("li", {}, el("span", {}, text), meter(probability)));
  return rows.length ? block("Looks like", el("ul", { class: "shows" }, ...rows)) : null;
}

function neighbour({ name, breaks, similarity, thumbnail }) {
  const says = breaks ? "breaks it" : "is fine";
  const shown = thumbnail
    ? el("img", { src: thumbnail, alt: `A picture that ${says}`, width: 84, height: 84, loading: "lazy" })
    : el("div", { class: "named" }, name.split("/").pop());
  const caption = el("figcaption", {}, `${says} · ${similarity.toFixed(2)}`);
  return el("figure", { class: breaks ? "breaks" : "" }, shown, caption);
}

/** Pictures that people, or the policy, named for a rule. */
export function nearest(neighbours) {
  return neighbours?.length
    ? block("Nearest that were judged", el("div", { class: "nearest" }, ...neighbours.map(neighbour)))
    : null;
}

export function where(words) {
  return words ? block("Where", el("p", { class: "quiet-text" }, `Strongest: ${words}`)) : null;
}
