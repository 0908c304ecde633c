// Recent Jobs: the newest first, each with a picture of its result, its progress, and its actions. The jobs of a batch
// are one line.

import { cancel, remove, retry } from "./actions.js";
import { here, request } from "./api.js";
import { ask, batchOf, cancelBatch, isOver, removeBatch, watch } from "./batches.js";
import { at, keep, make, say, show } from "./dom.js";
import * as words from "./words.js";

/** Formats dates and times by the reader's locale. */
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
/** How many more older jobs are requested at a time, and at most: the server lists no more. */
const [MORE, MOST] = [50, 500];
/** Milliseconds between two requests for older jobs that have not ended. */
const REFRESH = 5000;
/** The newest jobs, as the server lists them, and the number of all jobs. */
let newest = [];
let total = 0;
/** The older jobs, how many of them are wanted, and whether a request for them is in flight. */
let older = [];
let wanted = 0;
let asking = false;
/** All known jobs by id, and the id of the marked job or batch. */
let jobs = new Map();
let marked = null;
let onJob = () => {};

/** Calls `follow(job)` with a job that replaces another one. */
export function startJobs(follow) {
  onJob = follow;
  watch(render);
  at("older").addEventListener("click", () => {
    wanted = Math.min(wanted + MORE, MOST);
    askOlder();
  });
  setInterval(() => document.hidden || older.every(words.ended) || askOlder(), REFRESH);
}

/** Shows the list, in which the job or batch `current` is marked. Returns whether jobs have come or gone. */
export function showJobs(list, current) {
  const before = place();
  [newest, total, marked] = [list.jobs, list.total, current];
  render();
  const changed = place() !== before;
  askBatches(changed);
  if (changed) askOlder();
  return changed;
}

/** Requests the batches in the list that are not known, or may have changed. */
function askBatches(changed) {
  for (const { dataset: { batch: id } } of at("job-list").children) {
    if (id && (changed || !batchOf(id) || !isOver(batchOf(id)))) ask(id);
  }
}

/** Identifies the range of older jobs: it changes when a job has come or gone. */
const place = () => [newest[0]?.id, newest.at(-1)?.id, total, wanted].join();

/** Requests the older jobs: events carry only the newest. */
async function askOlder() {
  if (!wanted || asking) return;
  asking = true;
  for (let asked = ""; asked !== place(); ) {
    asked = place();
    try {
      older = (await request("GET", `/api/jobs?skip=${newest.length}&count=${wanted}`)).jobs;
    } catch (error) {
      say(at("jobs-error"), error.message);
    }
  }
  asking = false;
  render();
  askBatches(false);
}

function render() {
  const known = new Set(newest.map(({ id }) => id));
  const shown = [...newest, ...older.filter(({ id }) => !known.has(id))];
  jobs = new Map(shown.map((job) => [job.id, job]));
  say(at("jobs-said"), saying(shown.length));
  const lines = fold(shown);
  keep(at("job-list"), lines, ({ id }) => id, create, update, at("jobs-heading"));
  show(at("older"), shown.length < total && wanted < MOST, at("jobs-heading"));
  markJob(marked);
}

/** One line for each job, but one for all jobs of a batch, where the newest of them stands. */
function fold(listed) {
  const members = Map.groupBy(listed.filter(({ batch }) => batch), ({ batch }) => batch);
  const lines = new Map();
  for (const job of listed) {
    const folded = members.get(job.batch);
    const line = folded?.length > 1 ? { id: job.batch, folded } : { id: job.id, job };
    if (!lines.has(line.id)) lines.set(line.id, line);
  }
  return [...lines.values()];
}

/** Deletes a job, then requests the older jobs, even after an error: no event says that an older job is gone. */
async function removeFrom(job) {
  try {
    await remove(job);
  } finally {
    askOlder();
  }
}

function saying(listed) {
  if (total === 0) return "There are no jobs yet.";
  if (listed < total) return `The newest ${listed} of ${words.count(total)} jobs`;
  return words.plural(total, "job");
}

/** Marks the shown job. */
export function markJob(current) {
  marked = current;
  for (const item of at("job-list").children) {
    const link = item.querySelector("a");
    if (item.dataset.key === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function create({ id, job, folded }) {
  return folded ? createBatch(id, folded) : createJob(job);
}

function createJob(job) {
  const buttons = [
    action("Cancel", job.name, async () => void (await cancel(jobs.get(job.id)))),
    action("Retry", job.name, async () => onJob(await retry(jobs.get(job.id)))),
    action("Delete", job.name, () => removeFrom(jobs.get(job.id))),
  ];
  return createLine({ name: job.name, href: `#job=${job.id}`, created: job.created_at, buttons });
}

function createBatch(id, folded) {
  // Without the count, which grows.
  const name = `the batch of ${folded.at(-1).name}`;
  const buttons = [
    action("Cancel", name, () => cancelBatch(id)),
    action("Delete", name, () => removeBatch(id, { jobs: folded.length })),
  ];
  const line = createLine({ name, href: `#batch=${id}`, created: folded.at(-1).created_at, buttons });
  line.querySelector("[download]").href = here(`/api/batches/${id}/results`);
  say(line.querySelector("[download]"), "Download all");
  line.dataset.batch = id;
  return line;
}

function createLine({ name, href, created, buttons }) {
  const picture = make("img", { alt: "", width: 56, height: 56, loading: "lazy", hidden: true });
  const time = make("time", { dateTime: created }, clock.format(new Date(created)));
  const progress = make("progress", { ariaLabel: `Tiles of ${name} done` });
  const state = make("span", { className: "state" });
  const about = make("div", { className: "about" }, make("a", { href }, name), make("code"), state, progress, time);
  const download = make("a", { className: "button small", download: "", hidden: true }, "Download");
  download.setAttribute("aria-label", `Download the result of ${name}`);
  const all = make("div", { className: "buttons" }, download, ...buttons);
  return make("li", {}, make("div", { className: "thumbnail" }, picture), about, all);
}

function action(word, name, act) {
  const button = make("button", { type: "button", className: "small" }, word);
  button.setAttribute("aria-label", `${word} ${name}`);
  let acting = false;
  button.addEventListener("click", async () => {
    if (acting) return;
    acting = true;
    say(at("jobs-error"), "");
    await act().catch((error) => say(at("jobs-error"), `${name}: ${error.message}`));
    acting = false;
  });
  return button;
}

function update(item, { id, job, folded }) {
  const [thumbnail, about, buttons] = item.children;
  const [link, filters, state, progress] = about.children;
  const [download, stop, ...others] = buttons.children;
  const parts = { picture: thumbnail.firstElementChild, link, filters, state, progress, download, stop };
  if (folded) return updateBatch(item, id, folded, parts);
  updateJob(item, job, parts);
  show(others[0], words.isWorthRetry(job), link);
}

function updateJob(item, job, { picture, link, filters, state, progress, download, stop }) {
  const running = !words.ended(job);
  showPicture(picture, job);
  say(filters, job.filters || "no filter");
  say(state, words.statusAndPart(job));
  item.dataset.status = job.status;
  Object.assign(progress, { max: job.tiles_total, value: job.tiles_done });
  show(progress, running);
  if (job.links.result) download.href = job.links.result;
  show(download, Boolean(job.links.result), link);
  show(stop, running, link);
}

/** Shows no progress until the server has sent the summary of the whole batch. */
function updateBatch(item, id, folded, { picture, link, filters, state, progress, download, stop }) {
  const batch = batchOf(id);
  const pictured = folded.find(({ status, links }) => status === "complete" && links.thumbnail);
  if (pictured && picture.hidden) showPicture(picture, pictured);
  say(filters, folded[0].filters || "no filter");
  if (!batch) return [progress, stop].forEach((part) => show(part, false));
  const over = isOver(batch);
  say(link, `${words.images(batch.jobs)}: ${folded.at(-1).name} …`);
  say(state, words.batchSentence(batch));
  item.dataset.status = words.batchStatus(batch);
  Object.assign(progress, { max: batch.tiles_total, value: batch.tiles_done });
  show(progress, !over);
  show(download, batch.complete > 0, link);
  show(stop, !over, link);
}

/** Shows the thumbnail of a complete job; before that the mosaic would serve, which changes all the time. */
export function showPicture(picture, { status, links }) {
  const path = (status === "complete" && links.thumbnail) || "";
  if (path && picture.src !== path) picture.src = path;
  show(picture, Boolean(path));
}
