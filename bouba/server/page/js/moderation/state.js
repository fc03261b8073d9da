// What the page shows: gallery, policy, view. The address holds all three.

import { request } from "../api.js";

const listeners = new Set();
export const VIEWS = ["queue", "sample", "check", "rules"];
export const now = { galleries: [], gallery: null, policies: [], policy: null, view: "queue" };

/** `run(now)` after every change. */
export const onChange = (run) => listeners.add(run);

export const policyNow = () => now.policies.find((one) => one.name === now.policy) ?? null;
export const galleryNow = () => now.galleries.find((one) => one.name === now.gallery) ?? null;
export const waitingNow = () => (policyNow()?.rules ?? []).reduce((sum, rule) => sum + rule.waiting, 0);

export function change(values) {
  Object.assign(now, values);
  const query = new URLSearchParams({ gallery: now.gallery ?? "", policy: now.policy ?? "", view: now.view });
  history.replaceState(null, "", `?${query}`);
  for (const run of listeners) run(now);
}

/** Galleries, then the policies of the chosen one. Raises Problem. */
export async function load() {
  const asked = new URLSearchParams(location.search);
  const { galleries } = await request("galleries");
  const named = (name) => galleries.find((one) => one.name === name)?.name;
  const used = galleries.find((one) => one.apps.includes("moderation"))?.name;
  const gallery = named(now.gallery) ?? named(asked.get("gallery")) ?? used ?? galleries[0]?.name ?? null;
  Object.assign(now, { galleries, gallery });
  if (VIEWS.includes(asked.get("view"))) now.view = asked.get("view");
  await loadPolicies(asked.get("policy"));
}

export async function loadPolicies(wanted = null) {
  const { policies } = await request("moderation/policies", { gallery: now.gallery });
  const known = (name) => policies.find((one) => one.name === name)?.name;
  const policy = known(now.policy) ?? known(wanted) ?? policies[0]?.name ?? null;
  change({ policies, policy });
}

/** One policy as an answer has it, in the place of the one that was known. */
export function replacePolicy(record) {
  const others = now.policies.filter((one) => one.name !== record.name);
  change({ policies: [...others, record].sort((a, b) => a.name.localeCompare(b.name)), policy: record.name });
}
