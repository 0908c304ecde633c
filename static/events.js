// Events as they happen: one event stream, reopened when it breaks; where none gets through, polling.

import { here, parse, request, watchCalls } from "./api.js";
import { createPoll, stateAfter } from "./poll.js";

/** `alive` and `trouble` are about the stream itself. */
const EVENTS = ["jobs", "workers", "processes", "queue", "job", "tiles", "alive", "trouble"];
/** Milliseconds until the first retry, and at most between two retries. */
const [FIRST, MOST] = [500, 8000];
/** Milliseconds after which a stream without any event counts as blocked. */
const BLOCKED = 6000;
/** Milliseconds of silence after which a stream counts as lost: the server sends `alive` more often. */
const SILENT = 25_000;
/** Failed tries after which the server is polled instead, while the tries go on. */
const TRIES = 2;
/** Milliseconds after a failed request beside a working stream until the next request. */
const PROBE = 2000;

/**
 * Calls `onEvent(name, value)` for each event, `onGone(id)` when the followed job no longer exists, and
 * `onState(state)` with the state of the connection: "connecting", "open", "polling" or "lost"; `"trouble", text` when
 * the server cannot read the state of the mill; `"blocked", text` when only a proxy answers.
 * It is "open" only while requests beside the stream are answered, too.
 * A hidden page keeps no stream open: a browser allows few connections to one server.
 */
export function createStream({ onEvent, onState, onGone }) {
  let job = null;
  let source = null;
  let timer = null;
  let failures = 0;
  let trouble = null;
  /** Whether this stream has sent anything, and whether the last request beside it failed. */
  let live = false;
  let failing = false;
  let probe = null;
  const poll = createPoll({ onEvent, onState });

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
    live = false;
  }

  function open() {
    close();
    if (document.hidden) return;
    const opened = new EventSource(here(job ? `/api/events?job=${job}` : "/api/events"));
    source = opened;
    trouble = null;
    timer = setTimeout(() => poll.start(job), BLOCKED);
    opened.onerror = lost;
    opened.addEventListener("gone", ({ data }) => {
      if (source === opened) onGone(JSON.parse(data).id);
    });
    for (const name of EVENTS) {
      opened.addEventListener(name, ({ data }) => {
        if (source === opened) heard(name, parse(data));
      });
    }
  }

  function heard(name, value) {
    clearTimeout(timer);
    timer = setTimeout(lost, SILENT);
    poll.stop();
    failures = 0;
    live = true;
    if (name !== "alive") trouble = name === "trouble" ? value.error : null;
    if (!failing) tellState();
    if (name !== "alive" && name !== "trouble") onEvent(name, value);
  }

  const tellState = () => (trouble === null ? onState("open") : onState("trouble", trouble));

  // A stream may outlive the login that other requests need.
  watchCalls((error) => {
    const changes = Boolean(error) || failing;
    failing = Boolean(error);
    clearTimeout(probe);
    if (failing) probe = setTimeout(ask, PROBE);
    if (!live || !changes) return;
    if (error) onState(...stateAfter(error));
    else tellState();
  });

  /** Without a stream, polling sends requests anyway. */
  function ask() {
    if (live) request("GET", "/api/queue").catch(() => {});
    else failing = false;
  }

  // The browser's own retry gives up for good after an error status, such as a proxy's 502.
  function lost() {
    close();
    failures += 1;
    if (failures > TRIES) poll.start(job);
    if (!poll.works()) onState(...poll.state());
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
    /** Follows this job from now on, or none (null). */
    follow(id) {
      if (source && id === job) return;
      job = id;
      if (poll.works()) poll.start(job);
      open();
    },
  };
}

/** Whether the server says that there is no such job; false if the server does not answer. */
export async function isGone(job) {
  try {
    await request("GET", `/api/jobs/${job}`);
  } catch (error) {
    return error.status === 404 && !error.foreign;
  }
  return false;
}
