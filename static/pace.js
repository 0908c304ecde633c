// The speed of a job and the time left, from the page's recent observations.

/** The span of observations in milliseconds: at most, and at least before there is an estimate. */
const [LATELY, ENOUGH] = [8000, 1000];

let seen = [];
let id = null;

/** Tiles a second and seconds left, or null while there is no estimate. */
export function paceOf(job) {
  if (job.id !== id) [id, seen] = [job.id, []];
  if (job.status !== "processing") return null;
  const now = performance.now();
  const last = seen.at(-1);
  if (!last || last.done !== job.tiles_done) seen.push({ at: now, done: job.tiles_done });
  while (seen.length > 2 && now - seen[1].at > LATELY) seen.shift();
  const [first] = seen;
  const [spent, done] = [now - first.at, job.tiles_done - first.done];
  if (spent < ENOUGH || done < 1) return null;
  const rate = (1000 * done) / spent;
  return { rate, left: (job.tiles_total - job.tiles_done) / rate };
}
