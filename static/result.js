// Final Result: the image of a complete job, or why there is none.

import { at, make, say, show } from "./dom.js";
import * as words from "./words.js";

/** Pixels above which the image is shown only when asked: browsers decode it as a whole. */
const LARGE = 100e6;
const WAITING = "It appears here when the job is complete.";
const NONE = {
  complete: "It is not kept any more.",
  failed: "There is none: the job failed.",
  cancelled: "There is none: the job was cancelled.",
};
const NOT_SHOWN = "This browser could not show the image. The download has it.";

let job = null;
let shown = null;

/** Calls `onAgain(job)` when its image shall be processed with other filters. */
export function startResult(onAgain) {
  const image = at("result-image");
  image.addEventListener("load", () => show(image, true));
  image.addEventListener("error", () => {
    show(image, false);
    if (image.hasAttribute("src")) say(at("result-said"), NOT_SHOWN);
  });
  at("result-show").addEventListener("click", () => {
    say(at("result-said"), "");
    load();
    show(at("result-show"), false, at("download"));
  });
  at("again").addEventListener("click", () => onAgain(job));
}

/** Shows the result of a job, or of none; nothing happens when it is shown already. */
export function showResult(now) {
  job = now;
  const { original, result } = job?.links ?? {};
  const state = job ? `${job.id} ${job.status} ${original} ${result}` : "";
  if (state === shown) return;
  shown = state;
  unload();
  const complete = Boolean(result);
  show(at("result-body"), complete);
  show(at("again"), Boolean(original) && words.ended(job));
  show(at("result-show"), false);
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
  show(at("original"), Boolean(links.original));
  if (format === "tiff") {
    say(at("result-said"), "Browsers cannot show TIFF. The download has the image.");
  } else if (width * height > LARGE) {
    const megapixels = words.count(Math.round((width * height) / 1e6));
    say(at("result-said"), `${megapixels} megapixels may be too much for a browser to show.`);
    show(at("result-show"), true);
  } else {
    load();
  }
}

function load() {
  const image = at("result-image");
  image.alt = `${job.name} after ${job.filters || "no filter"}`;
  [image.width, image.height] = [job.width, job.height];
  image.src = job.links.result;
}

function unload() {
  at("result-image").removeAttribute("src");
  show(at("result-image"), false);
}
