import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
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
import { isFresh, listTag, tagOf } from './etag.ts';
import { pageOf } from './paging.ts';
import { CurvesQuery, describe, SweepPath, SweepsQuery, TrialPath, TrialsQuery } from './route-schemas.ts';
import { entryOf, type Readable, readableSweeps, rowsOf, stateOf, trialsOf } from './route-targets.ts';
import type { SweepEntry } from './sweep-entry.ts';
import { parseSort, queryKey, sortValue } from './trial-query.ts';

/** The reading part of the API. @see operations.md section 7 */
export function addRoutes(app: FastifyInstance, options: Readable): void {
  const { store, access } = options;

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

  app.get<{ Params: SweepPath }>(
    '/sweeps/:namespace/:name',
    describe('A sweep: its spec as resolved, counts, conditions, best', SweepDetail, { params: SweepPath }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
      if (isFresh(request, reply, tagOf(store, entry.revision))) return reply.code(304).send();
      return entry.detail();
    },
  );

  app.get<{ Params: SweepPath }>(
    '/sweeps/:namespace/:name/verdict',
    describe('The verdict on what is recorded, and what other rules would pick', VerdictView, { params: SweepPath }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
      if (isFresh(request, reply, tagOf(store, entry.verdictRevision))) return reply.code(304).send();
      return entry.verdictView();
    },
  );

  app.get<{ Params: SweepPath; Querystring: Static<typeof TrialsQuery> }>(
    '/sweeps/:namespace/:name/trials',
    describe('Trials, a row each', TrialList, { params: SweepPath, querystring: TrialsQuery }),
    async (request, reply) => {
      const entry = await entryOf(request, options);
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
      const entry = await entryOf(request, options);
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
      const entry = await entryOf(request, options);
      const wanted = trialsOf(entry, request.query.trials);
      if (isFresh(request, reply, tagOf(store, entry.revision))) return reply.code(304).send();
      const items = wanted.flatMap((state) => {
        const { curve, facts } = entry.read(state);
        return curve ? [buildCurveView(curve, facts, request.query.points)] : [];
      });
      return { items };
    },
  );

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
