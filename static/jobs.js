// Recent Jobs: the newest first, each a link to its own progress.

import { at, keep, make, say } from "./dom.js";
import * as words from "./words.js";

const clock = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** Shows the list, in which the job `current` is marked. */
export function showJobs({ jobs, total }, current) {
  say(at("jobs-said"), saying(jobs.length, total));
  keep(at("job-list"), jobs, (job) => job.id, create, update);
  markJob(current);
}

function saying(listed, total) {
  if (total === 0) return "There are no jobs yet.";
  if (listed < total) return `The newest ${listed} of ${words.count(total)} jobs`;
  return words.plural(total, "job");
}

/** Marks the job that is shown. */
export function markJob(current) {
  for (const { dataset, firstElementChild: link } of at("job-list").children) {
    if (dataset.key === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function create(job) {
  const time = make("time", { dateTime: job.created_at }, clock.format(new Date(job.created_at)));
  const link = make("a", { href: `#job=${job.id}` }, job.name);
  return make("li", {}, link, make("code"), make("span"), time);
}

function update(row, job) {
  const [, filters, state] = row.children;
  say(filters, job.filters || "no filter");
  const done = words.percent(job.tiles_done, job.tiles_total);
  say(state, job.status === "processing" ? `${words.status(job)} ${done}` : words.status(job));
}
