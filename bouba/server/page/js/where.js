// Filters that were chosen -> the `where` language of bouba. The server parses it anew and checks every name and type.

const KEYWORDS = new Set(["and", "or", "not", "in", "between", "like", "is", "null", "has", "true", "false"]);

function quotedName(name) {
  const plain = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !KEYWORDS.has(name.toLowerCase());
  return plain ? name : `\`${name.replaceAll("`", "``")}\``;
}

/** A backslash is an escape only before a quote or a backslash, so both are escaped and nothing else is. */
function quotedText(text) {
  return `"${String(text).replace(/[\\"]/g, "\\$&")}"`;
}

/**
 * `filters`: field -> {type, values} for text, list of text and boolean, {type, from, to} for number and date, either
 * end missing. A date's end is the whole day. Returns null where nothing is filtered.
 */
export function whereOf(filters) {
  const clauses = Object.entries(filters).flatMap(([name, filter]) => clausesOf(quotedName(name), filter));
  return clauses.length ? clauses.join(" and ") : null;
}

function clausesOf(name, filter) {
  const { type, values = [] } = filter;
  if (type === "number") return ends(name, filter.from, filter.to);
  if (type === "date") return dates(name, filter.from, filter.to);
  if (!values.length) return [];
  if (type === "list of text") return [anyOf(values.map((value) => `${name} has ${quotedText(value)}`))];
  const written = values.map((value) => (type === "boolean" ? String(value) : quotedText(value)));
  return [written.length === 1 ? `${name} = ${written[0]}` : `${name} in (${written.join(", ")})`];
}

const anyOf = (clauses) => (clauses.length === 1 ? clauses[0] : `(${clauses.join(" or ")})`);

function ends(name, from, to) {
  return [from === undefined ? null : `${name} >= ${from}`, to === undefined ? null : `${name} <= ${to}`].filter(
    Boolean,
  );
}

function dates(name, from, to) {
  return [from ? `${name} >= ${from}` : null, to ? `${name} < ${dayAfter(to)}` : null].filter(Boolean);
}

/** Days as ISO 8601, in UTC so that no summer time moves them. */
function dayAfter(day) {
  const moment = new Date(`${day}T00:00:00Z`);
  moment.setUTCDate(moment.getUTCDate() + 1);
  return moment.toISOString().slice(0, 10);
}

/** Without one field: what its own values are counted under. */
export function without(filters, field) {
  return Object.fromEntries(Object.entries(filters).filter(([name]) => name !== field));
}
