// DICOM files and ZIP archives of them, sent to the archive.

import { toast } from "../announce.js";
import { Problem, request } from "../api.js";
import { byId } from "../dom.js";
import { archive } from "./state.js";

async function send(files, done) {
  const form = new FormData();
  for (const file of files) form.append("files", file);
  byId("import").disabled = true;
  toast(`Importing ${files.length} file${files.length > 1 ? "s" : ""}…`);
  try {
    const told = await request("medical/import", { gallery: archive.gallery?.name, method: "POST", body: form });
    toast(sum(told), { kind: told.refused.length ? "bad" : "" });
    await done();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message, { kind: "bad" });
  }
  byId("import").disabled = false;
}

function sum({ imported, known, refused, masked }) {
  const parts = [`${imported} imported`];
  if (known) parts.push(`${known} known`);
  if (masked) parts.push(`writing masked in ${masked}`);
  if (refused.length) parts.push(`${refused.length} refused: ${refused[0].name}: ${refused[0].reason}`);
  return parts.join(", ");
}

export function startImport(done) {
  byId("import").addEventListener("click", () => byId("import-files").click());
  byId("import-files").addEventListener("change", ({ target }) => {
    const files = [...target.files];
    target.value = "";
    if (files.length) send(files, done);
  });
}
