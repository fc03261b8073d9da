// What stands in place of studies: nothing yet, nothing found, waiting, or what went wrong.

import { button, byId, el } from "../dom.js";
import { command, placard, problemPlacard } from "../placard.js";
import { signIn } from "../sign-in.js";

const EXAMPLES = ["pleural effusion", "ring enhancing lesion", "fracture without dislocation"];

const put = (...nodes) => byId("state").replaceChildren(...nodes);

export const showNothing = () => put();

export function showWaiting() {
  if (!byId("hits").children.length) put(el("p", { class: "quiet-text" }, "Looking…"));
}

/** Before anything is asked. */
export function showStart(facts, asked) {
  if (!facts.studies) {
    put(
      placard(
        "gallery",
        "No studies here yet",
        el("p", {}, "DICOM files, folders and ZIP archives are de-identified on the way in. From a terminal:"),
        command("bouba medical import ~/dicom"),
      ),
    );
    return;
  }
  const told = (count, one, several) => `${count.toLocaleString()} ${count === 1 ? one : several}`;
  const counts = [
    told(facts.studies, "study", "studies"),
    told(facts.pictures, "picture", "pictures"),
    told(facts.reports, "report", "reports"),
  ].join(", ");
  put(
    placard(
      "search",
      "Ask for a finding, a report or a scan",
      el("p", {}, `${counts}. What reports deny is kept apart: “effusion” finds no “no effusion”.`),
      el("div", { class: "state-buttons" }, ...EXAMPLES.map((text) => button(`“${text}”`, { kind: "pill", press: () => asked(text) }))),
    ),
  );
}

export const showNone = () =>
  put(placard("search", "Nothing found", el("p", {}, "No study fits. Other words, or fewer filters, may find more.")));

export function showProblem(error, again) {
  byId("hits").replaceChildren();
  put(problemPlacard(error, { again, enter: () => signIn(again) }));
  byId("results").setAttribute("aria-busy", false);
}
