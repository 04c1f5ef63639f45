import { Dice } from './random.ts';
import type { PodFate } from './workload.ts';

/** What people and other programs do to a Sweep while it runs. */
export type Deed =
  | 'suspend'
  | 'parallelism'
  | 'maxFailedTrials'
  | 'deleteJob'
  | 'disownJob'
  | 'suspendJob'
  | 'foreignJob'
  | 'foreignSlice'
  | 'recreateSweep'
  | 'deleteNamespace'
  | 'compact'
  | 'killController'
  | 'stopController'
  | 'freezeController';

/** What goes wrong with requests and watches. */
export type Trouble = 'refuse' | 'throttle' | 'conflict' | 'lost' | 'cut' | 'hang' | 'late' | 'crash' | 'freeze';
export type WatchTrouble = 'cut' | 'end' | 'hold' | 'delay' | 'repeat' | 'garbage' | 'expire';

/** Everything that a seed decides beforehand. */
export interface Scenario {
  readonly seed: number;
  readonly trials: number;
  readonly parallelism: number;
  readonly maxFailedTrials: number | undefined;
  readonly controllers: number;
  /** Without: every controller acts as if it were alone. */
  readonly lease: boolean;
  /** Names of Sweeps that were created again collide with the old ones. */
  readonly collidingNames: boolean;
  /** How long things go wrong. */
  readonly faultMs: number;
  /** Of each request. */
  readonly troubleRate: number;
  readonly troubles: readonly Trouble[];
  readonly watchTroubles: readonly WatchTrouble[];
  readonly deeds: readonly { readonly atMs: number; readonly deed: Deed }[];
  readonly fates: readonly (readonly [number, PodFate])[];
  /** From its node to the beginning of a Pod's container. */
  readonly startMs: readonly [number, number];
  /** Undefined: what a Sweep has by default, which is longer than any scenario. */
  readonly startDeadlineSeconds: number | undefined;
  readonly runMs: readonly [number, number];
  /** Of the Pods that ended. */
  readonly collected: number;
  readonly diverged: number;
  /** From the end of an owner to the end of what it owned: minutes in a large cluster. */
  readonly garbageMs: readonly [number, number];
  /** At its end the Sweep is deleted. */
  readonly deletedAtEnd: boolean;
  readonly deleteDelayMs: number;
  /** How long, while things go wrong, each list of slices is on its way: they are many, and encoded slowly. */
  readonly slicesMs: readonly [number, number];
}

const DEEDS: readonly [Deed, ...Deed[]] = [
  ...(['suspend', 'suspend', 'parallelism', 'maxFailedTrials', 'deleteJob', 'deleteJob', 'disownJob'] as const),
  ...(['suspendJob', 'foreignJob', 'foreignSlice', 'recreateSweep', 'recreateSweep', 'compact'] as const),
  ...(['killController', 'killController', 'stopController', 'freezeController', 'freezeController'] as const),
];
const TROUBLES: readonly Trouble[] = [
  'refuse',
  'throttle',
  'conflict',
  'lost',
  'cut',
  'hang',
  'late',
  'crash',
  'freeze',
];
const WATCH_TROUBLES: readonly WatchTrouble[] = ['cut', 'end', 'hold', 'delay', 'repeat', 'garbage', 'expire'];

const BAD_FATES: readonly PodFate[] = [
  { kind: 'empty', message: '' },
  { kind: 'empty', message: '{"trial":' },
  { kind: 'exit', code: 1 },
  { kind: 'exit', code: 2 },
  { kind: 'exit', code: 137, reason: 'OOMKilled' },
  { kind: 'exit', code: 143 },
  { kind: 'disrupted' },
  { kind: 'disrupted' },
];

/** Each seed has some of the troubles and not all: what one of them hides, another seed shows. */
export function scenarioOf(seed: number): Scenario {
  const dice = new Dice(seed);
  const some = <T>(items: readonly T[], probability: number) => items.filter(() => dice.chance(probability));
  const faultMs = dice.between(10_000, 100_000);
  const lease = !dice.chance(0.1);
  const deeds = Array.from({ length: dice.chance(0.3) ? 0 : dice.whole(1, 6) }, () => {
    const deed: Deed = dice.chance(0.01) ? 'deleteNamespace' : dice.pick(DEEDS);
    return { atMs: dice.between(0, faultMs), deed };
  });
  const fates = some(BAD_FATES, dice.pick([0, 0, 0.2, 0.5])).map((fate) => [dice.between(0.02, 0.3), fate] as const);
  return {
    seed,
    trials: dice.whole(1, 7),
    parallelism: dice.whole(1, 4),
    maxFailedTrials: dice.chance(0.3) ? dice.whole(0, 3) : undefined,
    controllers: dice.chance(0.6) ? 2 : 1,
    lease,
    collidingNames: dice.chance(0.3),
    faultMs,
    troubleRate: dice.pick([0, 0.01, 0.05, 0.2]),
    troubles: some(TROUBLES, 0.4),
    // Who leads without a lease must not be blind for longer than the delay before a delete: that is what the lease is for.
    watchTroubles: some(WATCH_TROUBLES, dice.pick([0, 0.4])).filter((trouble) => lease || trouble !== 'hold'),
    deeds,
    fates,
    runMs: dice.pick([
      [50, 500],
      [200, 8_000],
      [5_000, 30_000],
    ]),
    collected: dice.pick([0, 0, 0.3]),
    diverged: dice.pick([0, 0.3]),
    garbageMs: dice.pick([
      [30, 1_500],
      [30, 1_500],
      [5_000, 60_000],
    ]),
    deletedAtEnd: dice.chance(0.3),
    deleteDelayMs: 30_000,
    slicesMs: dice.pick([
      [0, 0],
      [0, 0],
      [100, 9_000],
    ]),
    ...startOf(dice),
  };
}

/** Drawn last: what the seeds decided before it was there stays as it was. */
function startOf(dice: Dice): Pick<Scenario, 'startMs' | 'startDeadlineSeconds'> & Partial<Scenario> {
  if (!dice.chance(0.3)) return { startMs: SOON, startDeadlineSeconds: undefined };
  if (dice.chance(0.5)) return { startMs: [500, 25_000], startDeadlineSeconds: dice.whole(2, 20) };
  // All begin in time: only who is told late takes one of them, that trains for long, for one that never began.
  const late = {
    watchTroubles: ['delay'],
    runMs: [5_000, 30_000],
    maxFailedTrials: dice.pick([0, undefined]),
  } as const;
  return { startMs: [500, 3_000], startDeadlineSeconds: dice.whole(4, 10), ...late };
}

const SOON = [50, 1_000] as const;

/** The same study without any trouble: every row of the crash table is measured by it. */
export function calmScenario(seed: number, changes: Partial<Scenario> = {}): Scenario {
  return {
    ...{ seed, trials: 6, parallelism: 2, maxFailedTrials: undefined, controllers: 1, lease: true },
    ...{ collidingNames: false, faultMs: 0, troubleRate: 0, troubles: [], watchTroubles: [], deeds: [], fates: [] },
    ...{
      startMs: SOON,
      startDeadlineSeconds: undefined,
      runMs: [1_000, 1_000],
      collected: 0,
      diverged: 0,
      garbageMs: [30, 1_500],
      deletedAtEnd: false,
      deleteDelayMs: 30_000,
      slicesMs: [0, 0],
    },
    ...changes,
  };
}
