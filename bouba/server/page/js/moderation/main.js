// The page of moderation begins: galleries and policies are asked for, then the view that the address names is shown.

import { Problem } from "../api.js";
import { button, byId, el, typing } from "../dom.js";
import { closesOutside } from "../dialogs.js";
import { icon, placeIcons } from "../icons.js";
import { startTheme } from "../theme.js";
import { openCheck, startCheck } from "./check.js";
import { loading, put, showProblem } from "./panels.js";
import { open } from "./queue.js";
import { noPolicy, openRules } from "./rules.js";
import { change, load, loadPolicies, now, onChange, policyNow, waitingNow } from "./state.js";

const KEYS = [
  ["a", "accept: the picture breaks the rule"],
  ["o", "overturn: it is fine"],
  ["s", "skip"],
  ["h", "where (heat map)"],
  ["1 2 3 4", "queue, sample, check, rules"],
  ["?", "this list"],
];
const OPENS = { queue: () => open("queue"), sample: () => open("sample"), check: openCheck, rules: openRules };
let shown = "";

function show() {
  drawFrame();
  drawWarnings();
  const state = `${now.gallery} ${now.policy} ${now.view}`;
  if (state === shown && now.view !== "rules") return; // a picture that is looked at stays
  shown = state;
  if (!now.policy) put(noPolicy());
  else OPENS[now.view]();
}

function drawFrame() {
  for (const tab of document.querySelectorAll(".tab")) {
    if (tab.dataset.view === now.view) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  byId("waiting").textContent = waitingNow() || "";
  fill("gallery", now.galleries, now.gallery);
  fill("policy", now.policies, now.policy);
  byId("gallery-switch").hidden = now.galleries.length < 2;
}

function fill(id, all, chosen) {
  byId(id).replaceChildren(...all.map(({ name }) => el("option", { value: name }, name)));
  byId(id).value = chosen ?? "";
  byId(`${id}-switch`).hidden = !all.length;
}

/** Where reviews no longer fit the probabilities. */
function drawWarnings() {
  const found = (policyNow()?.rules ?? []).filter((rule) => rule.drift.found);
  const warning = (rule) =>
    el("div", { class: "warning", role: "alert" }, icon("alert"), el("span", {}, el("b", {}, `${rule.name}: `), rule.drift.message), button("To the rules", { kind: "quiet", press: () => change({ view: "rules" }) }));
  byId("warnings").replaceChildren(...found.map(warning));
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal") || typing(event.target)) return;
  const view = ["queue", "sample", "check", "rules"][Number(event.key) - 1];
  const control = document.querySelector(`#view [data-key="${CSS.escape(event.key)}"]:not(:disabled)`);
  if (event.key === "?") showHelp();
  else if (view) change({ view });
  else if (control) control.click();
  else return;
  event.preventDefault();
}

function showHelp() {
  const dialog = byId("help");
  const list = KEYS.flatMap(([key, what]) => [el("dt", {}, ...key.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, what)]);
  const close = el("div", { class: "ask-buttons" }, button("Close", { kind: "primary", press: () => dialog.close() }));
  dialog.replaceChildren(el("h2", { id: "help-title" }, "Keyboard"), el("dl", { class: "keys" }, ...list), close);
  dialog.showModal();
}

async function begin() {
  loading();
  try {
    await load();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showProblem(error, begin);
  }
}

placeIcons();
startTheme();
startCheck();
onChange(show);
addEventListener("keydown", press);
byId("help-button").addEventListener("click", showHelp);
closesOutside(byId("help"));
closesOutside(byId("ask"));
byId("tabs").addEventListener("click", (event) => {
  const view = event.target.closest(".tab")?.dataset.view;
  if (view) change({ view });
});
byId("policy").addEventListener("change", (event) => change({ policy: event.target.value }));
byId("gallery").addEventListener("change", async (event) => {
  Object.assign(now, { gallery: event.target.value, policy: null });
  await loadPolicies().catch((error) => showProblem(error, begin));
});
begin();
