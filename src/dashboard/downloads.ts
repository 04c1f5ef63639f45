import { finished, Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import Type, { type Static } from 'typebox';
import { buildReport, policyFor, type ReportAssets } from '../report/report.ts';
import type { TrialRow } from './api.ts';
import { curvesCsv, trialsCsv } from './exports.ts';
import type { Models } from './models.ts';
import { pageOf } from './paging.ts';
import { notFound, ProblemError } from './problems.ts';
import { buildReportInput } from './report-input.ts';
import { CurvesQuery, describeFile, SweepPath, TrialPath } from './route-schemas.ts';
import { entryOf, type Readable as Reading, rowsOf, stateOf, trialsOf } from './route-targets.ts';
import { parseSort, sortValue, TrialQuery } from './trial-query.ts';

export interface DownloadsOptions extends Reading {
  readonly models: Models;
  readonly reportAssets: () => Promise<ReportAssets>;
  /** For people: `Kubernetes`, or the machine of a local run. */
  readonly machine: string;
}

/** At once: each is in memory as a whole until it is sent. */
const MAX_DOWNLOADS = 8;

/** What can be taken away as a file. */
export function addDownloads(app: FastifyInstance, options: DownloadsOptions): void {
  const { store, models, reportAssets, machine } = options;

  app.get<{ Params: SweepPath; Querystring: TrialQuery }>(
    '/sweeps/:namespace/:name/trials.csv',
    describeFile('The table of trials', 'text/csv', { params: SweepPath, querystring: TrialQuery }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
      const { column, descending } = parseSort(request.query.sort);
      const place = (row: TrialRow) => ({ value: sortValue(row, column), id: row.trial });
      const all = { limit: entry.trials.length, query: '', descending, boot: store.boot };
      const { items } = pageOf(rowsOf(entry, request.query), place, all);
      return sendLines(reply, trialsCsv(items), `${entry.name}-trials.csv`);
    },
  );

  app.get<{ Params: SweepPath; Querystring: Pick<Static<typeof CurvesQuery>, 'trials'> }>(
    '/sweeps/:namespace/:name/curves.csv',
    describeFile('Learning curves, an epoch a line; all of them unless some are named', 'text/csv', {
      params: SweepPath,
      querystring: Type.Object({ trials: CurvesQuery.properties.trials }, { additionalProperties: false }),
    }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
      const { trials } = request.query;
      const wanted = trials === undefined ? entry.trials : trialsOf(entry, trials);
      return sendLines(reply, curvesCsv(entry, wanted), `${entry.name}-curves.csv`);
    },
  );

  app.get<{ Params: SweepPath }>(
    '/sweeps/:namespace/:name/sweep.yaml',
    describeFile('The sweep with every default filled in', 'application/yaml', { params: SweepPath }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
      return reply
        .type('application/yaml; charset=utf-8')
        .header('content-disposition', `attachment; filename="${entry.name}.yaml"`)
        .send(entry.sweepText());
    },
  );

  app.get<{ Params: SweepPath }>(
    '/sweeps/:namespace/:name/report.html',
    describeFile('The report: one file that needs no network', 'text/html', { params: SweepPath }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
      const input = buildReportInput(entry, machine);
      if (!input) throw notFound();
      const assets = await reportAssets();
      return reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', `${policyFor(assets)}; frame-ancestors 'none'`)
        .send(buildReport(input, assets));
    },
  );

  let downloads = 0;
  /** Takes a place until what was read is sent, or who asked is gone and the reading is over, too. */
  async function download<Read>(reply: FastifyReply, read: () => Promise<Read>): Promise<Read> {
    if (downloads >= MAX_DOWNLOADS) {
      throw new ProblemError('overloaded', `at most ${MAX_DOWNLOADS} models at once`, { retryAfterSeconds: 5 });
    }
    downloads++;
    const sent = new Promise<void>((resolve) => finished(reply.raw, () => resolve()));
    const reading = read();
    void Promise.allSettled([reading, sent]).then(() => downloads--);
    return reading;
  }

  app.get<{ Params: TrialPath }>(
    '/sweeps/:namespace/:name/trials/:index/model',
    describeFile('The kept weights: a zip for tf.loadLayersModel', 'application/zip', { params: TrialPath }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
      const state = stateOf(entry, request);
      // Of the attempt that is recorded, and of no other.
      const [{ trial }, attemptUID] = [state, state.hasModel ? state.model : null];
      const { namespace, name: sweep, uid: sweepUID } = entry;
      const wanted = attemptUID !== null && { namespace, sweep, sweepUID, trial: trial.trial, attemptUID };
      const zip = wanted ? await download(reply, () => models.zip(wanted)) : 'missing';
      if (zip === 'missing')
        throw new ProblemError('model-missing', 'only the weights of trials that can still win are kept');
      return reply
        .type('application/zip')
        .header('content-disposition', `attachment; filename="${sweep}-${trial.trial}.zip"`)
        .send(Buffer.from(zip.buffer, zip.byteOffset, zip.byteLength));
    },
  );
}

function sendLines(reply: FastifyReply, lines: Generator<string>, file: string): FastifyReply {
  return reply
    .type('text/csv; charset=utf-8')
    .header('content-disposition', `attachment; filename="${file}"`)
    .send(Readable.from(inChunks(lines), { objectMode: false }));
}

/** A write for each line would be slow. */
function* inChunks(lines: Iterable<string>): Generator<Buffer> {
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < 64 * 1024) continue;
    yield Buffer.from(chunk);
    chunk = '';
  }
  yield Buffer.from(chunk);
}
