import Type, { type Static } from 'typebox';
import type { Reason } from './reasons.ts';
import { MAX_TRIALS } from './schema.ts';

/** Largest encoded status, in bytes, at any size of the sweep. */
export const MAX_STATUS_BYTES = 8192;
/** Longest message of the status and of a condition, in characters of one byte. */
export const MAX_MESSAGE = 1024;

const closed = { additionalProperties: false } as const;
const count = (description: string) => Type.Integer({ minimum: 0, maximum: MAX_TRIALS, description });
const generation = (description: string) => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description });
const time = (description: string) => Type.String({ format: 'date-time', maxLength: 40, description });
const message = (description: string) => Type.String({ maxLength: MAX_MESSAGE, description });

export const PHASES = ['Pending', 'Running', 'Suspended', 'Complete', 'Failed'] as const;
export type Phase = (typeof PHASES)[number];

export const CONDITIONS = ['Accepted', 'Progressing', 'Degraded', 'Complete', 'Failed'] as const;
export type ConditionType = (typeof CONDITIONS)[number];

/** A word of a closed list in our code, open in the schema: a newer controller must be able to write a word that an older kind does not know. */
const word = <Word extends string>(description: string) =>
  Type.Unsafe<Word>({ type: 'string', pattern: '^[A-Z][A-Za-z]*$', maxLength: 64, description });

export const ConditionSchema = Type.Object(
  {
    type: word<ConditionType>('What the condition speaks of: Accepted, Progressing, Degraded, Complete or Failed.'),
    status: Type.Enum(['True', 'False', 'Unknown'], { type: 'string', description: 'Whether it holds.' }),
    reason: word<Reason>('Why, in one word.'),
    message: message('Why, in a sentence: the object and what to do.'),
    observedGeneration: generation('Generation of the spec that this was seen of.'),
    lastTransitionTime: time('When `status` last changed.'),
  },
  { ...closed, description: 'One condition, as in every Kubernetes status.' },
);
export type Condition = Readonly<Static<typeof ConditionSchema>>;

/** The winner so far; its figures are those of its kept epoch. */
export const BestSchema = Type.Object(
  {
    trial: Type.Integer({ minimum: 0, maximum: MAX_TRIALS - 1, description: 'Index in the grid.' }),
    network: Type.String({ maxLength: 256, description: 'The network in words.' }),
    epoch: Type.Integer({ minimum: 1, maximum: 1000, description: 'Kept epoch.' }),
    parameterCount: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Weights and biases.' }),
    validationLoss: Type.Number({ description: 'At the kept epoch, in nats.' }),
    loss: Type.Optional(
      Type.String({ maxLength: 32, description: 'The same for people: `1.408 ± 0.020`, with its standard error.' }),
    ),
    validationLossStandardError: Type.Number({ minimum: 0, description: 'Of the validation loss.' }),
    validationAccuracy: Type.Number({ minimum: 0, maximum: 1, description: 'At the kept epoch.' }),
    gap: Type.Number({ minimum: -1, maximum: 1, description: 'Training minus validation accuracy.' }),
    rise: Type.Number({ description: 'Smoothed validation loss above its own minimum, relative.' }),
    finding: Type.String({ maxLength: 32, description: 'Healthy or StillImproving.' }),
    testLoss: Type.Optional(Type.Number({ description: 'Opened when the sweep is complete.' })),
    testAccuracy: Type.Optional(
      Type.Number({ minimum: 0, maximum: 1, description: 'Opened when the sweep is complete.' }),
    ),
    backend: Type.Optional(Type.String({ maxLength: 16, description: 'What trained it.' })),
  },
  { ...closed, description: 'The best trial that does not overfit, of those that are recorded.' },
);

/** What `kubectl get sweep` shows. Bounded: no list of trials, whatever the size of the grid. */
export const SweepStatusSchema = Type.Object(
  {
    phase: Type.Enum([...PHASES], {
      type: 'string',
      description: 'Where the sweep stands: Pending, Running, Suspended, Complete or Failed.',
    }),
    observedGeneration: generation('Generation of the spec that was acted on.'),
    trials: Type.Object(
      {
        total: count('Points of the grid, equal ones merged.'),
        waiting: count('Not started, or waiting for a node, an image, a queue or another attempt.'),
        running: count('Its container runs, or has ended and is not recorded yet.'),
        succeeded: count('Recorded with a result.'),
        failed: count('Recorded as failed.'),
        stopped: count('Recorded as stopped.'),
      },
      {
        ...closed,
        description: 'How many trials there are of each: waiting + running + succeeded + failed + stopped = total.',
      },
    ),
    best: Type.Optional(BestSchema),
    message: message('The verdict in a sentence, or what the sweep waits for.'),
    conditions: Type.Array(ConditionSchema, {
      maxItems: CONDITIONS.length,
      description: 'Accepted, Progressing, Degraded, Complete and Failed: what holds, and why.',
    }),
    startTime: Type.Optional(time('When the first trial was started.')),
    completionTime: Type.Optional(time('When the last trial was recorded.')),
  },
  { ...closed, description: 'Written by the controller alone.' },
);
export type SweepStatus = Readonly<Static<typeof SweepStatusSchema>>;
