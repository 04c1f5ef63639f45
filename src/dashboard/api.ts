import Type, { type Static, type TSchema } from 'typebox';
import { ConditionSchema, PHASES } from '../sweep/status.ts';
import { RULE_WORDS } from '../sweep/verdict.ts';

// What the HTTP API answers and the page reads: the schemas of the routes, and the types of both sides.
// Losses in nats, accuracies, gap and rise as fractions, times as RFC 3339, durations in seconds; a figure that is not there is null.

const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
const closed = { additionalProperties: false } as const;
const text = (description: string) => Type.String({ description });
const number = (description: string) => orNull(Type.Number({ description }));
const count = (description: string) => Type.Integer({ minimum: 0, description });
const time = (description: string) => orNull(Type.String({ description }));

export const FINDINGS = ['Healthy', 'StillImproving', 'Overfit', 'Diverged', 'Incomplete'] as const;
/** Where one trial stands. `Queued`: Kueue or nobody has let it run yet; `Pending`: no node, or its image is on the way. */
export const TRIAL_PHASES = [
  'Waiting',
  'Queued',
  'Pending',
  'Running',
  'Retrying',
  'Succeeded',
  'Failed',
  'Stopped',
] as const;
export type TrialPhase = (typeof TRIAL_PHASES)[number];

export const HyperparametersView = Type.Object(
  {
    widths: Type.Array(Type.Integer(), { description: 'Channels of each stage.' }),
    activation: text('relu or none.'),
    pooling: text('max, avg or none.'),
    depth: Type.Integer({ description: 'Convolutions in each stage.' }),
    batchSize: Type.Integer({ description: 'Images of one minibatch.' }),
    learningRate: Type.Number({ description: 'Step size of SGD.' }),
    momentum: Type.Number({ description: 'Momentum of SGD.' }),
    seed: Type.Integer({ description: 'Of initialisation and shuffling.' }),
  },
  closed,
);

/** An attempt that came before the one that a row is of, for the timeline. */
const EarlierAttempt = Type.Object(
  {
    attempt: count('From 1; an eviction keeps it.'),
    node: orNull(text('Where it ran.')),
    createdAt: time('When its Pod was created.'),
    startedAt: time('When its container began; null: it never did.'),
    endedAt: time('When it ended.'),
    reason: text('Why it ended, cut to 200 characters; empty where nobody knows.'),
  },
  closed,
);

/** One row of the table of trials; the figures are those of the kept epoch, so far. */
export const TrialRow = Type.Object(
  {
    trial: count('Index in the grid.'),
    network: text('The network in words, told apart from its neighbours.'),
    hyperparameters: HyperparametersView,
    parameterCount: count('Weights and biases.'),
    phase: Type.Enum([...TRIAL_PHASES], { description: 'Where it stands.' }),
    /** Not final while it runs: what the curve would say if training ended here. */
    finding: orNull(Type.Enum([...FINDINGS], { description: 'What its curve says.' })),
    reason: text('The finding in words with its numbers, or why it failed or waits.'),
    isEligible: Type.Boolean({ description: 'It may be named best.' }),
    attempt: count('The attempt that the figures are of; 0 before the first.'),
    attemptUID: orNull(text('UID of the Pod or process that the figures are of.')),
    epochsDone: count('Epochs that were measured.'),
    epochsPlanned: count('Epochs that the sweep asks for.'),
    keptEpoch: orNull(count('The epoch whose weights are kept.')),
    turningEpoch: orNull(count('t*: where the smoothed validation loss is smallest.')),
    trainLoss: number('At the kept epoch.'),
    validationLoss: number('At the kept epoch.'),
    validationLossStandardError: number('Of the validation loss.'),
    trainAccuracy: number('At the kept epoch.'),
    validationAccuracy: number('At the kept epoch.'),
    gap: number('Training minus validation accuracy.'),
    rise: number('Smoothed validation loss above its own minimum.'),
    seconds: number('Wall time of the attempt so far.'),
    examplesPerSecond: number('Training images per second, at the last word from it.'),
    /** A record says how many epochs there are; the stream may hold fewer. */
    isCurveComplete: Type.Boolean({ description: 'Every epoch that was trained is in the curve.' }),
    hasModel: Type.Boolean({ description: 'Its weights can be downloaded.' }),
    backend: orNull(text('What trains it: gpu, native, wasm or cpu.')),
    currentAttempt: count('The attempt that phase, node and times are of: it may have no figures yet.'),
    node: orNull(text('Where it runs.')),
    createdAt: time('When its Pod was created, or its process began.'),
    startedAt: time('When its container began; null: it is pending, or nobody knows.'),
    endedAt: time('When it ended, or was recorded.'),
    earlierAttempts: Type.Array(EarlierAttempt, { description: 'Those before it, the latest 12, oldest first.' }),
  },
  closed,
);
export type TrialRow = Readonly<Static<typeof TrialRow>>;

const Loss = number('In nats; null where it was not finite.');
/** A learning curve in columns of equal length. At most `points` epochs, thinned by LTTB; `turningPoint` and `keptEpoch` always stay. */
export const CurveView = Type.Object(
  {
    trial: count('Index in the grid.'),
    attemptUID: text('Whose curve it is.'),
    epochs: Type.Array(Type.Integer(), { description: 'From 1, ascending.' }),
    trainLoss: Type.Array(Loss),
    validationLoss: Type.Array(Loss),
    validationLossStandardError: Type.Array(Loss),
    runningTrainLoss: Type.Array(Loss),
    trainAccuracy: Type.Array(Type.Number()),
    validationAccuracy: Type.Array(Type.Number()),
    seconds: Type.Array(Type.Number(), { description: 'Wall time from the attempt’s beginning to the epoch’s end.' }),
    turningPoint: orNull(Type.Integer({ description: 't*, an epoch.' })),
    keptEpoch: orNull(Type.Integer({ description: 'The epoch whose weights are kept.' })),
    complete: Type.Boolean({ description: 'Every epoch that was trained is there.' }),
    /** Epochs before thinning. */
    epochsDone: count('Epochs that were measured.'),
  },
  closed,
);
export type CurveView = Readonly<Static<typeof CurveView>>;

export const BestView = Type.Object(
  {
    trial: count('Index in the grid.'),
    network: text('The network in words.'),
    epoch: count('Kept epoch.'),
    parameterCount: count('Weights and biases.'),
    validationLoss: Type.Number({ description: 'At the kept epoch.' }),
    validationLossStandardError: Type.Number({ description: 'Of the validation loss.' }),
    validationAccuracy: Type.Number({ description: 'At the kept epoch.' }),
    trainLoss: Type.Number({ description: 'At the kept epoch.' }),
    trainAccuracy: Type.Number({ description: 'At the kept epoch.' }),
    gap: Type.Number({ description: 'Training minus validation accuracy.' }),
    rise: Type.Number({ description: 'Smoothed validation loss above its own minimum.' }),
    finding: Type.Enum([...FINDINGS], { description: 'Healthy or StillImproving.' }),
  },
  closed,
);

const AlternativeView = Type.Object(
  {
    rule: Type.Enum(Object.keys(RULE_WORDS), { description: 'Name of the rule.' }),
    words: text('The rule in words.'),
    trial: orNull(count('What it would have picked.')),
    network: orNull(text('The network in words.')),
    epoch: orNull(count('At which epoch.')),
    finding: orNull(Type.Enum([...FINDINGS], { description: 'What that curve says.' })),
    parameterCount: orNull(count('Weights and biases.')),
    validationLoss: number('There.'),
    validationAccuracy: number('There.'),
    validationLossDifference: number('Its price: minus ours.'),
    validationAccuracyDifference: number('Its price: minus ours.'),
  },
  closed,
);

/** What `judge` says of the trials that are recorded. */
export const VerdictView = Type.Object(
  {
    best: orNull(BestView),
    reason: text('LowestValidationLoss, SimplestWithinOneStandardError or NoEligibleModel.'),
    message: text('One sentence with its numbers; for NoEligibleModel what to try.'),
    leastOverfit: orNull(count('Without a best: the trial that overfits least.')),
    alternatives: Type.Array(AlternativeView, {
      description: 'What other rules would have picked, and at what price.',
    }),
    lowest: orNull(
      Type.Object(
        {
          trial: count('Of the lowest loss.'),
          validationLoss: Type.Number(),
          validationLossStandardError: Type.Number(),
        },
        closed,
      ),
    ),
    withinOneStandardErrorTrials: Type.Array(Type.Integer(), { description: 'Eligible ones, the best included.' }),
    /** Of every recorded trial. */
    findings: Type.Record(Type.String(), Type.Integer(), { description: 'How many trials there are of each finding.' }),
    isFinal: Type.Boolean({ description: 'Every trial is recorded.' }),
    /** Opened when the verdict is final, for the winner only. */
    test: orNull(
      Type.Object(
        {
          loss: number('On the test set.'),
          accuracy: Type.Number({ description: 'On the test set.' }),
          optimism: number('Test loss minus validation loss.'),
        },
        closed,
      ),
    ),
    hasModel: Type.Boolean({ description: 'The winner’s weights can be downloaded.' }),
  },
  closed,
);
export type VerdictView = Readonly<Static<typeof VerdictView>>;

/** Who tells of a sweep: a namespace may be called anything. */
export const SOURCES = ['cluster', 'folder'] as const;

const summary = {
  namespace: text('`local` for a run folder.'),
  name: text('metadata.name.'),
  uid: text('metadata.uid.'),
  source: Type.Enum([...SOURCES], { description: 'A cluster, or a run folder on this machine.' }),
  phase: Type.Enum([...PHASES], { description: 'Where the sweep stands.' }),
  trials: Type.Object(
    {
      total: count('Points of the grid.'),
      waiting: count('Not started, or waiting for a node, an image, a queue or another attempt.'),
      running: count('Its container runs, or has ended and is not recorded yet.'),
      succeeded: count('Recorded with a result.'),
      failed: count('Recorded as failed.'),
      stopped: count('Recorded as stopped.'),
    },
    closed,
  ),
  best: orNull(BestView),
  message: text('The verdict in a sentence, or what the sweep waits for.'),
  createdAt: time('When it was created.'),
  startTime: time('When the first trial began.'),
  completionTime: time('When the last trial was recorded.'),
  secondsLeft: number(
    'An estimate from the epochs so far; null while nothing is known, and while the sweep is suspended.',
  ),
  /** Since when what is shown may be old: the API server, NATS or the run is out of reach. */
  staleSince: time('Null while it is live.'),
};

/** One line of the list of sweeps. */
export const SweepSummary = Type.Object(summary, closed);
export type SweepSummary = Readonly<Static<typeof SweepSummary>>;

export const SweepDetail = Type.Object(
  {
    ...summary,
    /** Hyperparameters that differ between trials, each with its values in order. */
    axes: Type.Array(
      Type.Object(
        { name: text('As in the grid.'), label: text('In words.'), values: Type.Array(Type.String()) },
        closed,
      ),
    ),
    dataset: text('cifar10 or mnist.'),
    trainingExamples: count('Images of one epoch.'),
    epochsPlanned: count('Epochs of each trial.'),
    checkpoint: text('BestEpoch or LastEpoch.'),
    parsimony: text('OneStandardError or None.'),
    maxLossRise: Type.Number(),
    maxAccuracyGap: orNull(Type.Number()),
    parallelism: orNull(Type.Integer()),
    conditions: Type.Array(ConditionSchema),
    /** What a person should know: telemetry off and why, curves that are incomplete and why. */
    notes: Type.Array(Type.String()),
  },
  closed,
);
export type SweepDetail = Readonly<Static<typeof SweepDetail>>;

/** One attempt at a trial, discarded ones too. */
export const AttemptView = Type.Object(
  {
    attempt: count('From 1.'),
    attemptUID: orNull(text('UID of the Pod or process; null: it ended before anybody saw one.')),
    node: orNull(text('Where it ran.')),
    createdAt: time('When its Pod was created, or its process began.'),
    startedAt: time('When its container began.'),
    endedAt: time('When its container or Pod ended, or it was recorded.'),
    epochsDone: count('Epochs it measured.'),
    isShown: Type.Boolean({ description: 'The curve is this one’s.' }),
    reason: text('Why it ended; empty while it runs or where nobody knows.'),
  },
  closed,
);

/** Something that happened to a trial. */
export const TrialEvent = Type.Object(
  {
    at: time('When; null: nobody wrote it down.'),
    attempt: count('To which attempt.'),
    words: text('What: created, began, ended and why, recorded.'),
  },
  closed,
);
export type TrialEvent = Readonly<Static<typeof TrialEvent>>;

export const TrialDetail = Type.Object(
  {
    row: TrialRow,
    curve: orNull(CurveView),
    attempts: Type.Array(AttemptView, { description: 'By number; the latest 30.' }),
    events: Type.Array(TrialEvent, { description: 'What happened to it, oldest first.' }),
    /** `kubectl logs …`, where there is a Pod. */
    logCommand: orNull(text('How to read its log.')),
    test: VerdictView.properties.test,
  },
  closed,
);
export type TrialDetail = Readonly<Static<typeof TrialDetail>>;

const listOf = <Schema extends TSchema>(items: Schema) =>
  Type.Object(
    {
      items: Type.Array(items),
      continue: Type.Optional(text('Where the next page begins; absent on the last.')),
      total: count('Of all pages.'),
    },
    closed,
  );
export const SweepList = listOf(SweepSummary);
export const TrialList = listOf(TrialRow);
export const CurveList = Type.Object({ items: Type.Array(CurveView) }, closed);

export const Whoami = Type.Object(
  {
    mode: Type.Enum(['loopback', 'token', 'proxy'], { description: 'How users are known.' }),
    user: text('Who asks; `local` where nobody has to say.'),
    groups: Type.Array(Type.String(), { description: 'Of the user.' }),
  },
  closed,
);
export type Whoami = Readonly<Static<typeof Whoami>>;

/** RFC 9457. */
export const Problem = Type.Object(
  {
    type: text('urn:cnn-sweep:<code>'),
    title: text('The same for each code.'),
    status: Type.Integer(),
    detail: text('What was wrong with this request.'),
    instance: text('The path that was asked for.'),
    errors: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }, closed))),
  },
  closed,
);
export type Problem = Readonly<Static<typeof Problem>>;

/** New epochs of one trial since this client's last message. If `attemptUID` is not the one it has, its curve begins anew. */
export interface CurvePoints {
  readonly trial: number;
  readonly attemptUID: string;
  readonly points: CurveView;
}

/** Data of the stream's events `snapshot` and `delta`, by topic; event id `<boot>-<revision>`. Of a snapshot the whole, of a
 * delta what changed; table rows and curves are read by GET after a snapshot. One event a topic; only the last of those that
 * belong together bears the id. Others: `lagged` and `bye`, without data.
 */
export interface StreamData {
  /** Which topic this is of, as it was asked for. */
  readonly topic: string;
  /** Topic `sweeps`. */
  readonly sweeps?: readonly SweepSummary[];
  /** `namespace/name` of sweeps that are gone. */
  readonly gone?: readonly string[];
  /** Topic `sweep:namespace/name`. */
  readonly sweep?: SweepDetail;
  readonly verdict?: VerdictView;
  /** Rows that changed. */
  readonly trials?: readonly TrialRow[];
  readonly curves?: readonly CurvePoints[];
}
