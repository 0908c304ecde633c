// The API by a client that openapi-generator made for TypeScript: ADDRESS IMAGE RESULT.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";

import { Configuration, CreateJobFormatEnum, FleetApi, ImagesApi, JobsApi, ProblemFromJSON, ResponseError } from "./mill/index.js";
import type { JobView, Problem } from "./mill/index.js";

const [address, image, result] = process.argv.slice(2) as [string, string, string];
const configuration = new Configuration({ basePath: address });
const jobs = new JobsApi(configuration);
const images = new ImagesApi(configuration);
const fleet = new FleetApi(configuration);

/** Waits on the stream of events, which a generated client gives as it comes. */
async function ended(job: JobView): Promise<JobView> {
  const { raw } = await fleet.followEventsRaw({ job: job.id });
  let text = "";
  for await (const part of raw.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (/event: job\ndata: .*"status":"(complete|failed|cancelled)"/.test(text)) break;
  }
  return jobs.getJob({ id: job.id });
}

async function problem(call: Promise<unknown>): Promise<Problem> {
  const error = await call.then(() => assert.fail("it was not refused"), (error: unknown) => error);
  assert(error instanceof ResponseError);
  return ProblemFromJSON(await error.response.json());
}

async function bytes(blob: Promise<Blob>): Promise<Buffer> {
  return Buffer.from(await (await blob).arrayBuffer());
}

const original = await readFile(image);
const upload = new File([original], basename(image));
const form = { filters: "blur:2.5,invert", tileSize: 16, format: CreateJobFormatEnum.Png, quality: 80 };
const job = await ended(await jobs.createJob({ image: upload, ...form }));
assert.deepEqual([job.status, job.name, job.error], ["complete", basename(image), null]);
await writeFile(result, await bytes(images.getResult({ id: job.id })));
assert(original.equals(await bytes(images.getOriginal({ id: job.id }))));

const again = await ended(await jobs.createJob({ from: job.id, filters: "" }));
assert.equal(again.status, "complete");
await jobs.deleteJob({ id: again.id });

const gone = await problem(jobs.getJob({ id: again.id }));
assert.deepEqual([gone.status, gone.code], [404, "not_found"]);
assert.equal((await problem(jobs.createJob({ from: job.id, filters: "nonsense" }))).code, "invalid_filters");

const kinds = new Map((await fleet.listFilters()).map((filter) => [filter.name, filter.params[0]?.type]));
assert.deepEqual(["blur", "median", "grayscale"].map((name) => kinds.get(name)), ["number", "integer", "choice"]);
