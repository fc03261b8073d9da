// Light, dark, or as the system has it.

import { say } from "./announce.js";
import { byId, storage } from "./dom.js";
import { icon } from "./icons.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const SHOWN = { auto: ["auto", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] };

function show(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const [glyph, words] = SHOWN[theme];
  const button = byId("theme");
  button.replaceChildren(icon(glyph));
  button.title = `Theme: ${words}`;
  button.setAttribute("aria-label", `Theme: ${words}`);
}

export function startTheme() {
  let theme = storage.read("theme", "auto");
  if (!(theme in NEXT)) theme = "auto";
  show(theme);
  byId("theme").addEventListener("click", () => {
    theme = NEXT[theme];
    storage.write("theme", theme);
    show(theme);
    say(`Theme: ${SHOWN[theme][1]}`);
  });
}
