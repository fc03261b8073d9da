// Which gallery is shown, and what is known of it.

export const archive = {
  wanted: new URLSearchParams(location.search).get("gallery"),
  gallery: null, // {name, items, writable, apps}
  facts: null, // the answer of medical/info
};

/** The gallery of the address, else the first that is an archive, else the first. */
export function choose(galleries) {
  const named = galleries.find(({ name }) => name === archive.wanted);
  archive.gallery = named ?? galleries.find(({ apps }) => apps.includes("medical")) ?? galleries[0] ?? null;
}
