// What is known of batches: images that were sent together.

import { confirmed } from "./actions.js";
import { request } from "./api.js";
import { images } from "./words.js";

/** Milliseconds between two questions about the same batch. */
const PAUSE = 1000;

/** By id: what was told last, when that was, whether an answer is awaited, and whether to ask once more after it. */
const known = new Map();
const listeners = [];

/** Calls `listener(id)` whenever something else is told of a batch than before. */
export const watch = (listener) => listeners.push(listener);

/** A batch as it was told last: null when it is gone, undefined before the first answer. */
export const batchOf = (id) => known.get(id)?.told;

/** Whether nothing of a batch will change by itself any more. */
export const isOver = ({ jobs, complete, failed, cancelled }) => complete + failed + cancelled === jobs;

/** Asks how a batch is, soon. */
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
  // That one is gone is told each time: it may have been looked at anew.
  if (told === undefined || (told && JSON.stringify(told) === JSON.stringify(entry.told))) return;
  entry.told = told;
  for (const listener of listeners) listener(id);
}

/** Does something to a batch, and asks what became of it. */
async function act(id, action) {
  await action;
  if (known.has(id)) known.get(id).at = -Infinity;
  ask(id);
}

/** Stops what has not ended of a batch. */
export const cancelBatch = (id) => act(id, request("POST", `/api/batches/${id}/cancel`));

/** Deletes all images of a batch, of which some are known, if that is meant. */
export async function removeBatch(id, { jobs }) {
  const batch = batchOf(id);
  const running = batch && isOver(batch) ? "" : " Images still in progress are stopped first.";
  const question = `Delete ${images(batch?.jobs ?? jobs)}, their originals and their results?${running}`;
  if (await confirmed(question)) await act(id, request("DELETE", `/api/batches/${id}`));
}
