// The policy: what it flags, what is promised and what that still takes, scanning and calibrating.

import { toast } from "../announce.js";
import { posted, request } from "../api.js";
import { button, el } from "../dom.js";
import { icon } from "../icons.js";
import { command, placard } from "../placard.js";
import { percent } from "../tile.js";
import { tag } from "./evidence.js";
import { put } from "./panels.js";
import { galleryNow, loadPolicies, now, policyNow, replacePolicy } from "./state.js";

const EXAMPLE = `name = "no alcohol"

[[rules]]
name = "alcohol"
flag = ["a bottle of beer", "a glass of wine"]
fine = ["a soda bottle"]
severity = "medium"
action = "review"     # allow, review or block
guarantee = { miss = 0.1, confidence = 0.9 }
`;

export function openRules() {
  const policy = policyNow();
  if (!policy) return put(noPolicy());
  const cards = el("div", { class: "rules" }, ...policy.rules.map(card));
  put(head(policy), totals(policy), cards);
}

export function noPolicy() {
  const area = el("textarea", { value: EXAMPLE, spellcheck: false, aria: { label: "Policy" }, maxLength: 1_000_000 });
  const use = button("Use this policy", { kind: "primary", press: () => send("moderation/policies", { toml: area.value }, use) });
  if (!galleryNow()?.writable) use.disabled = true;
  const told = "A policy says in plain words what is not to be in pictures. Write one here, or use a file:";
  const field = el("div", { class: "field drop-panel" }, area);
  return placard("filter", "No policy yet", el("p", {}, told), command("bouba moderate POLICY.toml"), field, el("div", { class: "state-buttons" }, use));
}

function head(policy) {
  const fresh = policy.new_labels;
  const scan = button("Scan the gallery", { glyph: "search", kind: "primary", press: () => runScan(scan) });
  const calibrate = button(fresh ? `Calibrate (${fresh} new)` : "Calibrate", {
    glyph: "varied",
    title: "Set thresholds by the labels there are",
    press: () => send("moderation/calibrate", { policy: policy.name }, calibrate, "Calibrated. Scan to apply it."),
  });
  const verify = button("Verify the log", { glyph: "check", press: () => runVerify(verify) });
  if (!galleryNow()?.writable) for (const one of [scan, calibrate, verify]) one.disabled = true;
  const about = el("div", {}, el("h2", {}, policy.name), el("p", {}, policy.description), el("p", {}, `Version ${policy.version}`));
  return el("div", { class: "policy-head" }, about, el("div", { class: "policy-tools" }, scan, calibrate, verify));
}

function totals({ decisions, rules }) {
  const waiting = rules.reduce((sum, rule) => sum + rule.waiting, 0);
  const one = (count, text) => el("div", { class: "total" }, el("strong", {}, count.toLocaleString()), el("span", {}, text));
  return el(
    "div",
    { class: "totals" },
    one(decisions.allow, "pass"),
    one(decisions.review, "for review"),
    one(decisions.block, "blocked"),
    one(waiting, "wait for a person"),
  );
}

function card(rule) {
  const rows = [
    ["Flags", rule.flag.join(", ")],
    rule.fine.length && ["Fine", rule.fine.join(", ")],
    rule.exceptions.length && ["Except", rule.exceptions.join("; ")],
    ["Reviewed from", percent(rule.review_from)],
    rule.action === "block" && ["Blocked from", rule.act_from === 1 ? "never by itself" : percent(rule.act_from)],
    ["Labels", `${rule.breaking} break it, ${rule.fine_labels} are fine`],
  ].filter(Boolean);
  const list = el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  return el(
    "section",
    { class: "rule" },
    el("h3", {}, rule.name),
    el("div", { class: "case-tags" }, tag(`${rule.severity} severity`, rule.severity), tag(rule.action)),
    list,
    promise(rule.miss, "missed", "that break the rule"),
    promise(rule.false_alarm, "false alarms", "that are fine"),
  );
}

function promise(bound, what, kind) {
  if (!bound) return null;
  const sure = bound.confidence ? `with confidence ${percent(bound.confidence)}` : "on average";
  const told = `at most ${(100 * bound.promised).toFixed(1)} % ${what}, ${sure}`;
  const text = bound.possible
    ? `Promised: ${told}.`
    : `Not possible yet: ${told}. It needs ${bound.needed} randomly drawn pictures ${kind}; there are ${bound.labels}.`;
  const glyph = icon(bound.possible ? "check" : "alert");
  return el("p", { class: bound.possible ? "promise" : "promise open" }, glyph, el("span", {}, text));
}

async function send(path, body, control, done = "Done.") {
  await busy(control, async () => {
    replacePolicy(await request(path, { gallery: now.gallery, ...posted(body) }));
    toast(done);
  });
}

async function runScan(control) {
  await busy(control, async () => {
    const found = await request("moderation/scan", { gallery: now.gallery, ...posted({ policy: now.policy }) });
    await loadPolicies();
    toast(`${found.judged.toLocaleString()} of ${found.items.toLocaleString()} pictures judged in ${found.seconds.toFixed(1)} s.`);
  });
}

async function runVerify(control) {
  await busy(control, async () => {
    const query = { policy: now.policy, limit: 1 };
    const found = await request("moderation/audit", { gallery: now.gallery, query });
    const told = found.whole ? `The log is whole: ${found.lines.toLocaleString()} lines.` : `The log was changed: ${found.fault}.`;
    toast(told, { kind: found.whole ? "" : "bad" });
  });
}

async function busy(control, work) {
  control.disabled = true;
  try {
    await work();
  } catch (error) {
    toast(error.message, { kind: "bad" });
  } finally {
    control.disabled = false;
  }
}
