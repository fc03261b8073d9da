// Pictures on their way into the gallery: a queue, a few files a request, with the progress of each.

import { toast } from "./announce.js";
import { away, problem, withGallery } from "./api.js";
import { byId } from "./dom.js";
import { galleryName, loadGalleries } from "./galleries.js";
import { kindOf } from "./intake.js";
import { search } from "./searcher.js";
import { isAsked } from "./state.js";

const FILES = 8; // at most in one request, so that a slow line shows progress
const BYTES = 24e6;
const TRIES = 5; // where the server is busy

let queue = []; // {file, gallery, state: waiting | sending | reading | done | failed, share, reason}
let running = false;
const totals = { added: 0, known: 0, failed: 0 };
const listeners = new Set();

export const uploads = () => ({ queue, totals, running });

export const onUploads = (run) => listeners.add(run);

const tell = () => listeners.forEach((run) => run());

export function add(files) {
  const gallery = galleryName();
  const pictures = files.filter((file) => kindOf(file) === "picture");
  const others = files.length - pictures.length;
  if (others)
    toast(`${others} ${others === 1 ? "file is no picture and was" : "files are no pictures and were"} left out.`);
  if (!pictures.length) return;
  if (!running) clearDone();
  queue.push(...pictures.map((file) => ({ file, gallery, state: "waiting", share: 0, reason: null })));
  tell();
  run();
}

export function clearDone() {
  queue = queue.filter(({ state }) => state === "waiting" || state === "sending" || state === "reading");
  Object.assign(totals, { added: 0, known: 0, failed: 0 });
  tell();
}

export function retryFailed() {
  for (const one of queue) if (one.state === "failed") Object.assign(one, { state: "waiting", share: 0, reason: null });
  totals.failed = 0;
  tell();
  run();
}

export function stopUploads() {
  queue = queue.filter(({ state }) => state !== "waiting");
  tell();
}

function nextBatch() {
  const batch = [];
  let bytes = 0;
  for (const one of queue) {
    if (one.state !== "waiting" || one.gallery !== (batch[0] ?? one).gallery) continue;
    if (batch.length && (batch.length >= FILES || bytes + one.file.size > BYTES)) break;
    batch.push(one);
    bytes += one.file.size;
  }
  return batch;
}

async function run() {
  if (running) return;
  running = true;
  for (let batch = nextBatch(); batch.length; batch = nextBatch()) await send(batch);
  running = false;
  tell();
  await loadGalleries().catch(() => {}); // what went wrong is told by the search below
  if (!isAsked()) search();
}

async function send(batch) {
  for (let left = TRIES; ; left -= 1) {
    try {
      settle(batch, await post(batch));
    } catch (error) {
      if (error.kind === "busy" && left > 0) {
        await new Promise((resolve) => setTimeout(resolve, 1000 * (error.retryAfter ?? 2)));
        continue;
      }
      for (const one of batch) Object.assign(one, { state: "failed", reason: error.message });
      totals.failed += batch.length;
    }
    return tell();
  }
}

/** The server names those that failed; of the others it gives counts. */
function settle(batch, { added, known, failed }) {
  const reasons = new Map(failed.map(({ name, error }) => [name, error]));
  for (const one of batch) {
    const reason = reasons.get(one.file.name) ?? null;
    Object.assign(one, { state: reason ? "failed" : "done", share: 1, reason });
  }
  totals.added += added;
  totals.known += known;
  totals.failed += failed.length;
}

/** XMLHttpRequest, because fetch tells nothing of a request's progress. */
function post(batch) {
  const form = new FormData();
  for (const { file } of batch) form.append("files", file, file.name);
  const call = new XMLHttpRequest();
  call.open("POST", withGallery("items", batch[0].gallery));
  call.setRequestHeader("X-Bouba", "page");
  call.responseType = "json";
  for (const one of batch) one.state = "sending";
  call.upload.addEventListener("progress", ({ loaded }) => spread(batch, loaded));
  call.upload.addEventListener(
    "load",
    () => (batch.forEach((one) => Object.assign(one, { state: "reading", share: 1 })), tell()),
  );
  return new Promise((resolve, reject) => {
    call.addEventListener("load", () => {
      const ok = call.status >= 200 && call.status < 300 && call.response;
      ok
        ? resolve(call.response)
        : reject(problem(call.status, call.response ?? {}, call.getResponseHeader("Retry-After")));
    });
    call.addEventListener("error", () => reject(away()));
    call.send(form);
  });
}

/** The bytes sent so far, over the files in the order in which they are sent. */
function spread(batch, loaded) {
  let left = loaded;
  for (const one of batch) {
    one.share = Math.min(1, left / Math.max(1, one.file.size));
    left = Math.max(0, left - one.file.size);
  }
  tell();
}

export const chooseFiles = () => byId("upload-files").click();

export const chooseFolder = () => byId("upload-folder").click();

export function startUpload() {
  for (const id of ["upload-files", "upload-folder"]) {
    byId(id).addEventListener("change", ({ target }) => {
      add([...target.files]);
      target.value = "";
    });
  }
  addEventListener("beforeunload", (event) => running && event.preventDefault());
}
