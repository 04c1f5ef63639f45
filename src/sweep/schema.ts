import Type, { type Static } from 'typebox';

/** Most points that one sweep may have, counted before equal points are merged. */
export const MAX_TRIALS = 100_000;

const closed = { additionalProperties: false } as const;

function axis<Item extends Type.TSchema>(items: Item, description: string) {
  return Type.Array(items, { minItems: 1, maxItems: 64, description });
}

function oneOf<const Values extends string[]>(
  values: readonly [...Values],
  description: string,
  preset?: Values[number],
) {
  return Type.Enum(values, { type: 'string', description, ...(preset === undefined ? {} : { default: preset }) });
}

const integer = (minimum: number, maximum: number, description: string, preset?: number) =>
  Type.Integer({ minimum, maximum, description, ...(preset === undefined ? {} : { default: preset }) });

const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description });

/** Lower case letters, digits and hyphens, the last not at an end: so that it can begin the name of a Job. */
export const SWEEP_NAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';

export const ACTIVATIONS = ['relu', 'none'] as const;
export const POOLINGS = ['max', 'avg', 'none'] as const;

const Widths = Type.Array(Type.Integer({ minimum: 1, maximum: 1024 }), {
  minItems: 1,
  maxItems: 8,
  description: 'Output channels of each stage, as [12, 32].',
});

// The same bounds hold for a number in `training` and for each value of an axis.
const batchSize = { minimum: 1, maximum: 4096 };
const learningRate = { exclusiveMinimum: 0, maximum: 10 };
const momentum = { minimum: 0, exclusiveMaximum: 1 };
const seed = { minimum: 0, maximum: 4_294_967_295 };

export const GridSchema = Type.Object(
  {
    widths: axis(Widths, 'Output channels of each stage, one list a network: [[3, 8], [12, 32]].'),
    activation: Type.Array(
      Type.Enum([...ACTIVATIONS], { type: 'string', description: 'What follows each convolution.' }),
      {
        minItems: 1,
        maxItems: 64,
        default: ['relu'],
        description: 'What follows each convolution: relu, or none for a linear network.',
      },
    ),
    pooling: Type.Array(Type.Enum([...POOLINGS], { type: 'string', description: 'What follows each stage.' }), {
      minItems: 1,
      maxItems: 64,
      default: ['max'],
      description: 'What follows each stage: max or avg (2×2, stride 2), or none.',
    }),
    depth: Type.Array(Type.Integer({ minimum: 1, maximum: 8, description: 'Convolutions in each stage.' }), {
      minItems: 1,
      maxItems: 64,
      default: [1],
      description: 'Convolutions in each stage, all of the width of the stage.',
    }),
    batchSize: Type.Optional(axis(Type.Integer(batchSize), 'Overrides training.batchSize.')),
    learningRate: Type.Optional(axis(Type.Number(learningRate), 'Overrides training.learningRate.')),
    momentum: Type.Optional(axis(Type.Number(momentum), 'Overrides training.momentum.')),
    seed: Type.Optional(
      axis(Type.Integer(seed), 'Overrides training.seed: initialisation and shuffling, not the split.'),
    ),
  },
  { ...closed, description: 'One grid: the product of its axes.' },
);

export const TrainingSchema = Type.Object(
  {
    dataset: oneOf(['cifar10', 'mnist'], 'The images to learn from.', 'cifar10'),
    epochs: integer(1, 1000, 'Passes over the training images.', 15),
    batchSize: Type.Integer({ ...batchSize, default: 4, description: 'Images of one gradient step.' }),
    learningRate: Type.Number({ ...learningRate, default: 0.001, description: 'Step size of SGD.' }),
    momentum: Type.Number({ ...momentum, default: 0.9, description: 'Momentum of SGD.' }),
    seed: Type.Integer({ ...seed, default: 0, description: 'Drives the split, the initialisation and the shuffling.' }),
    validationFraction: Type.Number({
      minimum: 0.01,
      maximum: 0.5,
      default: 0.1,
      description: 'Share of the training images that is held out, stratified, the same for every trial.',
    }),
    trainingExamples: Type.Optional(
      integer(1, 1_000_000, 'Limits the training images after the split, for quick runs; absent: all of them.'),
    ),
  },
  { ...closed, default: {}, description: 'How every trial is trained; a grid may override some of it.' },
);

export const SelectionSchema = Type.Object(
  {
    checkpoint: oneOf(
      ['BestEpoch', 'LastEpoch'],
      'Which epoch a trial keeps: the best one near the turning point, or the last one.',
      'BestEpoch',
    ),
    maxLossRise: Type.Number({
      minimum: 0,
      maximum: 10,
      default: 0.1,
      description: 'A trial whose smoothed validation loss ends further above its minimum than this share is Overfit.',
    }),
    maxAccuracyGap: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description:
          'Optional second filter: training minus validation accuracy at the kept epoch, 0.08 for 8 points; absent: no limit.',
      }),
    ),
    parsimony: oneOf(
      ['OneStandardError', 'None'],
      'OneStandardError takes the fewest parameters within one standard error of the lowest loss.',
      'OneStandardError',
    ),
  },
  { ...closed, default: {}, description: 'How the best model is chosen.' },
);

/** The last double below 2^63: the API server takes a larger number for no integer. */
const LARGEST_INTEGER = 2 ** 63 - 1024;

/** A Kubernetes quantity as people write it: `1`, `"500m"`, `4Gi`. */
const Quantity = Type.Unsafe<string | number>({
  anyOf: [{ type: 'integer', maximum: LARGEST_INTEGER }, { type: 'string' }],
  'x-kubernetes-int-or-string': true,
});

const quantities = (description: string) =>
  Type.Optional(Type.Record(Type.String(), Quantity, { maxProperties: 32, description }));

const Toleration = Type.Object(
  {
    key: Type.Optional(text(317, 'Taint key.')),
    operator: Type.Optional(oneOf(['Exists', 'Equal'], 'How the value is compared.')),
    value: Type.Optional(Type.String({ maxLength: 63, description: 'Taint value.' })),
    effect: Type.Optional(oneOf(['NoSchedule', 'PreferNoSchedule', 'NoExecute'], 'Taint effect.')),
    tolerationSeconds: Type.Optional(integer(0, 2_592_000, 'How long a NoExecute taint is tolerated.')),
  },
  { ...closed, description: 'One toleration, as in a Pod.' },
);

const THIRTY_DAYS = 2_592_000;

export const TrainerSchema = Type.Object(
  {
    image: Type.Optional(
      Type.String({
        pattern: '^[!-~]+$',
        minLength: 1,
        maxLength: 512,
        description: 'Trainer image; absent: the release’s own.',
      }),
    ),
    backend: oneOf(
      ['auto', 'gpu', 'native', 'wasm', 'cpu'],
      'TensorFlow.js backend; auto takes the fastest there is.',
      'auto',
    ),
    resources: Type.Optional(
      Type.Object(
        {
          limits: quantities('Limits of the trainer container; absent: nvidia.com/gpu: 1.'),
          requests: quantities('Requests of the trainer container.'),
        },
        { ...closed, description: 'Resources of the trainer container.' },
      ),
    ),
    nodeSelector: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: 63 }), {
        maxProperties: 32,
        description: 'Labels a node must have.',
      }),
    ),
    tolerations: Type.Optional(
      Type.Array(Toleration, { maxItems: 16, description: 'Taints to tolerate beside nvidia.com/gpu.' }),
    ),
    runtimeClassName: Type.Optional(text(253, 'Runtime class, often nvidia.')),
    priorityClassName: Type.Optional(text(253, 'Priority class of the Pods.')),
    // Values of labels: no longer than those.
    queueName: Type.Optional(text(63, 'Kueue LocalQueue; sets the label on each Job.')),
    kueuePriorityClass: Type.Optional(text(63, 'Kueue WorkloadPriorityClass; a label likewise.')),
    maxExecSeconds: Type.Optional(integer(1, THIRTY_DAYS, 'Kueue’s limit on the running time of a Job.')),
    dataClaim: Type.Optional(text(253, 'PersistentVolumeClaim with the data set, mounted read-only.')),
    startDeadlineSeconds: integer(1, THIRTY_DAYS, 'A scheduled Pod that has not started by then fails.', 900),
    activeDeadlineSeconds: integer(
      1,
      THIRTY_DAYS,
      'A trial that has not finished by then fails; counts the wait.',
      86_400,
    ),
    maxDisruptions: integer(0, 1000, 'Evictions of one trial that are not counted as failures.', 10),
  },
  {
    ...closed,
    default: {},
    description: 'Where and how trials run in a cluster; on one machine only `backend` has an effect.',
  },
);

export const SpecSchema = Type.Object(
  {
    grid: Type.Array(GridSchema, {
      minItems: 1,
      maxItems: 64,
      description: 'A list of grids: their union, equal points merged.',
    }),
    training: TrainingSchema,
    selection: SelectionSchema,
    parallelism: Type.Optional(
      integer(1, 1000, 'Trials at once; absent: as many as cores on one machine, 10 in a cluster.'),
    ),
    maxFailedTrials: Type.Optional(
      integer(0, MAX_TRIALS, 'More failed trials than this fail the sweep; absent: no limit.'),
    ),
    suspend: Type.Boolean({ default: false, description: 'Start no new trial; running ones finish.' }),
    trainer: TrainerSchema,
  },
  { ...closed, description: 'What is searched, how it is trained and judged, and where it runs.' },
);

export const SweepSchema = Type.Object(
  {
    apiVersion: Type.Literal('cnn-sweep.dev/v1alpha1', { description: 'Version of this format.' }),
    kind: Type.Literal('Sweep', { description: 'Always Sweep.' }),
    metadata: Type.Object(
      {
        name: Type.String({
          pattern: SWEEP_NAME,
          maxLength: 40,
          description: 'Name of the sweep and of its run folder.',
        }),
      },
      // Kubernetes owns the rest of metadata: namespace, labels, annotations.
      { description: 'Kubernetes metadata.' },
    ),
    spec: SpecSchema,
  },
  { ...closed, description: 'One search over a grid of convolutional networks.' },
);

export type Sweep = Static<typeof SweepSchema>;
export type Grid = Static<typeof GridSchema>;
export type Training = Static<typeof TrainingSchema>;
export type Selection = Static<typeof SelectionSchema>;
export type Activation = (typeof ACTIVATIONS)[number];
export type Pooling = (typeof POOLINGS)[number];

/** The values of one point of the grid. */
export interface Hyperparameters {
  readonly widths: readonly number[];
  readonly activation: Activation;
  readonly pooling: Pooling;
  readonly depth: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly momentum: number;
  readonly seed: number;
}
