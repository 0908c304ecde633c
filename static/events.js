// What happens, as it happens: one event stream, mended when it breaks; where none comes through, questions.

import { here, parse, request, watchCalls } from "./api.js";
import { createPoll, stateAfter } from "./poll.js";

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
/** Milliseconds after a call that failed beside a stream that works until another one is made. */
const PROBE = 2000;

/**
 * Tells `onEvent(name, value)` what happens, `onState("connecting" | "open" | "polling" | "lost")`,
 * `onState("trouble", text)`, when the server cannot look at the mill, or `onState("blocked", text)`, when only a
 * proxy answers, how it is heard of, and `onGone(id)` when the followed job is not there any more.
 * It is "open" only while calls beside the stream are answered, too.
 * Nothing is open while nobody sees the page: a browser allows few connections to one server.
 */
export function createStream({ onEvent, onState, onGone }) {
  let job = null;
  let source = null;
  let timer = null;
  let failures = 0;
  let trouble = null;
  /** Whether this stream has said anything, and whether the last call beside it failed. */
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

  // A stream may outlive what lets other requests through, such as a login.
  watchCalls((error) => {
    const changes = Boolean(error) || failing;
    failing = Boolean(error);
    clearTimeout(probe);
    if (failing) probe = setTimeout(ask, PROBE);
    if (!live || !changes) return;
    if (error) onState(...stateAfter(error));
    else tellState();
  });

  /** Where there is no stream, other questions are on their way. */
  function ask() {
    if (live) request("GET", "/api/queue").catch(() => {});
    else failing = false;
  }

  // The browser's own retry gives up for good on an error status, such as a proxy's 502.
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
    return error.status === 404 && !error.foreign;
  }
  return false;
}
