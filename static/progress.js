// Job Progress: one job as it is now, and what can be done with it.

import { request, secondsSince } from "./api.js";
import { at, say, show } from "./dom.js";
import * as words from "./words.js";

let job = null;
/** When the page saw the first tiles of this job, and how many: what the time left is told by. */
let seen = null;

/**
 * Calls `onChange(job)` with what became of this job, `onJob(job)` with one that takes its place,
 * `remove(job)` to delete it.
 */
export function startProgress({ onChange, onJob, remove }) {
  const act = (id, action) => at(id).addEventListener("click", () => attempt(action));
  act("cancel", async () => onChange(await request("POST", `/api/jobs/${job.id}/cancel`)));
  act("retry", async () => onJob(await request("POST", `/api/jobs/${job.id}/retry`)));
  act("delete", async () => {
    const doomed = job;
    const question = `Delete ${doomed.name}, its original and its result?`;
    if (await confirmed(question)) await remove(doomed);
  });
  setInterval(() => job && !words.ended(job) && say(at("job-time"), timeOf(job)), 1000);
}

async function attempt(action) {
  say(at("job-action-error"), "");
  try {
    await action();
  } catch (error) {
    say(at("job-action-error"), error.message);
  }
}

function confirmed(question) {
  const dialog = at("confirm");
  say(at("confirm-text"), question);
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => {
    const answer = () => resolve(dialog.returnValue === "delete");
    dialog.addEventListener("close", answer, { once: true });
  });
}

/** Shows that there is no job, and why. */
export function showNoJob(text) {
  job = null;
  say(at("job-status"), text);
  show(at("job-body"), false, at("job-heading"));
}

export function showJob(now) {
  if (now.id !== job?.id) {
    say(at("job-action-error"), "");
    seen = null;
  }
  job = now;
  if (job.status === "processing") seen ??= { at: performance.now(), done: job.tiles_done };
  say(at("job-status"), words.statusSentence(job));
  showTiles();
  showFacts();
  showActions();
  show(at("job-body"), true);
}

/** How far a job was that failed or was cancelled is not known afterwards. */
function showTiles() {
  const { status, tiles_done: done, tiles_total: total, tile_size: side, attempts } = job;
  show(at("job-running"), !["failed", "cancelled"].includes(status));
  at("job-bar").max = total;
  at("job-bar").value = done;
  const again = attempts > 1 ? `; a tile needed ${attempts} attempts` : "";
  const tiles = `${words.count(done)} of ${words.plural(total, "tile")} done`;
  const sides = `${words.count(side)} pixels a side`;
  say(at("job-tiles"), `${words.percent(done, total)}: ${tiles}, ${sides}${again}`);
  const trouble = job.error?.text ?? job.obstacle;
  say(at("job-error"), trouble ?? "");
  show(at("job-error"), Boolean(trouble));
}

function showFacts() {
  say(at("job-name"), job.name);
  say(at("job-size"), words.size(job.width, job.height));
  say(at("job-filters"), job.filters || "none, the image is only written anew");
  say(at("job-time"), timeOf(job));
}

function showActions() {
  const ended = words.ended(job);
  show(at("cancel"), !ended, at("job-heading"));
  show(at("retry"), ended && Boolean(job.links.original));
  show(at("delete"), ended);
}

function timeOf({ status, timings, created_at, finished_at }) {
  if (timings) {
    const { split, filter, stitch } = timings;
    const parts = [["waiting and decoding", split], ["filtering", filter], ["writing", stitch]];
    const told = parts.map(([what, time]) => `${what} ${words.seconds(time)}`).join(", ");
    return `${words.seconds(split + filter + stitch)}: ${told}`;
  }
  if (finished_at) {
    const spent = (Date.parse(finished_at) - Date.parse(created_at)) / 1000;
    return `ended after ${words.seconds(spent)}`;
  }
  const left = status === "processing" ? timeLeft() : "";
  return `${words.seconds(Math.floor(secondsSince(created_at)))} so far${left}`;
}

/** Told by the tiles that were done while the page looked on, as soon as that says something. */
function timeLeft() {
  const done = job.tiles_done - seen.done;
  const spent = (performance.now() - seen.at) / 1000;
  if (spent < 2 || done < 3) return "";
  const left = Math.ceil(((job.tiles_total - job.tiles_done) / done) * spent);
  return `, about ${words.seconds(left)} until the tiles are done`;
}
