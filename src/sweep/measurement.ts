import Type, { type Static } from 'typebox';
import { decode, encode } from './codec.ts';
import { MAX_TRIALS } from './schema.ts';

/** Largest encoded message, in bytes. */
export const MAX_MESSAGE_BYTES = 65_536;
export const MAX_EPOCHS = 1000;

// JSON has no NaN: a loss that is not finite is null, and makes the trial Diverged.
const loss = (description: string) => Type.Union([Type.Number(), Type.Null()], { description });
const spread = (description: string) => Type.Union([Type.Number({ minimum: 0 }), Type.Null()], { description });
const accuracy = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });

const figures = {
  epoch: Type.Integer({
    minimum: 1,
    maximum: MAX_EPOCHS,
    description: 'Passes over the training images so far, from 1.',
  }),
  trainLoss: loss('Mean loss on the fixed training subset, in inference mode, in nats.'),
  trainAccuracy: accuracy('Share of the fixed training subset that is classified rightly.'),
  validationLoss: loss('Mean loss on the validation set, in nats.'),
  validationAccuracy: accuracy('Share of the validation set that is classified rightly.'),
  validationLossStandardError: spread('Standard error of the mean validation loss; null counts as 0.'),
  runningTrainLoss: loss('Mean loss of the minibatches of this epoch, as they were trained on.'),
  seconds: Type.Number({ minimum: 0, description: 'Wall time of the epoch, evaluation included.' }),
  examplesPerSecond: Type.Number({ minimum: 0, description: 'Training images per second, evaluation excluded.' }),
};

const identity = {
  sweep: Type.String({ minLength: 1, maxLength: 63, description: 'Name of the sweep.' }),
  trial: Type.Integer({ minimum: 0, maximum: MAX_TRIALS - 1, description: 'Index of the trial in the expanded grid.' }),
  attempt: Type.Integer({ minimum: 1, maximum: 9_999, description: 'Which try at the trial this was, from 1.' }),
  attemptUID: Type.String({ minLength: 1, maxLength: 63, description: 'UID of the Pod (or process) that ran it.' }),
};

const closed = { additionalProperties: false } as const;

/** The figures of one epoch, without saying whose they are. */
export const EpochFiguresSchema = Type.Object(figures, closed);
export type EpochFigures = Readonly<Static<typeof EpochFiguresSchema>>;

/** What one attempt reports at the end of one epoch. Losses in nats, accuracies in 0..1. */
export const MeasurementSchema = Type.Object({ ...identity, ...figures }, closed);
export type Measurement = Readonly<Static<typeof MeasurementSchema>>;

/** Where a trial stands within an epoch: shown while it runs, never judged. */
export interface Progress {
  readonly trial: number;
  readonly attempt: number;
  readonly attemptUID: string;
  readonly epoch: number;
  /** Minibatches of this epoch that are done, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Mean loss of the last 2,000 minibatches or fewer, in nats; null if not finite. */
  readonly runningTrainLoss: number | null;
  readonly examplesPerSecond: number;
}

const FOREIGN_DEFAULTS = {
  sweep: 'judged',
  attempt: 1,
  attemptUID: 'judged',
  validationLossStandardError: null,
  runningTrainLoss: null,
  seconds: 0,
  examplesPerSecond: 0,
};

/** One line of JSON. A loss that is not finite becomes null.
 * @throws InvalidMessageError for anything else that a decoder would refuse
 */
export function encodeMeasurement(measurement: Measurement): string {
  return encode(MeasurementSchema, nullNonFiniteLosses(measurement), MAX_MESSAGE_BYTES);
}

/** Strict: known keys, finite numbers, at most 64 KiB.
 * @throws InvalidMessageError naming the field and its value
 */
export function decodeMeasurement(text: string): Measurement {
  return decode(MeasurementSchema, text, MAX_MESSAGE_BYTES);
}

/** As decodeMeasurement, for curves from elsewhere: who reported, the standard error and the speed may be absent. */
export function decodeForeignMeasurement(text: string): Measurement {
  return decode(MeasurementSchema, text, MAX_MESSAGE_BYTES, FOREIGN_DEFAULTS);
}

/** A Measurement without its address. */
export function figuresOf({
  sweep: _,
  trial: __,
  attempt: ___,
  attemptUID: ____,
  ...figures
}: Measurement): EpochFigures {
  return figures;
}

/** Writes null for each loss that is not finite. */
export function nullNonFiniteLosses<Figures extends EpochFigures>(figures: Figures): Figures {
  return {
    ...figures,
    trainLoss: finiteOrNull(figures.trainLoss),
    validationLoss: finiteOrNull(figures.validationLoss),
    validationLossStandardError: finiteOrNull(figures.validationLossStandardError),
    runningTrainLoss: finiteOrNull(figures.runningTrainLoss),
  };
}

export function finiteOrNull(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
