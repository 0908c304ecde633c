// A batch on the page: all of its images on one sheet, with one progress, one download and one deletion.

import { here, request } from "./api.js";
import { ask, batchOf, cancelBatch, isOver, removeBatch, watch } from "./batches.js";
import { at, keep, make, say, show } from "./dom.js";
import { showPicture } from "./jobs.js";
import * as words from "./words.js";

/** How many images are shown at first, and at most: the server lists no more at once. */
const [FIRST, MOST] = [60, 500];
/** Milliseconds between two requests for a batch that is not over. */
const LOOK = 1500;

let shown = null;
let wanted = FIRST;
/** Counts the requests for the images: only the response to the last one is shown. */
let round = 0;
let onGone = () => {};

/** Calls `gone(id)` when the shown batch no longer exists. */
export function startBatch(gone) {
  onGone = gone;
  watch((id) => id === shown && refresh(id));
  at("sheet-more").addEventListener("click", () => {
    wanted = MOST;
    refresh(shown);
  });
  act("batch-cancel", cancelBatch);
  act("batch-delete", (id) => removeBatch(id, batchOf(id)));
  setInterval(() => document.hidden || look(), LOOK);
}

function act(id, action) {
  at(id).addEventListener("click", async () => {
    say(at("batch-error"), "");
    await action(shown).catch((error) => say(at("batch-error"), error.message));
  });
}

/** Shows a batch, or none. */
export function showBatch(id) {
  if (id !== shown) clear();
  shown = id;
  show(at("batch"), Boolean(id), at("job-heading"));
  if (!id) return;
  at("batch-download").href = here(`/api/batches/${id}/results`);
  if (batchOf(id)) refresh(id);
  ask(id);
}

/** Removes the previous batch from the page; there are no actions until the next one is known. */
function clear() {
  [wanted, round] = [FIRST, round + 1];
  for (const part of ["batch-actions", "batch-bar", "sheet-more"]) show(at(part), false, at("batch-heading"));
  say(at("batch-heading"), "Images");
  say(at("batch-status"), "Loading…");
  for (const text of ["batch-said", "batch-error"]) say(at(text), "");
  keep(at("sheet"), [], () => "", create, update);
}

/** Asks for the shown batch again; once it is over, only if `changed` says that jobs have come or gone. */
export function look(changed = false) {
  if (shown && (changed || !batchOf(shown) || !isOver(batchOf(shown)))) ask(shown);
}

async function refresh(id) {
  const batch = batchOf(id);
  if (id !== shown) return;
  if (!batch) return onGone(id);
  showSummary(batch);
  const current = (round += 1);
  const [first, last] = [Math.max(0, batch.jobs - wanted), wanted];
  const page = await request("GET", `/api/jobs?batch=${id}&count=${last}&skip=${first}`).catch(() => null);
  if (current !== round) return;
  // The summary may not change again, and only a change would request them again.
  if (!page) return void setTimeout(() => current === round && refresh(id), LOOK);
  const jobs = page.jobs.toReversed();
  keep(at("sheet"), jobs, (job) => job.id, create, update, at("batch-heading"));
  show(at("sheet-more"), jobs.length < batch.jobs && wanted < MOST, at("batch-heading"));
}

function showSummary(batch) {
  const over = isOver(batch);
  const [state, sentence] = [words.status({ status: words.batchStatus(batch) }), words.batchSentence(batch)];
  say(at("batch-heading"), words.images(batch.jobs));
  // Screen readers read this whenever it changes, but not the count beside the bar.
  say(at("batch-status"), over ? `${state}: ${sentence}` : state);
  Object.assign(at("batch-bar"), { max: batch.tiles_total, value: batch.tiles_done });
  show(at("batch-bar"), !over);
  const size = batch.complete ? [`${words.bytes(batch.bytes)} of results`] : [];
  say(at("batch-said"), [...(over ? [] : [sentence]), words.plural(batch.tiles_total, "tile"), ...size].join(", "));
  show(at("batch-actions"), true);
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
  say(state, words.statusAndPart(job));
  showPicture(picture.firstElementChild, job);
}
