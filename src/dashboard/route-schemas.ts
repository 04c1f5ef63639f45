import Type, { type Static, type TSchema } from 'typebox';
import { PHASES } from '../sweep/status.ts';
import { TrialQuery } from './trial-query.ts';

// What a request of the reading API may name, and how a route is described in OpenAPI.

/** Curves of one answer. */
export const MAX_CURVES = 1_000;
const name = (description: string) =>
  Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253, description });
export const SweepPath = Type.Object({
  namespace: name('Namespace; `local` for a run folder.'),
  name: name('Name of the sweep.'),
});
export const TrialPath = Type.Object({
  ...SweepPath.properties,
  index: Type.Integer({ minimum: 0, maximum: 99_999, description: 'Index in the grid.' }),
});
const paging = {
  limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100, description: 'Items of one page.' }),
  continue: Type.Optional(Type.String({ maxLength: 2_048, description: 'As the page before answered it.' })),
};
export const SweepsQuery = Type.Object(
  {
    namespace: Type.Optional(name('Only sweeps of this namespace.')),
    phase: Type.Optional(Type.Enum([...PHASES], { description: 'Only sweeps of this phase.' })),
    ...paging,
  },
  { additionalProperties: false },
);
export const TrialsQuery = Type.Object({ ...TrialQuery.properties, ...paging }, { additionalProperties: false });
export const CurvesQuery = Type.Object(
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

export type SweepPath = Static<typeof SweepPath>;
export type TrialPath = Static<typeof TrialPath>;

/** The answers that any route may give beside its own. */
const PROBLEM_ANSWERS = Object.fromEntries(
  [400, 401, 404, 429, 503].map((status) => [
    status,
    { description: 'RFC 9457', content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } } },
  ]),
);

export function describe(summary: string, answer: TSchema, parts: { params?: TSchema; querystring?: TSchema } = {}) {
  return {
    schema: {
      summary,
      ...parts,
      response: { 200: answer, 304: Type.Null({ description: 'Nothing changed.' }), ...PROBLEM_ANSWERS },
    },
  };
}

/** A download. */
export function describeFile(summary: string, type: string, parts: { params: TSchema; querystring?: TSchema }) {
  const answer = { description: summary, content: { [type]: { schema: Type.String() } } };
  return { schema: { summary, ...parts, response: { 200: answer, ...PROBLEM_ANSWERS } } };
}
