// The columns of the table of workers.

import * as words from "../words.js";

/** Each column: its title, its value to sort by, and its text. */
export const COLUMNS = [
  { title: "Worker", value: (worker) => worker.id },
  { title: "Host", value: (worker) => worker.host },
  { title: "State", value: (worker) => worker.state, text: words.workerState },
  {
    title: "Heartbeat",
    value: (worker) => worker.last_seen,
    text: (worker) => `${words.count(worker.last_seen)} s ago`,
  },
  numeric("Threads", (worker) => worker.threads),
  numeric("In flight", (worker) => worker.in_flight),
  numeric("Done", (worker) => worker.done),
  numeric("Failed", (worker) => worker.failed),
  { title: "Tiles/s", value: (worker) => worker.rate, text: (worker) => words.rate(worker.rate), graph: true },
  { title: "Version", value: (worker) => worker.version },
];

function numeric(title, value) {
  return { title, value, text: (worker) => words.count(value(worker)) };
}

/** The text of a column for a worker. */
export const textOf = ({ text, value }, worker) => (text ?? value)(worker);
