// A batch on the page: all of its images on one sheet, with one progress, one download and one end.

import { confirmed } from "./actions.js";
import { here, request } from "./api.js";
import { ask, batchOf, cancelBatch, deleteBatch, isOver, watch } from "./batches.js";
import { at, keep, make, say, show } from "./dom.js";
import * as words from "./words.js";

/** Images that are shown at first, and how many more at a time; the server tells of no more at once. */
const [FIRST, MOST] = [60, 500];
/** Milliseconds between two looks at a batch that is not over. */
const LOOK = 1500;

let shown = null;
let wanted = FIRST;
let jobs = [];
let onGone = () => {};

/** Calls `gone(id)` when a batch that was shown is not there any more. */
export function startBatch(gone) {
  onGone = gone;
  watch((id) => id === shown && refresh(id));
  at("sheet-more").addEventListener("click", () => {
    wanted = MOST;
    refresh(shown);
  });
  act("batch-cancel", cancelBatch);
  act("batch-delete", async (id) => {
    const batch = batchOf(id);
    const running = isOver(batch) ? "" : " Those in work are stopped first.";
    const question = `Delete ${words.images(batch.jobs)}, their originals and their results?${running}`;
    if (await confirmed(question)) await deleteBatch(id);
  });
  setInterval(() => document.hidden || !shown || isEnded(shown) || look(), LOOK);
}

function act(id, action) {
  at(id).addEventListener("click", async () => {
    say(at("batch-error"), "");
    await action(shown).catch((error) => say(at("batch-error"), error.message));
  });
}

/** Shows a batch, or none. */
export function showBatch(id) {
  if (id !== shown) [wanted, jobs] = [FIRST, []];
  shown = id;
  show(at("batch"), Boolean(id));
  if (!id) return;
  at("batch-download").href = here(`/api/batches/${id}/results`);
  say(at("batch-status"), "Loading…");
  keep(at("sheet"), [], () => "", create, update);
  if (batchOf(id)) refresh(id);
  look();
}

/** Looks at the batch that is shown: something may have happened to its jobs. */
export function look() {
  if (shown) ask(shown);
}

const isEnded = (id) => Boolean(batchOf(id)) && isOver(batchOf(id));

async function refresh(id) {
  const batch = batchOf(id);
  if (id !== shown) return;
  if (!batch) return onGone(id);
  showSummary(batch);
  const page = await request("GET", `/api/jobs?batch=${id}&count=${wanted}&skip=${Math.max(0, batch.jobs - wanted)}`).catch(() => null);
  if (id !== shown || !page) return;
  jobs = page.jobs.toReversed();
  keep(at("sheet"), jobs, (job) => job.id, create, update, at("batch-heading"));
  show(at("sheet-more"), jobs.length < batch.jobs && wanted < MOST, at("batch-heading"));
}

function showSummary(batch) {
  const over = isOver(batch);
  say(at("batch-heading"), words.images(batch.jobs));
  say(at("batch-status"), `${over ? "✓" : "▶"} ${words.batchSentence(batch)}`);
  Object.assign(at("batch-bar"), { max: batch.tiles_total, value: batch.tiles_done });
  show(at("batch-bar"), !over);
  const size = batch.complete ? `, ${words.bytes(batch.bytes)} of results` : "";
  say(at("batch-said"), `${words.percent(batch.tiles_done, batch.tiles_total)} of ${words.plural(batch.tiles_total, "tile")}${size}`);
  show(at("batch-download"), batch.complete > 0, at("batch-heading"));
  show(at("batch-cancel"), !over, at("batch-heading"));
}

function create(job) {
  const picture = make("img", { alt: "", loading: "lazy", hidden: true });
  const name = make("span", { className: "name" }, job.name);
  return make("li", {}, make("a", { href: `#job=${job.id}` }, make("span", { className: "picture" }, picture), name, make("span", { className: "state" })));
}

function update(item, job) {
  const [picture, , state] = item.firstElementChild.children;
  item.dataset.status = job.status;
  const done = job.status === "processing" ? ` ${words.percent(job.tiles_done, job.tiles_total)}` : "";
  say(state, `${words.status(job)}${done}`);
  const path = job.status === "complete" && job.links.thumbnail;
  if (path && !picture.firstElementChild.src) picture.firstElementChild.src = path;
  show(picture.firstElementChild, Boolean(path));
}
