// Worker Status: who works, and what is on its way.

import { at, keep, make, say, show } from "./dom.js";
import * as words from "./words.js";

const COLUMNS = [
  ["Worker", (worker) => worker.id],
  ["Host", (worker) => worker.host],
  ["State", words.workerState],
  ["Last heartbeat", (worker) => `${words.count(worker.last_seen)} s ago`],
  ["Threads", (worker) => words.count(worker.threads)],
  ["Tiles done", (worker) => words.count(worker.done)],
  ["Failed", (worker) => words.count(worker.failed)],
  ["Tiles/s", (worker) => words.rate(worker.rate)],
];

export function startWorkers() {
  at("worker-head").append(...COLUMNS.map(([title]) => heading(title)));
}

function heading(title) {
  const cell = make("th", { scope: "col" }, title);
  cell.setAttribute("role", "columnheader");
  return cell;
}

export function showWorkers(workers) {
  say(at("no-workers"), "No worker has been heard of: tiles wait until one comes.");
  show(at("no-workers"), workers.length === 0);
  show(at("worker-table"), workers.length > 0);
  keep(at("worker-rows"), workers, (worker) => worker.id, createRow, updateRow);
}

/** The roles are said because a narrow page lays the table out as blocks. */
function createRow() {
  const cells = COLUMNS.map(([title]) => {
    const cell = make("td");
    cell.dataset.label = title;
    cell.setAttribute("role", "cell");
    return cell;
  });
  const row = make("tr", {}, ...cells);
  row.setAttribute("role", "row");
  return row;
}

function updateRow(row, worker) {
  row.className = worker.state;
  COLUMNS.forEach(([, text], index) => say(row.children[index], text(worker)));
}

export function showQueue(queue) {
  const parts = [
    `${words.plural(queue.tiles_waiting, "tile")} waiting`,
    `${words.count(queue.tiles_in_flight)} in flight`,
    `${words.plural(queue.jobs_queued, "job")} queued`,
    `${words.count(queue.jobs_active)} in work`,
  ];
  say(at("queue"), parts.join(" · "));
}
