import Type, { type Static } from 'typebox';
import { decode, encode } from './codec.ts';
import { MAX_MESSAGE_BYTES, MeasurementSchema } from './measurement.ts';
import { GridSchema, SelectionSchema, type Sweep, TrainerSchema, TrainingSchema } from './schema.ts';
import type { Trial } from './trial.ts';

const closed = { additionalProperties: false } as const;
const { sweep, trial, attempt, attemptUID } = MeasurementSchema.properties;
const { widths, activation, pooling, depth } = GridSchema.properties;
const { dataset, epochs, batchSize, learningRate, momentum, seed, validationFraction, trainingExamples } =
  TrainingSchema.properties;

/** What one attempt at one trial is told to do: one document, the same for a worker process and for a Pod. */
export const AssignmentSchema = Type.Object(
  {
    sweep,
    trial,
    attempt,
    attemptUID,
    hyperparameters: Type.Object(
      {
        widths: widths.items,
        activation: activation.items,
        pooling: pooling.items,
        depth: depth.items,
        batchSize,
        learningRate,
        momentum,
        seed,
      },
      { ...closed, description: 'The values of its point of the grid.' },
    ),
    hyperparametersHash: Type.String({ pattern: '^[0-9a-f]{16}$' }),
    /** `splitSeed` is the sweep's own seed; a trial's drives initialisation and shuffling only. */
    training: Type.Object({ dataset, epochs, splitSeed: seed, validationFraction, trainingExamples }, closed),
    checkpoint: SelectionSchema.properties.checkpoint,
    backend: TrainerSchema.properties.backend,
  },
  closed,
);
export type Assignment = Readonly<Static<typeof AssignmentSchema>>;

/** Builds the assignment of one attempt. @param backend as asked for; what was used stands in the result */
export function buildAssignment(
  { metadata, spec }: Sweep,
  { trial, hyperparameters, hyperparametersHash }: Trial,
  { attempt, attemptUID, backend = spec.trainer.backend }: AttemptIdentity,
): Assignment {
  const { dataset, epochs, seed: splitSeed, validationFraction, trainingExamples } = spec.training;
  return {
    sweep: metadata.name,
    trial,
    attempt,
    attemptUID,
    hyperparameters: { ...hyperparameters, widths: [...hyperparameters.widths] },
    hyperparametersHash,
    training: { dataset, epochs, splitSeed, validationFraction, ...(trainingExamples && { trainingExamples }) },
    checkpoint: spec.selection.checkpoint,
    backend,
  };
}

export interface AttemptIdentity {
  readonly attempt: number;
  readonly attemptUID: string;
  readonly backend?: Assignment['backend'] | undefined;
}

export function encodeAssignment(assignment: Assignment): string {
  return encode(AssignmentSchema, assignment, MAX_MESSAGE_BYTES);
}

/** Strict. @throws InvalidMessageError naming the field and its value */
export function decodeAssignment(text: string): Assignment {
  return decode(AssignmentSchema, text, MAX_MESSAGE_BYTES);
}
