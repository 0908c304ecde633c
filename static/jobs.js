// Recent Jobs: the newest first, each with a picture of its result, how far it is, and what can be done.

import { cancel, remove, retry } from "./actions.js";
import { at, keep, make, say, show } from "./dom.js";
import * as words from "./words.js";

const clock = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
let jobs = new Map();
let onJob = () => {};

/** Calls `follow(job)` with a job that takes the place of another. */
export function startJobs(follow) {
  onJob = follow;
}

/** Shows the list, in which the job `current` is marked. */
export function showJobs({ jobs: listed, total }, current) {
  jobs = new Map(listed.map((job) => [job.id, job]));
  say(at("jobs-said"), saying(listed.length, total));
  keep(at("job-list"), listed, (job) => job.id, create, update, at("jobs-heading"));
  markJob(current);
}

function saying(listed, total) {
  if (total === 0) return "There are no jobs yet.";
  if (listed < total) return `The newest ${listed} of ${words.count(total)} jobs`;
  return words.plural(total, "job");
}

/** Marks the job that is shown. */
export function markJob(current) {
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
  const fetch = make("a", { className: "button small", download: "", hidden: true }, "Download");
  fetch.setAttribute("aria-label", `Download the result of ${job.name}`);
  const buttons = make(
    "div",
    { className: "buttons" },
    fetch,
    action("Cancel", job, async (now) => void (await cancel(now))),
    action("Retry", job, async (now) => onJob(await retry(now))),
    action("Delete", job, async (now) => void (await remove(now))),
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
  const [fetch, stop, again] = buttons.children;
  const running = !words.ended(job);
  showPicture(thumbnail.firstElementChild, job);
  say(filters, job.filters || "no filter");
  const done = words.percent(job.tiles_done, job.tiles_total);
  say(state, job.status === "processing" ? `${words.status(job)} ${done}` : words.status(job));
  item.dataset.status = job.status;
  Object.assign(progress, { max: job.tiles_total, value: job.tiles_done });
  show(progress, running);
  if (job.links.result) fetch.href = job.links.result;
  show(fetch, Boolean(job.links.result), about.firstElementChild);
  show(stop, running, about.firstElementChild);
  show(again, !running && Boolean(job.links.original));
}

/** Only of complete jobs: until then it changes all the time, and the mosaic shows it. */
function showPicture(picture, { status, links }) {
  const path = (status === "complete" && links.thumbnail) || "";
  if (path && !picture.src.endsWith(path)) picture.src = path;
  show(picture, Boolean(path));
}
