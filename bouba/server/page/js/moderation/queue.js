// The review queue and the random sample: one picture after the other, decided by keys or presses.

import { say, toast } from "../announce.js";
import { posted, request } from "../api.js";
import { button, byId, el } from "../dom.js";
import { placard } from "../placard.js";
import { addEvidence, caseOf } from "./case.js";
import { loading, put, showProblem } from "./panels.js";
import { change, loadPolicies, now, policyNow, waitingNow } from "./state.js";

const PAGE = 40;
let flags = []; // what is shown next comes first
let skipped = 0; // at the head of the server's queue
let waiting = 0;
let rule = null; // of the sample
let asking = new AbortController();
let deciding = false;

/** Shows the first picture of a mode, "queue" or "sample". */
export async function open(mode) {
  flags = [];
  skipped = 0;
  rule = policyNow()?.rules.find((one) => one.name === rule)?.name ?? policyNow()?.rules[0]?.name ?? null;
  await next(mode);
}

async function next(mode) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    if (!flags.length) {
      loading();
      flags = await (mode === "queue" ? fromQueue(signal) : fromSample(signal));
    }
    if (!signal.aborted) await draw(mode, signal);
  } catch (error) {
    if (!signal.aborted) showProblem(error, () => open(mode));
  }
}

async function fromQueue(signal) {
  const query = { policy: now.policy, limit: PAGE, offset: skipped };
  const answer = await request("moderation/queue", { gallery: now.gallery, query, signal });
  waiting = answer.waiting;
  return answer.flags;
}

async function fromSample(signal) {
  const query = { policy: now.policy, rule, limit: PAGE };
  const { items } = await request("moderation/sample", { gallery: now.gallery, query, signal });
  return items.slice(skipped).map((item) => ({ item, rule }));
}

async function draw(mode, signal) {
  const [flag] = flags;
  if (!flag) return put(...(mode === "queue" ? [nothing()] : [chooser(), allLabelled()]));
  const does = { breaks: () => decide(mode, true), fine: () => decide(mode, false), skip: () => skip(mode) };
  const left = mode === "queue" ? `${waiting - skipped} left` : "random sample";
  const node = caseOf(flag, mode, does, left);
  put(...(mode === "sample" ? [chooser()] : []), node);
  for (const each of flags.slice(1, 3)) new Image().src = each.item.image; // the next ones are there at once
  if (mode === "queue") await addEvidence(node, flag, signal);
}

function nothing() {
  const scanned = Object.values(policyNow()?.decisions ?? {}).some(Boolean);
  const rules = button("Go to the rules", { kind: "primary", press: () => change({ view: "rules" }) });
  const again = button("Show what was skipped", { press: () => open("queue") });
  const text = !scanned
    ? "No picture was judged by this policy yet. Scan the gallery first."
    : skipped
      ? "You have skipped the rest."
      : "Everything that the rules flagged has been looked at.";
  const todo = el("div", { class: "state-buttons" }, skipped ? again : null, rules);
  return placard("check", scanned ? "Nothing waits" : "Not scanned yet", el("p", {}, text), todo);
}

function allLabelled() {
  const text = "Every picture of the last scan is labelled for this rule, or was skipped.";
  return placard("check", "No more pictures", el("p", {}, text));
}

/** Which rule the sample is labelled for. */
function chooser() {
  const options = (policyNow()?.rules ?? []).map((one) => el("option", { value: one.name }, one.name));
  const select = el("select", { aria: { label: "Rule" } }, ...options);
  select.value = rule;
  select.addEventListener("change", () => ((rule = select.value), open("sample")));
  return el("div", { class: "policy-head" }, el("label", { class: "field" }, el("span", {}, "Label for the rule"), select));
}

async function decide(mode, breaks) {
  const [flag] = flags;
  if (!flag || deciding) return;
  deciding = true;
  try {
    await (mode === "queue" ? review(flag, breaks) : label(flag, breaks));
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return;
  } finally {
    deciding = false;
  }
  say(mode === "queue" ? (breaks ? "Accepted" : "Overturned") : breaks ? "Breaks the rule" : "Fine");
  flags = flags.slice(1);
  waiting -= mode === "queue" ? 1 : 0;
  count(mode, flag);
  next(mode);
}

const send = (path, body) => request(path, { gallery: now.gallery, ...posted({ policy: now.policy, ...body }) });
const review = ({ item, rule: name }, breaks) => send("moderation/review", { rule: name, id: item.id, breaks });
const label = ({ item, rule: name }, breaks) =>
  send("moderation/label", { rule: name, ids: [item.id], breaks, random: true });

/** The counts and warnings are asked for now and then; in between they are counted here. */
let decided = 0;
function count(mode, flag) {
  const own = policyNow()?.rules.find((one) => one.name === flag.rule);
  if (own && mode === "queue") own.waiting = Math.max(0, own.waiting - 1);
  byId("waiting").textContent = waitingNow() || "";
  decided += 1;
  if (decided % 5 === 0 || !flags.length) loadPolicies().catch(() => {});
}

function skip(mode) {
  if (!flags.length || deciding) return;
  skipped += 1;
  flags = flags.slice(1);
  next(mode);
}
