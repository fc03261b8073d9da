// Requests to the server, and what can go wrong with them in words that a person understands.

const TIMEOUT_MS = 60_000;

/** An answer that is none. `kind`: busy, key, forbidden, away, slow, refused, missing, broken. */
export class Problem extends Error {
  constructor(kind, message, { retryAfter = null, requestId = null, code = null } = {}) {
    super(message);
    this.kind = kind;
    this.retryAfter = retryAfter; // seconds
    this.requestId = requestId;
    this.code = code;
  }
}

/** The JSON of an answer, null where there is none. Raises Problem; an AbortError goes through as it is. */
export async function request(path, { gallery = null, query = {}, signal = null, ...rest } = {}) {
  const response = await send(withGallery(path, gallery, query), { ...rest, signal });
  if (response.status === 204) return null;
  return response.json().catch((error) => {
    throw signal?.aborted ? error : away(); // it broke off in the middle
  });
}

export async function requestBlob(path, { gallery = null, signal = null, ...rest } = {}) {
  return (await send(withGallery(path, gallery, {}), { ...rest, signal })).blob();
}

export function withGallery(path, gallery, query = {}) {
  const entries = Object.entries({ ...query, gallery }).filter(([, value]) => value !== null && value !== undefined);
  return entries.length ? `${path}?${new URLSearchParams(entries)}` : path;
}

/** JSON, or a form with the same JSON as its field `body` where files go along. */
export function posted(body, files = {}) {
  const json = JSON.stringify(body);
  if (!Object.keys(files).length)
    return { method: "POST", body: json, headers: { "Content-Type": "application/json" } };
  const form = new FormData();
  form.append("body", json);
  for (const [name, blob] of Object.entries(files)) form.append(name, blob, blob.name ?? name);
  return { method: "POST", body: form };
}

async function send(url, { signal, headers = {}, ...rest }) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const both = signal ? AbortSignal.any([signal, timeout]) : timeout;
  let response;
  try {
    response = await fetch(url, {
      ...rest,
      signal: both,
      credentials: "same-origin",
      headers: { ...headers, "X-Bouba": "page" },
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw timeout.aborted ? tooSlow() : away();
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

export const away = () =>
  new Problem("away", "The server does not answer. It may have been stopped, or this device is not connected.");

const tooSlow = () => new Problem("slow", "The server took longer than a minute, so the page stopped waiting.");

async function problemOf(response) {
  let detail = {};
  try {
    detail = await response.json();
  } catch {
    // a proxy's own page, or nothing: the status has to do
  }
  return problem(response.status, detail, response.headers.get("Retry-After"));
}

const KINDS = { 401: "key", 403: "forbidden", 404: "missing", 429: "busy", 503: "busy", 502: "away", 504: "slow" };

/** Also for answers that did not come by `fetch`. */
export function problem(status, detail, retryAfter = null) {
  const kind = KINDS[status] ?? (status >= 500 ? "broken" : "refused");
  const seconds = Number.parseInt(retryAfter, 10);
  return new Problem(kind, messageOf(detail) || WORDS[kind], {
    retryAfter: Number.isFinite(seconds) ? Math.max(1, seconds) : null,
    requestId: detail.request_id ?? null,
    code: detail.code ?? null,
  });
}

const messageOf = (detail) => (typeof detail.detail === "string" ? detail.detail : "");

const WORDS = {
  busy: "The server has too much to do just now.",
  key: "This server wants a key.",
  forbidden: "This key may not do that.",
  away: "The server does not answer.",
  slow: "The server took too long.",
  missing: "It is not there (any more).",
  broken: "The server made a mistake. It is in its log.",
  refused: "The server could not use that.",
};
