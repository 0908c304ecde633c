// The one event stream of the page: opened, followed, and mended when it breaks.

import { request } from "./api.js";

const EVENTS = ["jobs", "workers", "queue", "job"];
/** Milliseconds until the first try to mend the stream, and at most between two tries. */
const [FIRST, MOST] = [500, 8000];

/**
 * Tells `onEvent(name, value)` what happens, `onState("connecting" | "open" | "lost")` how the
 * stream is, and `onGone(id)` when the followed job is not there any more.
 * It is closed while nobody sees the page: a browser allows few connections to one server.
 */
export function createStream({ onEvent, onState, onGone }) {
  let job = null;
  let source = null;
  let timer = null;
  let delay = FIRST;

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function open() {
    close();
    if (document.hidden) return;
    const opened = new EventSource(job ? `/api/events?job=${job}` : "/api/events");
    source = opened;
    opened.onopen = () => {
      delay = FIRST;
      onState("open");
    };
    opened.onerror = lost;
    opened.addEventListener("gone", ({ data }) => {
      if (source === opened) onGone(JSON.parse(data).id);
    });
    for (const name of EVENTS) {
      opened.addEventListener(name, ({ data }) => {
        if (source === opened) onEvent(name, JSON.parse(data));
      });
    }
  }

  // The browser's own retry gives up for good on an error status, such as a proxy's 502.
  function lost() {
    close();
    onState("lost");
    timer = setTimeout(mend, delay);
    delay = Math.min(2 * delay, MOST);
  }

  async function mend() {
    const followed = job;
    if (followed && (await isGone(followed)) && followed === job) {
      job = null;
      onGone(followed);
    }
    open();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  onState("connecting");

  return {
    /** Follows this job from now on, or none. */
    follow(id) {
      if (source && id === job) return;
      job = id;
      open();
    },
  };
}

/** Whether the server says that there is no such job; no answer is not an answer. */
export async function isGone(job) {
  try {
    await request("GET", `/api/jobs/${job}`);
  } catch (error) {
    return error.status === 404;
  }
  return false;
}
