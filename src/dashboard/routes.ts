import { finished, Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type, { type Static, type TSchema } from 'typebox';
import { buildReport, policyFor, type ReportAssets } from '../report/report.ts';
import { InvalidMessageError } from '../sweep/errors.ts';
import { PHASES } from '../sweep/status.ts';
import type { Access } from './access.ts';
import {
  CurveList,
  SweepDetail,
  SweepList,
  TrialDetail,
  TrialList,
  type TrialRow,
  VerdictView,
  Whoami,
} from './api.ts';
import { buildCurveView } from './curve-view.ts';
import { curvesCsv, trialsCsv } from './exports.ts';
import type { Models } from './models.ts';
import { pageOf } from './paging.ts';
import { notFound, ProblemError } from './problems.ts';
import { buildReportInput } from './report-input.ts';
import type { Store } from './store.ts';
import type { SweepEntry } from './sweep-entry.ts';
import { parseTrialList } from './trial-list.ts';
import { matches, parseSort, queryKey, sortValue, TrialQuery } from './trial-query.ts';
import type { TrialState } from './trial-state.ts';

export interface RoutesOptions {
  readonly store: Store;
  readonly access: Access;
  readonly models: Models;
  readonly reportAssets: () => Promise<ReportAssets>;
  /** For people: `Kubernetes`, or the machine of a local run. */
  readonly machine: string;
}

const MAX_CURVES = 1_000;
/** At once: each is in memory as a whole until it is sent. */
const MAX_DOWNLOADS = 8;
const name = (description: string) =>
  Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253, description });
const SweepPath = Type.Object({
  namespace: name('Namespace; `local` for a run folder.'),
  name: name('Name of the sweep.'),
});
const TrialPath = Type.Object({
  ...SweepPath.properties,
  index: Type.Integer({ minimum: 0, maximum: 99_999, description: 'Index in the grid.' }),
});
const paging = {
  limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100, description: 'Items of one page.' }),
  continue: Type.Optional(Type.String({ maxLength: 2_048, description: 'As the page before answered it.' })),
};
const SweepsQuery = Type.Object(
  {
    namespace: Type.Optional(name('Only sweeps of this namespace.')),
    phase: Type.Optional(Type.Enum([...PHASES], { description: 'Only sweeps of this phase.' })),
    ...paging,
  },
  { additionalProperties: false },
);
const TrialsQuery = Type.Object({ ...TrialQuery.properties, ...paging }, { additionalProperties: false });
const CurvesQuery = Type.Object(
  {
    trials: Type.Optional(
      Type.String({
        maxLength: 3_000,
        description: `Indexes and ranges, as 0-9,17; at most ${MAX_CURVES}. Absent: the first.`,
      }),
    ),
    points: Type.Integer({
      minimum: 4,
      maximum: 4_000,
      default: 800,
      description: 'At most so many epochs of a curve.',
    }),
  },
  { additionalProperties: false },
);

type SweepPath = Static<typeof SweepPath>;
type TrialPath = Static<typeof TrialPath>;
type SweepRequest = FastifyRequest<{ Params: SweepPath }>;

/** The answers that any route may give beside its own. */
const PROBLEM_ANSWERS = Object.fromEntries(
  [400, 401, 404, 429, 503].map((status) => [
    status,
    { description: 'RFC 9457', content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } } },
  ]),
);

function describe(summary: string, answer: TSchema, parts: { params?: TSchema; querystring?: TSchema } = {}) {
  return {
    schema: {
      summary,
      ...parts,
      response: { 200: answer, 304: Type.Null({ description: 'Nothing changed.' }), ...PROBLEM_ANSWERS },
    },
  };
}

/** A download. */
function describeFile(summary: string, type: string, parts: { params: TSchema; querystring?: TSchema }) {
  const answer = { description: summary, content: { [type]: { schema: Type.String() } } };
  return { schema: { summary, ...parts, response: { 200: answer, ...PROBLEM_ANSWERS } } };
}

/** The reading part of the API. @see operations.md section 7 */
export function addRoutes(app: FastifyInstance, options: RoutesOptions): void {
  const { store, access, models, reportAssets, machine } = options;

  app.get('/whoami', describe('Who asks, and how that is known', Whoami), async ({ user }) => ({
    mode: access.mode,
    user: user?.name ?? '',
    groups: [...(user?.groups ?? [])],
  }));

  app.get<{ Querystring: Static<typeof SweepsQuery> }>(
    '/sweeps',
    describe('Sweeps, by namespace and name', SweepList, { querystring: SweepsQuery }),
    async (request, reply) => {
      const { namespace, phase, limit, continue: token } = request.query;
      const readable = await readableSweeps(store.sweeps, request, access);
      const wanted = readable.filter(
        (entry) =>
          (namespace === undefined || entry.namespace === namespace) &&
          (phase === undefined || entry.input.phase === phase),
      );
      const query = JSON.stringify([namespace ?? '', phase ?? '']);
      const place = ({ key }: SweepEntry) => ({ value: null, id: key });
      const page = pageOf(wanted, place, { limit, continue: token, query, descending: false, boot: store.boot });
      for (const entry of page.items) store.judge(entry);
      if (isFresh(request, reply, listTag(store, readable))) return reply.code(304).send();
      return { ...page, items: page.items.map((entry) => entry.summary()) };
    },
  );

  /** The sweep that a path names, judged. "No right" and "not there" take the same way to the same answer. */
  async function entryOf({ params, user }: SweepRequest): Promise<SweepEntry> {
    const mayRead = user !== undefined && (await access.mayRead(user, params.namespace));
    const entry = mayRead ? store.sweep(params.namespace, params.name) : undefined;
    if (!entry) throw notFound();
    store.judge(entry);
    return entry;
  }

  function stateOf(entry: SweepEntry, { params }: FastifyRequest<{ Params: TrialPath }>): TrialState {
    const state = entry.trials[params.index];
    if (!state) throw notFound();
    return state;
  }

  app.get<{ Params: SweepPath }>(
    '/sweeps/:namespace/:name',
    describe('A sweep: its spec as resolved, counts, conditions, best', SweepDetail, { params: SweepPath }),
    async (request, reply) => {
      const entry = await entryOf(request);
      if (isFresh(request, reply, tagOf(store, entry.revision))) return reply.code(304).send();
      return entry.detail();
    },
  );

  app.get<{ Params: SweepPath }>(
    '/sweeps/:namespace/:name/verdict',
    describe('The verdict on what is recorded, and what other rules would pick', VerdictView, { params: SweepPath }),
    async (request, reply) => {
      const entry = await entryOf(request);
      if (isFresh(request, reply, tagOf(store, entry.verdictRevision))) return reply.code(304).send();
      return entry.verdictView();
    },
  );

  app.get<{ Params: SweepPath; Querystring: Static<typeof TrialsQuery> }>(
    '/sweeps/:namespace/:name/trials',
    describe('Trials, a row each', TrialList, { params: SweepPath, querystring: TrialsQuery }),
    async (request, reply) => {
      const entry = await entryOf(request);
      if (isFresh(request, reply, tagOf(store, entry.revision))) return reply.code(304).send();
      const { limit, continue: token, ...query } = request.query;
      const { column, descending } = parseSort(query.sort);
      const place = (row: TrialRow) => ({ value: sortValue(row, column), id: row.trial });
      const paging = { limit, continue: token, query: queryKey(query), descending, boot: store.boot };
      return pageOf(rowsOf(entry, query), place, paging);
    },
  );

  app.get<{ Params: TrialPath }>(
    '/sweeps/:namespace/:name/trials/:index',
    describe('One trial with its attempts', TrialDetail, { params: TrialPath }),
    async (request, reply) => {
      const entry = await entryOf(request);
      const state = stateOf(entry, request);
      const revision = Math.max(state.revision, entry.verdictRevision);
      if (isFresh(request, reply, tagOf(store, revision))) return reply.code(304).send();
      return entry.trialDetail(state);
    },
  );

  app.get<{ Params: SweepPath; Querystring: Static<typeof CurvesQuery> }>(
    '/sweeps/:namespace/:name/curves',
    describe('Learning curves in columns', CurveList, { params: SweepPath, querystring: CurvesQuery }),
    async (request, reply) => {
      const entry = await entryOf(request);
      const wanted = trialsOf(entry, request.query.trials);
      if (isFresh(request, reply, tagOf(store, entry.revision))) return reply.code(304).send();
      const items = wanted.flatMap((state) => {
        const { curve, facts } = entry.read(state);
        return curve ? [buildCurveView(curve, facts, request.query.points)] : [];
      });
      return { items };
    },
  );

  app.get<{ Params: SweepPath; Querystring: TrialQuery }>(
    '/sweeps/:namespace/:name/trials.csv',
    describeFile('The table of trials', 'text/csv', { params: SweepPath, querystring: TrialQuery }),
    async (request, reply) => {
      const entry = await entryOf(request);
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
      const entry = await entryOf(request);
      const { trials } = request.query;
      const wanted = trials === undefined ? entry.trials : trialsOf(entry, trials);
      return sendLines(reply, curvesCsv(entry, wanted), `${entry.name}-curves.csv`);
    },
  );

  app.get<{ Params: SweepPath }>(
    '/sweeps/:namespace/:name/sweep.yaml',
    describeFile('The sweep with every default filled in', 'application/yaml', { params: SweepPath }),
    async (request, reply) => {
      const entry = await entryOf(request);
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
      const entry = await entryOf(request);
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
      const entry = await entryOf(request);
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

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

async function readableSweeps(
  sweeps: readonly SweepEntry[],
  { user }: FastifyRequest,
  access: Access,
): Promise<SweepEntry[]> {
  if (!user) return [];
  const namespaces = [...new Set(sweeps.map(({ namespace }) => namespace))];
  const answers = await Promise.all(namespaces.map((namespace) => access.mayRead(user, namespace)));
  const readable = new Set(namespaces.filter((_, at) => answers[at]));
  return sweeps.filter(({ namespace }) => readable.has(namespace));
}

function rowsOf(entry: SweepEntry, query: TrialQuery): TrialRow[] {
  return entry.trials.map((state) => entry.rowOf(state)).filter(matches(query));
}

function trialsOf(entry: SweepEntry, list: string | undefined): TrialState[] {
  if (list === undefined) return entry.trials.slice(0, MAX_CURVES);
  try {
    return parseTrialList(list, entry.trials.length, MAX_CURVES).flatMap((trial) => entry.trials[trial] ?? []);
  } catch (error) {
    if (!(error instanceof InvalidMessageError)) throw error;
    throw new ProblemError('bad-request', error.message, {
      errors: [{ path: 'querystring.trials', message: error.message }],
    });
  }
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

function tagOf({ boot }: Store, revision: number): string {
  return `W/"${boot}-${revision}"`;
}

/** The list changes with any sweep in it, and with those that come and go. */
function listTag(store: Store, readable: readonly SweepEntry[]): string {
  const newest = readable.reduce((most, { revision }) => Math.max(most, revision), 0);
  return `W/"${store.boot}-${newest}-${readable.length}"`;
}

/** Sets the tag; whether the client has that state already. */
function isFresh(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  reply.header('etag', tag);
  const known = request.headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, '')) ?? [];
  return known.includes('*') || known.includes(tag.replace(/^W\//, ''));
}
