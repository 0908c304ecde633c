// What happens, as it happens: one event stream, mended when it breaks; where none comes through, questions.

import { request } from "./api.js";
import { createPoll } from "./poll.js";

/** Of these `alive` and `trouble` are about the stream itself. */
const EVENTS = ["jobs", "workers", "processes", "queue", "job", "tiles", "alive", "trouble"];
/** Milliseconds until the first try to mend the stream, and at most between two tries. */
const [FIRST, MOST] = [500, 8000];
/** Milliseconds after which a stream that has never said anything is taken for blocked. */
const BLOCKED = 6000;
/** Milliseconds after which one that has fallen silent is taken for lost: the server says `alive` more often. */
const SILENT = 25_000;
/** Tries in vain after which the server is asked instead, while the tries go on. */
const TRIES = 2;

/**
 * Tells `onEvent(name, value)` what happens, `onState("connecting" | "open" | "polling" | "lost")` or
 * `onState("trouble", text)`, when the server cannot look at the mill, how it is heard of, and `onGone(id)`
 * when the followed job is not there any more.
 * Nothing is open while nobody sees the page: a browser allows few connections to one server.
 */
export function createStream({ onEvent, onState, onGone }) {
  let job = null;
  let source = null;
  let timer = null;
  let failures = 0;
  let troubled = false;
  const poll = createPoll({ onEvent, onState });

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
    troubled = false;
    timer = setTimeout(() => poll.start(job), BLOCKED);
    opened.onerror = lost;
    opened.addEventListener("gone", ({ data }) => {
      if (source === opened) onGone(JSON.parse(data).id);
    });
    for (const name of EVENTS) {
      opened.addEventListener(name, ({ data }) => {
        if (source === opened) heard(name, JSON.parse(data));
      });
    }
  }

  function heard(name, value) {
    clearTimeout(timer);
    timer = setTimeout(lost, SILENT);
    poll.stop();
    failures = 0;
    if (name !== "alive") troubled = name === "trouble";
    if (name === "trouble") onState("trouble", value.error);
    else if (!troubled) onState("open");
    if (name !== "alive" && name !== "trouble") onEvent(name, value);
  }

  // The browser's own retry gives up for good on an error status, such as a proxy's 502.
  function lost() {
    close();
    failures += 1;
    if (failures > TRIES) poll.start(job);
    if (!poll.works()) onState("lost");
    timer = setTimeout(mend, Math.min(FIRST * 2 ** (failures - 1), MOST));
  }

  async function mend() {
    const followed = job;
    if (followed && (await isGone(followed)) && followed === job) {
      job = null;
      onGone(followed);
    }
    open();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
      poll.stop();
    } else {
      open();
    }
  });
  onState("connecting");

  return {
    /** Follows this job from now on, or none. */
    follow(id) {
      if (source && id === job) return;
      job = id;
      if (poll.works()) poll.start(job);
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
