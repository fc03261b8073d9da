// Signing in and out, where the server wants a key.

import { toast } from "./announce.js";
import { request } from "./api.js";
import { byId } from "./dom.js";
import { keyNeeded, loadGalleries, onGallery } from "./galleries.js";
import { search } from "./searcher.js";
import { signIn } from "./sign-in.js";

export const askForKey = () =>
  signIn(async () => {
    await loadGalleries();
    await search();
  });

async function forgetKey() {
  await request("session", { method: "DELETE" }).catch((error) => toast(error.message, { kind: "bad" }));
  location.reload();
}

export function startSession() {
  byId("forget-key").addEventListener("click", forgetKey);
  onGallery((gallery) => (byId("session").hidden = !gallery || !keyNeeded()));
}
