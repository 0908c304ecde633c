// Polls for what the event stream sends, for networks that let no stream through.

import { ApiError, here, request } from "./api.js";

/** Milliseconds between two rounds of requests. */
const PAUSE = 2000;

/**
 * While it is started, calls `onEvent(name, value)` and, after each round, `onState(state)`: "polling", or "lost" without
 * a response; `"blocked", text` when only a proxy answers; `"trouble", text` when the server cannot read the state of the
 * mill.
 */
export function createPoll({ onEvent, onState }) {
  let timer = null;
  let round = 0;
  let state = ["lost"];

  async function ask(job, current) {
    const now = await askAll(job, current).then(() => ["polling"], stateAfter);
    if (current !== round) return;
    state = now;
    onState(...state);
    timer = setTimeout(() => ask(job, current), PAUSE);
  }

  async function askAll(job, current) {
    const tell = async (name, path) => {
      const value = await request("GET", path);
      if (current === round) onEvent(name, value);
      return value;
    };
    await tell("jobs", "/api/jobs");
    await tell("workers", "/api/workers");
    await tell("processes", "/api/processes");
    await tell("queue", "/api/queue");
    const followed = job && (await tell("job", `/api/jobs/${job}`));
    if (followed?.tiles_done > 0 && followed.status === "processing") await askMosaic(job, current);
  }

  async function askMosaic(job, current) {
    const tiles = await request("GET", `/api/jobs/${job}/tiles`);
    const picture = new Image();
    picture.src = here(`/api/jobs/${job}/mosaic?${tiles.tiles.length}`);
    const came = await picture.decode().then(() => true, () => false);
    if (came && current === round) onEvent("mosaic", { job, ...tiles, picture });
  }

  return {
    start(job) {
      clearTimeout(timer);
      round += 1;
      ask(job, round);
    },
    stop() {
      clearTimeout(timer);
      round += 1;
      state = ["lost"];
    },
    /** Whether the last round was answered. */
    works: () => !["lost", "blocked"].includes(state[0]),
    /** The state after the last round. */
    state: () => state,
  };
}

/** The state after a failed request. A 4xx means that a job has gone or ended meanwhile: the server works. */
export function stateAfter(error) {
  if (!(error instanceof ApiError)) {
    reportError(error);
    return ["polling"];
  }
  if (error.status === 0) return ["lost"];
  if (error.foreign) return ["blocked", error.message];
  return error.status < 500 ? ["polling"] : ["trouble", error.message];
}
