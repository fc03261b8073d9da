// Pictures out of the gallery, after a question: there is no way back.

import { say, toast } from "./announce.js";
import { request } from "./api.js";
import { confirmed } from "./dialogs.js";
import { galleryName, loadGalleries } from "./galleries.js";
import { forget } from "./searcher.js";

/** Whether they were removed. */
export async function remove(ids) {
  const what = ids.length === 1 ? "this picture" : `${ids.length} pictures`;
  const yes = await confirmed({
    title: `Delete ${what}?`,
    text: "It leaves the gallery, and there is no undo. A file that was uploaded here is deleted with it; other files stay where they are.",
    does: "Delete",
    kind: "danger",
  });
  if (!yes) return false;
  try {
    const { removed } = await request("items", {
      method: "DELETE",
      gallery: galleryName(),
      body: JSON.stringify({ ids }),
      headers: { "Content-Type": "application/json" },
    });
    forget(ids);
    say(`${removed} deleted.`);
    await loadGalleries();
    return true;
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return false;
  }
}
