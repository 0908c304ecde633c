// The same as the event stream tells, asked for every so often: for networks that let no stream through.

import { request } from "./api.js";

/** Milliseconds between two rounds of questions. */
const PAUSE = 2000;

/** Tells `onEvent(name, value)` and `onState("polling")` as long as it is started. */
export function createPoll({ onEvent, onState }) {
  let timer = null;
  let round = 0;
  let works = false;

  async function ask(job, current) {
    const tell = async (name, path) => {
      const value = await request("GET", path);
      if (current === round) onEvent(name, value);
      return value;
    };
    try {
      await tell("jobs", "/api/jobs");
      await tell("workers", "/api/workers");
      await tell("processes", "/api/processes");
      await tell("queue", "/api/queue");
      const followed = job && (await tell("job", `/api/jobs/${job}`));
      if (followed?.tiles_done > 0 && followed.status === "processing") await askMosaic(job, current);
      if (current === round) onState("polling");
      works = true;
    } catch {
      works = false;
    }
    if (current === round) timer = setTimeout(() => ask(job, current), PAUSE);
  }

  async function askMosaic(job, current) {
    const tiles = await request("GET", `/api/jobs/${job}/tiles`);
    const picture = new Image();
    picture.src = `/api/jobs/${job}/mosaic?${tiles.tiles.length}`;
    await picture.decode();
    if (current === round) onEvent("mosaic", { job, ...tiles, picture });
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
      works = false;
    },
    /** Whether the last round was answered. */
    works: () => works,
  };
}
