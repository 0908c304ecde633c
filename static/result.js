// Final Result: the image of a complete job beside its original, or why there is none.

import { at, make, say, show } from "./dom.js";
import { closeViewer, openViewer, startViewer } from "./viewer/compare.js";
import * as words from "./words.js";

const WAITING = "It appears here when the job is complete.";
const NONE = {
  complete: "It is not kept any more.",
  failed: "There is none: the job failed.",
  cancelled: "There is none: the job was cancelled.",
};

let job = null;
let shown = null;

/** Calls `onAgain(job)` when its image shall be processed with other filters. */
export function startResult(onAgain) {
  startViewer();
  at("again").addEventListener("click", () => onAgain(job));
}

/** Shows the result of a job, or of none; nothing happens when it is shown already. */
export function showResult(now) {
  job = now;
  const { original, result } = job?.links ?? {};
  const state = job ? `${job.id} ${job.status} ${original} ${result}` : "";
  if (state === shown) return;
  shown = state;
  closeViewer();
  const complete = Boolean(result);
  show(at("result-body"), complete);
  show(at("download"), complete);
  show(at("original"), complete && Boolean(original));
  show(at("again"), Boolean(original) && words.ended(job));
  say(at("result-said"), complete ? "" : (NONE[job?.status] ?? WAITING));
  if (complete) showComplete();
}

function showComplete() {
  const { format, width, height, bytes, notes, links } = job;
  const facts = [format.toUpperCase(), words.size(width, height), words.bytes(bytes)];
  say(at("result-facts"), facts.join(", "));
  at("result-notes").replaceChildren(...notes.map((note) => make("li", {}, note)));
  at("download").href = links.result;
  at("original").href = links.original ?? "";
  openViewer(job);
}
