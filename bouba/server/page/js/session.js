// The key, where the server wants one: exchanged for a cookie, so that pictures can be shown, and kept nowhere here.

import { toast } from "./announce.js";
import { posted, request } from "./api.js";
import { written } from "./dialogs.js";
import { byId } from "./dom.js";
import { keyNeeded, loadGalleries, onGallery } from "./galleries.js";
import { search } from "./searcher.js";

const WHY = "This server answers those who have a key. It is given out by whoever runs it: bouba keys new";

let asking = false; // until the key was tried: answers to what was asked before it ask for no other

export async function askForKey() {
  if (asking || byId("ask").open) return;
  asking = true;
  try {
    await exchange();
  } finally {
    asking = false;
  }
}

async function exchange() {
  const key = await written({
    title: "A key, please",
    text: WHY,
    label: "Key",
    type: "password",
    maxLength: 200,
    does: "Go on",
  });
  if (!key) return;
  try {
    await request("session", posted({ key }));
    await loadGalleries();
    await search();
  } catch (error) {
    toast(error.kind === "key" ? "The server does not know this key." : error.message, {
      kind: "bad",
      does: "Try another",
      press: askForKey,
    });
  }
}

async function forgetKey() {
  await request("session", { method: "DELETE" }).catch((error) => toast(error.message, { kind: "bad" }));
  location.reload();
}

export function startSession() {
  byId("forget-key").addEventListener("click", forgetKey);
  onGallery((gallery) => (byId("session").hidden = !gallery || !keyNeeded()));
}
