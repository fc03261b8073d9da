// The ways from here to what else a gallery is used for.

import { byId, el } from "./dom.js";
import { onGallery } from "./galleries.js";

const NAMES = { shop: "Shop", medical: "Archive", moderation: "Moderation" };

function link(gallery, app) {
  return el("a", { class: "button quiet", href: `${app}?${new URLSearchParams({ gallery })}` }, NAMES[app]);
}

export function startApps() {
  onGallery((gallery) => byId("apps").replaceChildren(...(gallery?.apps ?? []).map((app) => link(gallery.name, app))));
}
