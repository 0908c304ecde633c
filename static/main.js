// The page: decides which job or batch is shown, and passes events to the parts.

import { ApiError, request } from "./api.js";
import { look, showBatch, startBatch } from "./batch.js";
import { startBuilder } from "./chain/builder.js";
import { at, say, show } from "./dom.js";
import { createStream, isGone } from "./events.js";
import { showProcesses, showQueue, showTrouble, showWorkers, startWorkers } from "./fleet/workers.js";
import { markJob, showJobs, startJobs } from "./jobs.js";
import { noteWorkers, paintMosaic, paintTiles } from "./mosaic/live.js";
import { offerPreview, refresh, startPreview } from "./preview.js";
import { showJob, showNoJob, startProgress } from "./progress.js";
import { showStage, startStage } from "./stage.js";
import { offerAgain, startForm } from "./upload.js";
import { ended, title } from "./words.js";

const NO_JOB = "No job is chosen. Process an image, or choose one of the recent jobs.";
/** The fragment of the location: `#job=<id>` or `#batch=<id>`. */
const PLACE = /^#(job|batch)=([0-9a-f]{32})$/;
const CONNECTION = {
  connecting: "Connecting…",
  open: "✓ Connected",
  polling: "✓ Connected, polling every two seconds: the event stream does not get through",
  trouble: "✕ Connected, but the state of the mill cannot be read: ",
  lost: "✕ Connection lost, trying again: what you see may be out of date",
  blocked: "✕ Not connected, trying again. ",
};
/** Milliseconds between requests for the job while the page is hidden and only its title is visible. */
const HIDDEN_LOOK = 5000;

/** The ids of the job and the batch that the location names, and the job as of the last response. */
let wanted = null;
let batch = null;
let job = null;
let uploading = null;

const TOLD = {
  workers(workers) {
    showWorkers(workers);
    noteWorkers(workers);
  },
  processes: showProcesses,
  queue: showQueue,
  jobs: listed,
  job: (now) => now.id === wanted && setJob(now),
  tiles: paintTiles,
  mosaic: paintMosaic,
};

const stream = createStream({
  onState: (state, reason = "") => {
    // The box below repeats the text of trouble, with settings and commands marked.
    say(at("connection"), CONNECTION[state] + reason.replaceAll("`", ""));
    at("connection").className = state === "blocked" ? "lost" : state;
    showTrouble(state === "trouble" ? reason : "");
  },
  onGone: gone,
  onEvent: (name, value) => TOLD[name](value),
});

function setJob(now) {
  job = now;
  showJob(job);
  showStage(job);
  showTitle();
}

function setNoJob(text) {
  job = null;
  showNoJob(text);
  showStage(null);
  showTitle();
}

function showTitle() {
  document.title = uploading ?? title(job);
}

/** Leaves a job before it is deleted: the event may arrive before the response. */
function leave(doomed) {
  if (wanted !== doomed.id) return;
  wanted = null;
  showStage(null);
}

/** Returns to a job that could not be deleted. */
function stay(kept) {
  wanted = kept.id;
  showStage(kept);
}

/** Checks the shown job if the list lacks it: it was deleted elsewhere, or the list was made before it. */
async function listed(list) {
  look(showJobs(list, wanted ?? batch));
  const id = wanted;
  const complete = list.jobs.length === list.total;
  const missing = id && complete && !list.jobs.some((listed) => listed.id === id);
  if (missing && (await isGone(id))) gone(id);
}

function gone(id) {
  if (id !== wanted) return;
  wanted = null;
  stream.follow(null);
  setNoJob("This job no longer exists: it was deleted, or the link is wrong.");
}

function goneBatch(id) {
  if (id !== batch) return;
  place("gone", null);
  setNoJob("These images no longer exist: they were deleted, or the link is wrong.");
}

/** Shows what the location names. */
async function navigate() {
  const [, kind, id] = PLACE.exec(location.hash) ?? [];
  place(kind ?? "nothing", id ?? null);
  setNoJob(wanted ? "Loading…" : NO_JOB);
  if (wanted) await openJob(id);
  else stream.follow(null);
}

/** Notes what is shown: the layout of a narrow page depends on it. */
function place(kind, id) {
  [wanted, batch] = [kind === "job" ? id : null, kind === "batch" ? id : null];
  document.querySelector("main").dataset.shown = kind;
  markJob(id);
  // The focus moves from the hidden section to the shown one, so show that one first.
  if (!batch) show(at("job"), true);
  showBatch(batch);
  show(at("job"), !batch, at("batch-heading"));
}

async function openJob(id) {
  try {
    const found = await request("GET", `/api/jobs/${id}`);
    if (id === wanted) setJob(found);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404 && !error.foreign) return gone(id);
    if (id === wanted) showNoJob(error.message);
  }
  if (id === wanted) stream.follow(id);
}

const goTo = (id) => {
  location.hash = id ? `job=${id}` : "";
};

const goToBatch = (id) => {
  location.hash = `batch=${id}`;
};

/** Scrolls to the job: on a narrow page it is out of sight when it is chosen. */
function reveal(heading) {
  const { top } = heading.getBoundingClientRect();
  if (top < 0 || top > innerHeight * 0.7) heading.scrollIntoView();
}

setInterval(async () => {
  if (!document.hidden || !job || ended(job)) return;
  const now = await request("GET", `/api/jobs/${job.id}`).catch(() => null);
  if (now?.id === wanted) setJob(now);
}, HIDDEN_LOOK);

startForm({
  onJob: ({ id, batch }) => (batch ? goToBatch(batch) : goTo(id)),
  onProgress: (text) => {
    uploading = text;
    showTitle();
  },
  onChoice: offerPreview,
});
startProgress({
  onChange: (changed) => changed.id === wanted && setJob(changed),
  onJob: (created) => goTo(created.id),
  onRemoving: leave,
  onRemoved: (doomed, removed) => {
    // The reader may have opened another one meanwhile.
    if (location.hash !== `#job=${doomed.id}`) return;
    if (removed) goTo(null);
    else stay(doomed);
  },
});
startJobs((created) => goTo(created.id));
startBatch(goneBatch);
startStage(offerAgain);
startWorkers();
startPreview();
startBuilder(refresh);
addEventListener("hashchange", () => {
  navigate();
  if (wanted || batch) reveal(at(wanted ? "job-heading" : "batch-heading"));
});
navigate();
