// Files that come in by drop, paste or a file dialog: what they are, and what is in dropped folders.

const PICTURE_ENDS = /\.(jpe?g|png|webp|gif|bmp|tiff?|hei[cf]|avif|ppm|pgm|jp2|ico|jxl|psd|dng)$/i;
const SOUND_ENDS = /\.(wav|flac|ogg|oga|opus|mp3|m4a|aac|webm|aiff?|mp4|mov|mkv)$/i;

/** "picture", "sound" or null. Browsers know few types by name, and guess none from content. */
export function kindOf(file) {
  if (file.type.startsWith("image/") || PICTURE_ENDS.test(file.name ?? "")) return "picture";
  if (/^(audio|video)\//.test(file.type) || SOUND_ENDS.test(file.name ?? "")) return "sound";
  return null;
}

/** What was dragged: "files", "item" (a picture of this page), or null. */
export function dragged(event) {
  const types = event.dataTransfer?.types ?? [];
  if (types.includes(ITEM_TYPE)) return "item";
  return types.includes("Files") ? "files" : null;
}

export const ITEM_TYPE = "application/x-bouba-item";

/** All files of a drop, those in folders too. Entries have to be taken before the first await. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

async function walk(entry, files) {
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) return;
    for (const inner of some) if (!inner.name.startsWith(".")) await walk(inner, files);
  }
}

const PLENTY_BYTES = 1_500_000;
const SIDE = 1600; // pixels: far more than any model looks at

/** The picture as it is asked with: a large photograph is reduced here, so that a phone need not send all of it. */
export async function reduced(file) {
  if (file.size < PLENTY_BYTES) return file;
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(Math.round(picture.width * scale), Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
    return blob.size < file.size ? blob : file;
  } catch {
    return file; // a kind that this browser does not read, and the server may
  }
}
