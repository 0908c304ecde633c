// Job Progress: the current state of one job, and its actions.

import { cancel, remove, retry, withCommands } from "./actions.js";
import { at, make, say, show } from "./dom.js";
import { paceOf } from "./pace.js";
import { showPhases } from "./phases.js";
import * as words from "./words.js";

let job = null;
/** The actions in flight, each with its job: a second click does nothing. */
const acting = new Set();

/**
 * Calls `onChange(job)` when an action changed the job, `onJob(job)` with a job that replaces it, and `onRemoving(job)`
 * and `onRemoved(job, removed)` before and after its deletion.
 */
export function startProgress({ onChange, onJob, onRemoving, onRemoved }) {
  const act = (id, action) => at(id).addEventListener("click", () => attempt(id, action));
  act("cancel", async () => onChange(await cancel(job)));
  act("retry", async () => onJob(await retry(job)));
  act("delete", async () => {
    const doomed = job;
    try {
      if (await remove(doomed, () => onRemoving(doomed))) onRemoved(doomed, true);
    } catch (error) {
      onRemoved(doomed, false);
      throw error;
    }
  });
  setInterval(() => job && !words.ended(job) && showTimes(), 1000);
}

async function attempt(id, action) {
  const deed = `${id} ${job.id}`;
  if (acting.has(deed)) return;
  acting.add(deed);
  say(at("job-action-error"), "");
  try {
    await action();
  } catch (error) {
    say(at("job-action-error"), error.message);
  } finally {
    acting.delete(deed);
  }
}

/** Shows that there is no job, and why. */
export function showNoJob(text) {
  job = null;
  at("job").dataset.status = "";
  say(at("job-heading"), "Job Progress");
  say(at("job-status"), text);
  show(at("job-actions"), false, at("job-heading"));
  show(at("job-body"), false, at("job-heading"));
}

export function showJob(now) {
  if (now.id !== job?.id) say(at("job-action-error"), "");
  job = now;
  at("job").dataset.status = job.status;
  say(at("job-heading"), job.links.result ? "Final Result" : "Job Progress");
  say(at("job-status"), words.statusSentence(job));
  showTiles();
  showTrouble();
  showFacts();
  showTimes();
  showActions();
  show(at("job-actions"), true);
  show(at("job-body"), true);
}

/** Shows the progress of a job; until its first tile is done, how much of its image is decoded. */
function showTiles() {
  const { tiles_done: done, tiles_total: total, tile_size: side, attempts, split } = job;
  show(at("job-running"), !words.ended(job));
  at("job-bar").max = total;
  at("job-bar").value = done;
  if (!done && split) return say(at("job-tiles"), `Decoding the image: ${words.percent(split, 1)}`);
  const again = attempts > 1 ? `; a tile needed ${attempts} attempts` : "";
  const tiles = `${words.count(done)} of ${words.plural(total, "tile")} done`;
  const sides = `${words.count(side)} pixels a side`;
  say(at("job-tiles"), `${words.percent(done, total)}: ${tiles}, ${sides}${again}`);
}

/** Shows what a job waits for, in the words of the server, with the command that helps. */
function showTrouble() {
  const { error, obstacle } = job;
  const lines = error ? words.failure(job) : obstacle ? [`Waiting: ${obstacle}`] : [];
  const text = lines.join("\n");
  show(at("job-error"), lines.length > 0);
  if (at("job-error").dataset.text === text) return;
  at("job-error").dataset.text = text;
  at("job-error").replaceChildren(...lines.map((line) => make("span", {}, ...withCommands(line))));
}

function showFacts() {
  say(at("job-name"), job.name);
  const [from, to] = [words.size(job.width, job.height), words.size(job.result_width, job.result_height)];
  say(at("job-size"), from === to ? from : `${from}, result ${to}`);
  say(at("job-filters"), job.filters || "no filter: only re-encoded");
  show(at("job-batch"), Boolean(job.batch));
  if (!job.batch) return;
  at("job-batch").href = `#batch=${job.batch}`;
  say(at("job-batch"), "← All images of this batch");
}

function showTimes() {
  showPhases(job);
  const pace = paceOf(job);
  const left = pace && `about ${words.seconds(Math.ceil(pace.left))} until the tiles are done`;
  say(at("job-pace"), pace ? `${words.rate(pace.rate)} tiles/s, ${left}` : "");
}

function showActions() {
  const ended = words.ended(job);
  show(at("cancel"), !ended, at("job-heading"));
  show(at("retry"), words.isWorthRetry(job), at("job-heading"));
  show(at("delete"), ended);
}
