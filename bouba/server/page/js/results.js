// The line above the pictures: how many match and how sure that is, and what can be done with the answer.

import { say, toast } from "./announce.js";
import { byId } from "./dom.js";
import { galleryName } from "./galleries.js";
import { named } from "./question.js";
import { on } from "./searcher.js";
import { keepConcept } from "./selection.js";
import { cannotBeShared, change, current, hasAim, isAsked, subscribe } from "./state.js";
import { percent } from "./tile.js";

const many = (count, one, more) => `${count.toLocaleString()} ${count === 1 ? one : more}`;

function headline({ asked, found, matches, hits, total, complete }) {
  if (!asked) return many(total, "picture", "pictures");
  if (!hits.length) return "Nothing found";
  if (!found) return "Nothing matches. The closest:";
  const open = !complete && matches === hits.length ? "+" : "";
  return `${matches.toLocaleString()}${open} ${matches === 1 && !open ? "match" : "matches"}`;
}

/** How likely the gallery holds what was asked: of the answer as a whole, beside the figures of its hits. */
function sure({ asked, found, confidence }) {
  if (!asked || confidence === undefined) return "";
  return found ? `${percent(confidence)} sure` : `${percent(confidence)} likely to be here`;
}

function explanation({ asked, confidence, threshold, took_ms }) {
  if (!asked) return "";
  const words =
    confidence === undefined
      ? "This model was never calibrated: it gives an order and no probabilities."
      : `How likely the gallery holds what was asked: ${percent(confidence)} (from ${percent(threshold ?? 0)} on it counts as found).`;
  return took_ms?.total === undefined ? words : `${words} Answered in ${Math.round(took_ms.total)} ms.`;
}

function draw(answer) {
  byId("count").textContent = headline(answer);
  byId("sure").textContent = sure(answer);
  byId("sure").title = explanation(answer);
  byId("results").setAttribute("aria-busy", "false");
  for (const id of ["leave-out", "varied"]) byId(id).hidden = !answer.asked;
  byId("varied").setAttribute("aria-pressed", current().diverse);
  byId("keep-concept").hidden = !answer.asked || !hasAim() || Boolean(current().picture || current().sound);
  byId("share").hidden = !answer.asked && !Object.keys(current().filters).length;
  document.title = isAsked() ? `${named()} · bouba` : "bouba";
}

function begin({ asked }) {
  byId("results").setAttribute("aria-busy", "true");
  if (asked) byId("count").textContent = "Searching…";
  byId("sure").textContent = "";
}

async function share() {
  if (cannotBeShared()) {
    toast(
      "A picture or a sound of your own does not fit into a link: only words, filters and pictures of the gallery do.",
    );
    return;
  }
  const url = new URL(location.href);
  if (galleryName()) url.searchParams.set("gallery", galleryName());
  url.searchParams.delete("item");
  try {
    await navigator.clipboard.writeText(url.href);
    toast("Link copied.");
  } catch {
    toast("This browser lets no page copy here: the link is in the address bar.");
  }
}

export function startResults() {
  on("begin", begin);
  on("answer", (answer) => (draw(answer), say(`${headline(answer)}. ${named()}`)));
  on("more", draw);
  on("problem", () => byId("results").setAttribute("aria-busy", "false"));
  subscribe(() => isAsked() || (document.title = "bouba"));
  byId("varied").addEventListener("click", () => change({ diverse: !current().diverse }));
  byId("keep-concept").addEventListener("click", () => keepConcept([]));
  byId("share").addEventListener("click", share);
}
