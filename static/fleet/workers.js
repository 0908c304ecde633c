// Worker Status: the workers, the tiles in flight, and what is missing.

import { withCommands } from "../actions.js";
import { at, keep, make, say, show } from "../dom.js";
import * as words from "../words.js";
import { COLUMNS, textOf } from "./columns.js";
import { createOrder } from "./order.js";
import { createSparkline, drawSparkline, noteRates } from "./sparkline.js";

/** Up to this many workers are shown without a filter field. */
const FEW = 5;

const order = createOrder();
let workers = [];
let sorted = { column: COLUMNS[0], descending: false };
let missing = [];
let trouble = "";
let processes = [];
/** Whether the reader has opened or closed the list: then it no longer folds by itself. */
let touched = false;

export function startWorkers() {
  at("worker-head").append(...COLUMNS.map(heading));
  at("worker-filter").addEventListener("input", render);
  at("fleet-said").addEventListener("click", () => (touched = true));
}

/** The ARIA roles are explicit because a narrow page lays the table out as blocks. */
function heading(column) {
  const button = make("button", { type: "button" }, column.title);
  button.addEventListener("click", () => sortBy(column));
  const cell = make("th", { scope: "col" }, button);
  cell.setAttribute("role", "columnheader");
  return cell;
}

function sortBy(column) {
  sorted = { column, descending: column === sorted.column && !sorted.descending };
  order.sort(workers, column, sorted.descending);
  COLUMNS.forEach((each, index) => {
    const cell = at("worker-head").children[index];
    if (each === column) cell.setAttribute("aria-sort", sorted.descending ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
  render();
}

export function showWorkers(now) {
  workers = now;
  noteRates(workers);
  render();
  foldAlone();
}

function render() {
  const wanted = at("worker-filter").value.trim().toLowerCase();
  const matches = (worker) =>
    [worker.id, worker.host, worker.state, worker.version].some((text) => text.toLowerCase().includes(wanted));
  const shown = order.apply(workers).filter(matches);
  const none = workers.length ? `No worker matches “${wanted}”.` : "No worker has reported yet.";
  say(at("no-workers"), none);
  show(at("no-workers"), shown.length === 0);
  const filter = at("worker-filter");
  show(at("worker-filter-field"), workers.length > FEW || wanted !== "" || document.activeElement === filter);
  show(at("worker-table"), shown.length > 0, at("workers-heading"));
  keep(at("worker-rows"), shown, (worker) => worker.id, createRow, updateRow);
}

function createRow() {
  const cells = COLUMNS.map(({ title, graph }) => {
    const cell = make("td", {}, make("span"));
    if (graph) cell.append(createSparkline());
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
  COLUMNS.forEach((column, index) => {
    const [text, graph] = row.children[index].children;
    say(text, textOf(column, worker));
    if (column.graph) drawSparkline(graph, worker);
  });
}

export function showQueue(queue) {
  say(at("waiting-count"), words.count(queue.tiles_waiting));
  say(at("waiting-word"), queue.tiles_waiting === 1 ? "tile waiting" : "tiles waiting");
  const flight = queue.tiles_in_flight;
  const parts = [
    flight === null ? "in flight: unknown" : `${words.count(flight)} in flight`,
    `${words.plural(queue.jobs_active, "job")} in work`,
    `${words.count(queue.jobs_queued)} queued`,
  ];
  say(at("queue"), parts.join(" · "));
  missing = queue.missing;
  showMissing();
}

/** Shows why the state of the mill cannot be read; "" when it can. */
export function showTrouble(text) {
  trouble = text;
  showMissing();
}

/** Shows what is missing, only if it has changed: a live region speaks each time. */
function showMissing() {
  const texts = trouble ? [`The state of the mill cannot be read: ${trouble}`] : missing;
  const text = texts.join("\n");
  if (at("missing").dataset.text === text) return;
  at("missing").dataset.text = text;
  at("missing").replaceChildren(...texts.map((text) => make("span", {}, ...withCommands(text))));
}

/** Shows the processes. One process may play several roles; without a cluster, it plays all. */
export function showProcesses(now) {
  processes = now;
  foldAlone();
  keep(at("processes"), processes, ({ role, id }) => `${role} ${id}`, createProcess, updateProcess);
}

/** Folds the list if one process plays all roles, until the reader opens it: there is little to show. */
function foldAlone() {
  const alone = isAlone();
  const threads = workers.length ? ` on ${words.plural(workers[0].threads, "thread")}` : "";
  say(at("fleet-said"), alone ? `One process plays all roles${threads}` : words.plural(workers.length, "worker"));
  if (!touched) at("fleet").open = !alone;
}

/** Whether one process plays all roles: it has no connections to a broker. */
function isAlone() {
  const all = [...workers, ...processes];
  const hosts = new Set(all.map(({ host }) => host));
  return all.length > 0 && workers.length <= 1 && hosts.size <= 1 && all.every(({ report }) => report?.connections === 0);
}

const createProcess = () => make("li", {}, make("strong"), " ", make("span"));

function updateProcess(item, { role, host, version }) {
  const [what, where] = item.children;
  say(what, role);
  say(where, `on ${host}, ${version}`);
}
