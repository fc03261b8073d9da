// What stands in place of pictures: loading, nothing to do, and what went wrong.

import { byId, el } from "../dom.js";
import { problemPlacard } from "../placard.js";
import { signIn } from "../sign-in.js";

export function put(...nodes) {
  byId("view").replaceChildren(...nodes);
  byId("work").setAttribute("aria-busy", "false");
}

export function loading() {
  byId("work").setAttribute("aria-busy", "true");
  byId("view").replaceChildren(el("div", { class: "loading", aria: { hidden: true } }));
}

export const showProblem = (error, again) =>
  put(problemPlacard(error, { again, enter: () => signIn(again, "To review, a key needs the scope write.") }));
