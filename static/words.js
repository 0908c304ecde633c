// Amounts and states in words.

const number = new Intl.NumberFormat("en");
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const count = (value) => number.format(value);
export const rate = (value) => short.format(value);
export const plural = (value, one) => `${count(value)} ${one}${value === 1 ? "" : "s"}`;
/** "3 images" */
export const images = (value) => plural(value, "image");
export const size = (width, height) => `${count(width)} × ${count(height)} pixels`;
export const percent = (part, whole) => `${whole ? Math.floor((100 * part) / whole) : 0} %`;

/** 1951852 is "1.9 MiB". */
export function bytes(value) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? plural(value, "byte") : `${short.format(value)} ${units[unit]}`;
}

/** 75.2 is "1 min 15 s"; below ten seconds tenths count, below one hundredths. */
export function seconds(value) {
  if (value < 1) return `${fine.format(Math.max(value, 0))} s`;
  if (value < 10) return `${short.format(value)} s`;
  const whole = Math.round(value);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

const STATUS = {
  queued: ["◌", "Queued", "waits for its turn"],
  processing: ["▶", "Processing"],
  stitching: ["▣", "Stitching", "the final image is being written"],
  complete: ["✓", "Complete"],
  failed: ["✕", "Failed", "there will be no final image"],
  cancelled: ["■", "Cancelled", "there will be no final image"],
};

/** "✓ Complete" */
export function status(job) {
  const [symbol, word] = STATUS[job.status] ?? ["?", job.status];
  return `${symbol} ${word}`;
}

/** "✓ Complete in 0.87 s", "◌ Queued: waits for its turn" */
export function statusSentence(job) {
  const { timings, created_at, finished_at } = job;
  if (timings) return `${status(job)} in ${seconds(timings.split + timings.filter + timings.stitch)}`;
  const after = finished_at ? ` after ${seconds((Date.parse(finished_at) - Date.parse(created_at)) / 1000)}` : "";
  const meaning = STATUS[job.status]?.[2];
  return `${status(job)}${after}${meaning ? `: ${meaning}` : ""}`;
}

/** Whether a retry of this job may end differently. */
export function isWorthRetry({ status, error, links }) {
  if (!links.original) return false;
  if (status === "failed") return !error?.futile;
  return status === "cancelled" || (status === "complete" && !links.result);
}

export const ended = (job) => ["complete", "failed", "cancelled"].includes(job.status);

const WORKER = {
  live: "● live",
  late: "◐ late",
  dead: "✕ dead",
  leaving: "◌ leaving",
};

export const workerState = (worker) => WORKER[worker.state] ?? worker.state;

/** The cause of a failure, and what to do, as lines. */
export function failure({ error, tile_size: side, width }) {
  const cause = `Cause: ${error.text}`;
  if (error.tile === undefined) {
    return [cause, error.futile ? "Repair the file, or choose another one." : "Retry the job once the cause is gone."];
  }
  const columns = Math.ceil(width / side);
  const [row, column] = [Math.floor(error.tile / columns) + 1, (error.tile % columns) + 1];
  const where = `Tile ${error.tile} is in row ${row}, column ${column} of the image.`;
  const log = error.worker ? `look into the log of ${error.worker}` : "look into the log of the server";
  return [cause, `${where} Retry the job; if it fails at the same tile again, ${log}.`];
}

/** "▶ Processing 40 %" */
export const statusAndPart = (job) =>
  job.status === "processing" ? `${status(job)} ${percent(job.tiles_done, job.tiles_total)}` : status(job);

/** The status of a batch as a whole, as one of the statuses of a job. */
export function batchStatus({ jobs, complete, failed, cancelled }) {
  if (complete + failed + cancelled < jobs) return "processing";
  if (failed) return "failed";
  return cancelled === jobs ? "cancelled" : "complete";
}

/** "27 of 30 images done, 1 failed" */
export function batchSentence({ jobs, complete, failed, cancelled }) {
  const others = [[failed, "failed"], [cancelled, "cancelled"]].filter(([many]) => many);
  return [`${count(complete)} of ${images(jobs)} done`, ...others.map(([many, word]) => `${count(many)} ${word}`)].join(", ");
}

/** The title of the window while this job is shown. */
export function title(job) {
  if (!job) return "tilemill";
  const running = ["processing", "stitching"].includes(job.status);
  const state = running ? percent(job.tiles_done, job.tiles_total) : status(job);
  return `${state} · ${job.name} · tilemill`;
}
