// The picture and the sound of a question.

import { say, toast } from "./announce.js";
import { byId } from "./dom.js";
import { galleryNow } from "./galleries.js";
import { kindOf, reduced } from "./intake.js";
import { askAnew, change, current } from "./state.js";

/** Searches with a file. It joins what is asked already, and takes the place of an earlier one of its kind. */
export async function askWith(file) {
  const kind = kindOf(file);
  if (kind === "picture") askWithPicture(file.name || "picture", await reduced(file));
  else if (kind === "sound") askWithSound(file.name || "sound", file);
  else
    toast(`${file.name || "This file"} is neither a picture nor a sound that can be searched with.`, { kind: "bad" });
}

function askWithPicture(name, blob) {
  change({ ...written(), picture: { blob, name, url: URL.createObjectURL(blob) }, open: null });
  say("Searching with the picture.");
}

export function askWithSound(name, blob) {
  if (galleryNow() && !galleryNow().hears) {
    toast("The model of this gallery does not hear: search with words or a picture.", { kind: "bad" });
    return;
  }
  change({
    ...written(),
    sound: { blob, name, url: URL.createObjectURL(blob) },
    transcript: null,
    heardAs: "auto",
    open: null,
  });
  say("Searching with the sound.");
}

/** Words that stand in the box already, sent or not, are asked together with the file. */
const written = () => ({ text: byId("text").value });

/** An item of the gallery, dragged into the box or chosen: what is asked becomes more like it. */
export function askLike(ids) {
  const { like, unlike } = current();
  const all = [...like, ...ids.filter((id) => !like.includes(id))];
  change({ like: all, unlike: unlike.filter((id) => !all.includes(id)), open: null });
}

/** Items of the gallery instead of what was asked. */
export const askWithItems = (ids) => askAnew({ like: ids });
