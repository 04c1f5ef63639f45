import Type, { type Static } from 'typebox';
import { AssignmentSchema } from './assignment.ts';
import { TrialResultSchema } from './result.ts';

/** Most records of one slice: at 4 KiB each it stays below what the API server stores. */
export const MAX_RECORDS = 200;
/** A slice that holds so many is left as it is, and the next one begun: the API server checks every record of a slice again for each
 * append (3 ms of its CPU a record).
 */
export const CLOSED_AT = 25;
/** Most slices of one Sweep: 100,000 trials make 4,000. */
export const MAX_SLICES = 5_000;

const closed = { additionalProperties: false } as const;

/** One finished trial, as a slice keeps it: its result, and what was trained. */
export const TrialRecordSchema = Type.Object(
  { ...TrialResultSchema.properties, hyperparameters: AssignmentSchema.properties.hyperparameters },
  { ...closed, description: 'How one trial ended. Never changed, never removed while its Sweep lives.' },
);
export type TrialRecord = Readonly<Static<typeof TrialRecordSchema>>;

/** The durable truth of what has been trained: an append-only list of up to 200 finished trials, owned by its Sweep.
 * Numbered from 0; the next is created only when the last holds 25 or more. If two hold the same trial, the lower slice counts.
 * The idea is EndpointSlice's.
 */
export const TrialResultSliceSchema = Type.Object(
  {
    apiVersion: Type.Literal('cnn-sweep.dev/v1alpha1', { description: 'Version of this format.' }),
    kind: Type.Literal('TrialResultSlice', { description: 'Always TrialResultSlice.' }),
    metadata: Type.Object(
      { name: Type.String({ maxLength: 63, description: '<sweep>-<6 of its UID>-s<slice>.' }) },
      { description: 'Kubernetes metadata; the owner is the Sweep.' },
    ),
    slice: Type.Integer({ minimum: 0, maximum: MAX_SLICES - 1, description: 'Number of this slice, from 0.' }),
    sweep: Type.String({ minLength: 1, maxLength: 40, description: 'Name of the Sweep.' }),
    records: Type.Array(TrialRecordSchema, {
      maxItems: MAX_RECORDS,
      description: 'Finished trials in the order in which they were recorded.',
    }),
  },
  { ...closed, description: 'Results of up to 200 finished trials of one Sweep; append-only.' },
);
export type TrialResultSlice = Readonly<Static<typeof TrialResultSliceSchema>>;
