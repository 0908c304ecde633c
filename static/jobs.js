// Recent Jobs: the newest first, each with a picture of its result, how far it is, and what can be done.

import { cancel, remove, retry } from "./actions.js";
import { request } from "./api.js";
import { at, keep, make, say, show } from "./dom.js";
import * as words from "./words.js";

const clock = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
/** How many older jobs are asked for at a time, and at most: the server gives no more. */
const [MORE, MOST] = [50, 500];
/** Milliseconds between two looks at older jobs that have not ended. */
const REFRESH = 5000;
/** The newest jobs, as the server tells of them, and how many there are. */
let newest = [];
let total = 0;
/** Those behind them, how many of these are wanted, and whether they are being asked for. */
let older = [];
let wanted = 0;
let asking = false;
/** All that are shown, by id, and the one that is marked. */
let jobs = new Map();
let marked = null;
let onJob = () => {};

/** Calls `follow(job)` with a job that takes the place of another. */
export function startJobs(follow) {
  onJob = follow;
  at("older").addEventListener("click", () => {
    wanted = Math.min(wanted + MORE, MOST);
    askOlder();
  });
  setInterval(() => document.hidden || older.every(words.ended) || askOlder(), REFRESH);
}

/** Shows the list, in which the job `current` is marked. */
export function showJobs(list, current) {
  const before = place();
  [newest, total, marked] = [list.jobs, list.total, current];
  render();
  if (place() !== before) askOlder();
}

/** Which jobs the older ones are: others, once one has come or gone. */
const place = () => [newest[0]?.id, newest.at(-1)?.id, total, wanted].join();

/** Asks for the older jobs: the server tells of the newest only. */
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
}

function render() {
  const known = new Set(newest.map(({ id }) => id));
  const shown = [...newest, ...older.filter(({ id }) => !known.has(id))];
  jobs = new Map(shown.map((job) => [job.id, job]));
  say(at("jobs-said"), saying(shown.length));
  keep(at("job-list"), shown, (job) => job.id, create, update, at("jobs-heading"));
  show(at("older"), shown.length < total && wanted < MOST, at("jobs-heading"));
  markJob(marked);
}

/** It may be gone already, which nobody tells of an older one. */
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

/** Marks the job that is shown. */
export function markJob(current) {
  marked = current;
  for (const item of at("job-list").children) {
    const link = item.querySelector("a");
    if (item.dataset.key === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function create(job) {
  const picture = make("img", { alt: "", width: 56, height: 56, loading: "lazy", hidden: true });
  const time = make("time", { dateTime: job.created_at }, clock.format(new Date(job.created_at)));
  const link = make("a", { href: `#job=${job.id}` }, job.name);
  const progress = make("progress", { ariaLabel: `Tiles of ${job.name} done` });
  const state = make("span", { className: "state" });
  const about = make("div", { className: "about" }, link, make("code"), state, progress, time);
  const download = make("a", { className: "button small", download: "", hidden: true }, "Download");
  download.setAttribute("aria-label", `Download the result of ${job.name}`);
  const buttons = make(
    "div",
    { className: "buttons" },
    download,
    action("Cancel", job, async (now) => void (await cancel(now))),
    action("Retry", job, async (now) => onJob(await retry(now))),
    action("Delete", job, removeFrom),
  );
  return make("li", {}, make("div", { className: "thumbnail" }, picture), about, buttons);
}

function action(word, { id, name }, act) {
  const button = make("button", { type: "button", className: "small" }, word);
  button.setAttribute("aria-label", `${word} ${name}`);
  let acting = false;
  button.addEventListener("click", async () => {
    if (acting) return;
    acting = true;
    say(at("jobs-error"), "");
    await act(jobs.get(id)).catch((error) => say(at("jobs-error"), `${name}: ${error.message}`));
    acting = false;
  });
  return button;
}

function update(item, job) {
  const [thumbnail, about, buttons] = item.children;
  const [, filters, state, progress] = about.children;
  const [download, stop, again] = buttons.children;
  const running = !words.ended(job);
  showPicture(thumbnail.firstElementChild, job);
  say(filters, job.filters || "no filter");
  const done = words.percent(job.tiles_done, job.tiles_total);
  say(state, job.status === "processing" ? `${words.status(job)} ${done}` : words.status(job));
  item.dataset.status = job.status;
  Object.assign(progress, { max: job.tiles_total, value: job.tiles_done });
  show(progress, running);
  if (job.links.result) download.href = job.links.result;
  show(download, Boolean(job.links.result), about.firstElementChild);
  show(stop, running, about.firstElementChild);
  show(again, !running && Boolean(job.links.original));
}

/** Only of complete jobs: until then it changes all the time, and the mosaic shows it. */
function showPicture(picture, { status, links }) {
  const path = (status === "complete" && links.thumbnail) || "";
  if (path && !picture.src.endsWith(path)) picture.src = path;
  show(picture, Boolean(path));
}
