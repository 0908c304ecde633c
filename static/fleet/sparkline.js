// The rate of each worker over its last heartbeats, as a small line.

const SVG = "http://www.w3.org/2000/svg";
const [POINTS, WIDTH, HEIGHT] = [30, 60, 16];

const rates = new Map();

/** Notes the last rates of these workers, and forgets workers that are gone. */
export function noteRates(workers) {
  for (const id of rates.keys()) if (!workers.some((worker) => worker.id === id)) rates.delete(id);
  for (const { id, rate, last_seen: age } of workers) {
    const known = rates.get(id) ?? { age: Infinity, points: [] };
    // The heartbeat is younger than the one before, so it is a new one.
    if (age < known.age) known.points = [...known.points, rate].slice(-POINTS);
    rates.set(id, { age, points: known.points });
  }
}

/** A line without points, hidden from screen readers: the number stands beside it. */
export function createSparkline() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("class", "sparkline");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "polyline"));
  return svg;
}

/** Draws the line of a worker. */
export function drawSparkline(svg, { id }) {
  const { points } = rates.get(id) ?? { points: [] };
  const most = Math.max(1, ...points);
  const x = (index) => WIDTH - ((points.length - 1 - index) * WIDTH) / (POINTS - 1);
  const y = (rate) => HEIGHT - 1 - ((HEIGHT - 2) * rate) / most;
  const line = points.map((rate, index) => `${x(index).toFixed(1)},${y(rate).toFixed(1)}`).join(" ");
  if (svg.firstChild.getAttribute("points") !== line) svg.firstChild.setAttribute("points", line);
}
