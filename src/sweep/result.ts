import Type, { type Static } from 'typebox';
import { decode, encode } from './codec.ts';
import { EpochFiguresSchema, MAX_EPOCHS, MeasurementSchema } from './measurement.ts';

/** Largest encoded result, in bytes: what a Pod's termination message holds. */
export const MAX_RESULT_BYTES = 4096;

const loss = (description: string) => Type.Union([Type.Number(), Type.Null()], { description });
const closed = { additionalProperties: false } as const;

/** What the verdict needs of a curve, for any thresholds and for both checkpoint rules. Losses in nats, null where one was not finite. */
export const CurveSummarySchema = Type.Object(
  {
    epochsPlanned: Type.Integer({ minimum: 1, maximum: MAX_EPOCHS, description: 'Epochs that were asked for.' }),
    epochsDone: Type.Integer({ minimum: 0, maximum: MAX_EPOCHS, description: 'Epochs of the curve.' }),
    complete: Type.Boolean({ description: 'The epochs are exactly 1..epochsPlanned.' }),
    diverged: Type.Boolean({ description: 'A training or validation loss was not finite.' }),
    turningEpoch: Type.Union([Type.Integer({ minimum: 1, maximum: MAX_EPOCHS }), Type.Null()], {
      description: 't*: the first epoch at which the smoothed validation loss is smallest.',
    }),
    smoothedLossAtTurn: loss('Smoothed validation loss at t*, in nats.'),
    smoothedLossAtEnd: loss('Smoothed validation loss at the last epoch, in nats.'),
    best: Type.Union([EpochFiguresSchema, Type.Null()], { description: 'The epoch that BestEpoch keeps.' }),
    last: Type.Union([EpochFiguresSchema, Type.Null()], { description: 'The last epoch, which LastEpoch keeps.' }),
    rawBest: Type.Union([EpochFiguresSchema, Type.Null()], {
      description: 'The lowest validation loss, not smoothed.',
    }),
  },
  closed,
);
export type CurveSummary = Readonly<Static<typeof CurveSummarySchema>>;

export const OUTCOMES = ['Succeeded', 'Failed', 'Stopped'] as const;
export type Outcome = (typeof OUTCOMES)[number];

const TestFiguresSchema = Type.Object(
  {
    loss: loss('Mean loss on the test set, in nats.'),
    accuracy: Type.Number({ minimum: 0, maximum: 1, description: 'Share of the test set that is classified rightly.' }),
  },
  closed,
);

/** How a trial ended, once. `test` holds the sealed figures of the kept weights: carried along, opened for the winner only. */
export const TrialResultSchema = Type.Object(
  {
    trial: MeasurementSchema.properties.trial,
    attempt: MeasurementSchema.properties.attempt,
    attemptUID: MeasurementSchema.properties.attemptUID,
    outcome: Type.Enum([...OUTCOMES], { description: 'Whether it ended with a result, without one, or by policy.' }),
    reason: Type.String({ maxLength: 1024, description: 'PascalCase reason, then what a person can act on.' }),
    hyperparametersHash: Type.String({
      pattern: '^[0-9a-f]{16}$',
      maxLength: 16,
      description: 'Tells whether two points are the same.',
    }),
    parameterCount: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Weights and biases.' }),
    backend: Type.Union([Type.Enum(['gpu', 'native', 'wasm', 'cpu']), Type.Null()], {
      description: 'What trained it: gpu, native, wasm or cpu; null if nothing did.',
    }),
    seconds: Type.Number({ minimum: 0, description: 'Wall time of the attempt.' }),
    summary: Type.Union([CurveSummarySchema, Type.Null()], {
      description: 'What the verdict needs of the learning curve; null without one.',
    }),
    test: Type.Union([TestFiguresSchema, Type.Null()], {
      description: 'The kept weights on the test set, once. Sealed: no verdict reads it, a report opens the winner’s.',
    }),
  },
  closed,
);
export type TrialResult = Readonly<Static<typeof TrialResultSchema>>;

/** Longest reason that is kept, in characters: whatever they are, the whole then fits. */
const MAX_REASON = 256;

/** One line of JSON, at most 4 KiB: a long reason is shortened, nothing else is left out.
 * @throws InvalidMessageError for anything that a decoder would refuse
 */
export function encodeResult(result: TrialResult): string {
  return encode(TrialResultSchema, { ...result, reason: shorten(result.reason) }, MAX_RESULT_BYTES);
}

/** Cuts between code points: half a surrogate pair would not survive UTF-8. */
function shorten(reason: string): string {
  if (reason.length <= MAX_REASON) return reason;
  const characters = [...reason];
  return characters.length <= MAX_REASON ? reason : `${characters.slice(0, MAX_REASON - 1).join('')}…`;
}

/** Strict. @throws InvalidMessageError naming the field and its value */
export function decodeResult(text: string): TrialResult {
  return decode(TrialResultSchema, text, MAX_RESULT_BYTES);
}
