// The key, where the server wants one: exchanged for a cookie, so that pictures can be shown, and kept nowhere here.

import { toast } from "./announce.js";
import { posted, request } from "./api.js";
import { written } from "./dialogs.js";
import { byId } from "./dom.js";

let asking = false; // until the key was tried: answers to what was asked before it ask for no other

/** Asks for a key, then does again what needed one. */
export async function signIn(again, why = "This server answers those who have a key.") {
  if (asking || byId("ask").open) return;
  asking = true;
  try {
    await exchange(again, why);
  } finally {
    asking = false;
  }
}

async function exchange(again, why) {
  const key = await written({
    title: "A key, please",
    text: `${why} It is given out by whoever runs it: bouba keys new`,
    label: "Key",
    type: "password",
    maxLength: 200,
    does: "Go on",
  });
  if (!key) return;
  try {
    await request("session", posted({ key }));
    await again();
  } catch (error) {
    toast(error.kind === "key" ? "The server does not know this key." : error.message, {
      kind: "bad",
      does: "Try another",
      press: () => signIn(again, why),
    });
  }
}
