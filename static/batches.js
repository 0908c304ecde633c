// The known batches: images that were sent together.

import { confirmed } from "./actions.js";
import { request } from "./api.js";
import { images } from "./words.js";

/** Milliseconds between two requests for one batch. */
const PAUSE = 1000;

/** By id: the last response, its time, whether one is awaited, and whether to ask once more after it. */
const known = new Map();
const listeners = [];

/** Calls `listener(id)` whenever a batch has changed. */
export const watch = (listener) => listeners.push(listener);

/** A batch as of the last response: null when it is gone, undefined before the first response. */
export const batchOf = (id) => known.get(id)?.told;

/** Whether all jobs of a batch have ended. */
export const isOver = ({ jobs, complete, failed, cancelled }) => complete + failed + cancelled === jobs;

/** Requests a batch soon. */
export function ask(id) {
  const entry = known.get(id) ?? { at: -Infinity };
  known.set(id, entry);
  entry.again = entry.awaited;
  if (entry.awaited) return;
  entry.awaited = true;
  setTimeout(() => askNow(id, entry), Math.max(0, entry.at + PAUSE - performance.now()));
}

async function askNow(id, entry) {
  entry.again = false;
  const told = await request("GET", `/api/batches/${id}`).catch(({ status, foreign }) => (status === 404 && !foreign ? null : undefined));
  Object.assign(entry, { awaited: false, at: performance.now() });
  if (entry.again) ask(id);
  // Listeners hear each time that a batch is gone: it may have been opened again.
  if (told === undefined || (told && JSON.stringify(told) === JSON.stringify(entry.told))) return;
  entry.told = told;
  for (const listener of listeners) listener(id);
}

/** Waits for an action on a batch, then requests the batch. */
async function act(id, action) {
  await action;
  if (known.has(id)) known.get(id).at = -Infinity;
  ask(id);
}

/** Cancels the jobs of a batch that have not ended. */
export const cancelBatch = (id) => act(id, request("POST", `/api/batches/${id}/cancel`));

/** Deletes all images of a batch if the reader confirms; `jobs` is how many are known from the list. */
export async function removeBatch(id, { jobs }) {
  const batch = batchOf(id);
  const running = batch && isOver(batch) ? "" : " Images still in progress are stopped first.";
  const question = `Delete ${images(batch?.jobs ?? jobs)}, their originals and their results?${running}`;
  if (await confirmed(question)) await act(id, request("DELETE", `/api/batches/${id}`));
}
