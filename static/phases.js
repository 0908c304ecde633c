// The phases of a job, each with its time: measured by the server once the job is complete, estimated here until then.

import { serverNow } from "./api.js";
import { at, make, say } from "./dom.js";
import { percent, seconds } from "./words.js";

const PHASES = ["Upload", "Split", "Filter", "Stitch"];
const ORDER = ["queued", "processing", "stitching", "complete"];

/** The key of this tab's notes about a job, which survive a reload: seconds of its upload, times of its phases. */
const key = (id) => `phases:${id}`;
/** The notes if the browser lets a site store nothing: they last until the reload. */
const spare = new Map();

const recall = (id) => ({ ...stored(id), ...spare.get(id) });

function stored(id) {
  try {
    return JSON.parse(sessionStorage.getItem(key(id)));
  } catch {
    return null;
  }
}

function note(id, seen) {
  const all = { ...recall(id), ...seen };
  try {
    sessionStorage.setItem(key(id), JSON.stringify(all));
  } catch {
    spare.set(id, all);
  }
}

/** Notes how many seconds the upload of a job took. */
export const noteUpload = ({ id }, upload) => note(id, { upload });

/** Shows the phases of a job. */
export function showPhases(job) {
  noteMoments(job);
  const times = timesOf(job);
  const over = phasesOver(job);
  const waits = job.status === "queued";
  if (!at("phases").children.length) at("phases").append(...PHASES.map(phaseItem));
  PHASES.forEach((name, index) => {
    const item = at("phases").children[index];
    item.className = index < over ? "done" : "";
    if (index === over && !waits) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
    const time = times[index] === null ? "" : seconds(times[index]);
    const part = name === "Split" && index === over && job.split ? ` ${percent(job.split, 1)}` : "";
    say(item.lastElementChild, index === over && waits ? "waiting" : `${time}${part}`);
  });
}

const phaseItem = (name) => make("li", {}, make("span", {}, name), " ", make("small"));

/** Notes times that the server gives only while a job is active. */
function noteMoments({ id, status, filtering_since: filtering }) {
  const seen = recall(id);
  if (filtering && seen.filtering !== filtering) note(id, { filtering });
  if (status === "stitching" && !seen.stitching) note(id, { stitching: serverNow() });
}

function timesOf({ id, created_at, timings, finished_at }) {
  const { upload = null, filtering, stitching = null } = recall(id);
  if (timings) return [upload, timings.split, timings.filter, timings.stitch];
  const until = finished_at ? Date.parse(finished_at) : serverNow();
  const began = Date.parse(created_at);
  const first = filtering ? Date.parse(filtering) : null;
  const between = (from, to) => (from === null ? null : Math.max(0, (to - from) / 1000));
  return [upload, between(began, first ?? until), between(first, stitching ?? until), between(stitching, until)];
}

/** How many phases are over; a job that failed or was cancelled stays where the page saw it. */
function phasesOver({ id, status, tiles_done: done }) {
  if (status === "complete") return PHASES.length;
  if (status === "processing") return done > 0 ? 2 : 1;
  const reached = ORDER.indexOf(status);
  if (reached >= 0) return reached + 1;
  const { filtering, stitching } = recall(id);
  return stitching ? 3 : filtering ? 2 : 1;
}
