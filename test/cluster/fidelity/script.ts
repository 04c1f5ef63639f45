import { EVENTS, JOBS, type Kind, LEASES, SLICES, SWEEPS } from '../../../src/shared/kinds.ts';
import type { KubernetesObject } from '../../../src/shared/objects.ts';
import { Dice } from '../../controller/simulation/random.ts';
import type { Json, JsonObject } from '../../fakes/patches.ts';
import { makeRecord, makeStatus } from '../../shared/objects.ts';

/** The kinds that our programs write, by the name that a script gives them. */
export const KINDS = { sweeps: SWEEPS, slices: SLICES, jobs: JOBS, leases: LEASES, events: EVENTS } as const;
export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];

/** Of an object that was seen before: as it was seen last, as it was seen first, or nothing. */
export type Seen = 'last' | 'first' | 'none';

export interface Target {
  readonly kind: KindName;
  readonly name: string;
}

/** One request of a script. What it names by UID or version is filled in from what the server itself said before. */
export type Step =
  | (Target & {
      readonly do: 'create';
      readonly labels: Labels;
      readonly owner?: Owner | undefined;
      readonly finalizers: readonly string[];
      readonly content: JsonObject;
      readonly isDryRun: boolean;
    })
  | (Target & { readonly do: 'get' })
  | { readonly do: 'list'; readonly kind: KindName; readonly selector: string | undefined; readonly limit: number }
  /** The next page of the last list. */
  | { readonly do: 'next' }
  | (Target & {
      readonly do: 'replace';
      readonly version: Seen;
      readonly uid: Seen | 'other';
      readonly labels: Labels;
      readonly finalizers: readonly string[];
      readonly content: JsonObject;
    })
  | (Target & { readonly do: 'merge'; readonly version: Seen; readonly patch: JsonObject })
  | (Target & { readonly do: 'append'; readonly version: Seen; readonly records: readonly Json[] })
  | (Target & { readonly do: 'apply'; readonly version: Seen; readonly status: JsonObject })
  | (Target & {
      readonly do: 'delete';
      readonly uid: Seen | 'other';
      readonly version: Seen;
      readonly policy: string | undefined;
    })
  /** From the version of the last list of that kind; read at the end of the script. */
  | { readonly do: 'watch'; readonly kind: KindName; readonly selector: string | undefined };

type Labels = Readonly<Record<string, string>>;
type Owner = Target & { readonly blocks: boolean };

const NAMES = ['a', 'b', 'c'] as const;
const SELECTORS = [undefined, undefined, 'team=red', 'team=blue', 'team'] as const;
const POLICIES = ['Background', 'Background', 'Foreground', 'Orphan', undefined] as const;
const FINALIZER = 'example.com/mine';
const STEPS = [12, 40] as const;

/** The script that a seed stands for. */
export function scriptOf(seed: number): readonly Step[] {
  const writer = new Writer(new Dice(seed ^ 0xf1de));
  return writer.write();
}

class Writer {
  readonly #dice: Dice;
  /** Most scripts are about two kinds: so their steps meet. */
  readonly #kinds: readonly [KindName, ...KindName[]];

  constructor(dice: Dice) {
    this.#dice = dice;
    const first = dice.pick<KindName>(['sweeps', 'sweeps', 'slices', 'jobs', 'jobs', 'leases', 'events']);
    this.#kinds = [first, first, dice.pick<KindName>(['sweeps', 'slices', 'jobs', 'leases'])];
  }

  write(): Step[] {
    const count = this.#dice.whole(...STEPS);
    return Array.from({ length: count }, (_, at) => (at < 3 ? this.#create() : this.#step()));
  }

  #step(): Step {
    const dice = this.#dice;
    const steps = [
      ...[() => this.#create(), () => this.#create(), () => this.#delete(), () => this.#delete()],
      ...[
        () => this.#merge(),
        () => this.#merge(),
        () => this.#replace(),
        () => this.#special(),
        () => this.#special(),
      ],
      ...[() => this.#list(), () => ({ do: 'next' }) as const, () => ({ ...this.#target(), do: 'get' }) as const],
      () => this.#watch(),
    ] as const;
    return dice.pick<() => Step>([steps[0], ...steps.slice(1)])();
  }

  #target(kind = this.#dice.pick(this.#kinds)): Target {
    return { kind, name: this.#dice.pick(NAMES) };
  }

  /** An Event can own nothing. */
  #owner(): Target {
    const kind = this.#dice.pick(this.#kinds);
    return this.#target(kind === 'events' ? 'leases' : kind);
  }

  #create(): Step {
    const dice = this.#dice;
    const target = this.#target();
    return {
      ...{ do: 'create', ...target, labels: this.#labels(), finalizers: dice.chance(0.15) ? [FINALIZER] : [] },
      owner: dice.chance(0.4) ? { ...this.#owner(), blocks: dice.chance(0.5) } : undefined,
      content: this.#content(target.kind),
      isDryRun: dice.chance(0.05),
    };
  }

  #replace(): Step {
    const dice = this.#dice;
    const kind = dice.pick<KindName>(['leases', ...this.#kinds]);
    // Nobody can PUT a Job who does not know what the API server has added to it.
    const target = this.#target(kind === 'jobs' ? 'leases' : kind);
    return {
      ...{ do: 'replace', ...target, labels: this.#labels(), finalizers: dice.chance(0.1) ? [FINALIZER] : [] },
      version: dice.pick(['last', 'last', 'first', 'none']),
      uid: dice.pick(['none', 'none', 'last', 'first', 'other']),
      content: this.#content(target.kind),
    };
  }

  #merge(): Step {
    const dice = this.#dice;
    const target = this.#target();
    // The API server's merge patch drops every null in a list, which a record must have: nobody can patch one so.
    const noRecords = target.kind === 'slices' && { records: [] };
    const patch = dice.chance(0.6) ? this.#metadataPatch() : { ...this.#content(target.kind), ...noRecords };
    return { do: 'merge', ...target, version: dice.pick(['none', 'none', 'last', 'first']), patch };
  }

  #metadataPatch(): JsonObject {
    const dice = this.#dice;
    return dice.pick<JsonObject>([
      { metadata: { labels: { team: dice.pick(['red', 'blue']) } } },
      { metadata: { labels: { team: dice.pick(['red', 'blue']), other: null } } },
      { metadata: { annotations: { note: dice.pick(['x', 'y']) } } },
      { metadata: { annotations: null } },
      { metadata: { finalizers: null } },
      { metadata: { finalizers: [FINALIZER] } },
      { metadata: { ownerReferences: [] } },
      { status: makeStatus('by a person') as unknown as JsonObject },
    ]);
  }

  /** What the controller does to one kind alone. */
  #special(): Step {
    const dice = this.#dice;
    const version = dice.pick<Seen>(['last', 'last', 'last', 'first', 'none']);
    if (this.#kinds.includes('slices') && (dice.chance(0.5) || !this.#kinds.includes('sweeps'))) {
      const records = Array.from({ length: dice.whole(1, 2) }, () => this.#record());
      return { do: 'append', ...this.#target('slices'), version, records };
    }
    return { do: 'apply', ...this.#target('sweeps'), version, status: this.#status() };
  }

  #delete(): Step {
    const dice = this.#dice;
    const uid = dice.pick(['none', 'last', 'last', 'first', 'other'] as const);
    const version = dice.pick<Seen>(['none', 'none', 'last', 'last', 'first']);
    return { do: 'delete', ...this.#target(), uid, version, policy: dice.pick(POLICIES) };
  }

  #list(): Step {
    const dice = this.#dice;
    const kind = dice.pick(this.#kinds);
    return { do: 'list', kind, selector: dice.pick(SELECTORS), limit: dice.pick([1, 1, 2, 500]) };
  }

  #watch(): Step {
    const dice = this.#dice;
    return { do: 'watch', kind: dice.pick(this.#kinds), selector: dice.pick([undefined, 'team=red', 'team']) };
  }

  #labels(): Labels {
    return { team: this.#dice.pick(['red', 'blue']), other: this.#dice.pick(['x', 'y']) };
  }

  #record(): JsonObject {
    const trial = this.#dice.whole(0, 3);
    const record = makeRecord(trial);
    return (this.#dice.chance(0.8) ? record : { ...record, seconds: 2 }) as unknown as JsonObject;
  }

  #status(): JsonObject {
    const dice = this.#dice;
    const condition = (type: string) => ({
      ...{ type, status: dice.pick(['True', 'False']), reason: 'Valid', message: 'yes', observedGeneration: 1 },
      lastTransitionTime: '2026-01-01T00:00:00Z',
    });
    const types = ['Accepted', 'Progressing', 'Complete'].filter(() => dice.chance(0.5));
    return {
      ...(makeStatus(dice.pick(['one', 'two'])) as unknown as JsonObject),
      conditions: types.map(condition),
      ...(dice.chance(0.5) && { startTime: '2026-01-01T00:00:00Z' }),
    };
  }

  /** All but the metadata: as it is created, replaced, or changed, what must not change included. */
  #content(kind: KindName): JsonObject {
    const dice = this.#dice;
    switch (kind) {
      case 'sweeps':
        return {
          spec: sweepSpec({
            seed: dice.pick([0, 0, 0, 1]),
            epochs: dice.pick([2, 2, 2, 3]),
            parallelism: dice.whole(1, 3),
            suspend: dice.chance(0.5),
          }),
          ...(dice.chance(0.2) && { status: makeStatus('given') as unknown as JsonObject }),
        };
      case 'slices': {
        const records = Array.from({ length: dice.whole(0, 3) }, () => this.#record());
        return { slice: dice.pick([0, 0, 0, 1]), sweep: dice.pick(['study', 'study', 'study', 'other']), records };
      }
      case 'jobs': {
        const image = dice.pick(['none', 'none', 'none', 'other']);
        const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'trainer', image }] } };
        return { spec: { suspend: dice.chance(0.5), template } };
      }
      case 'leases':
        return { spec: { holderIdentity: dice.pick(['one', 'two']) } };
      case 'events':
        return { message: dice.pick(['one', 'two']), count: dice.whole(1, 3), reason: 'Why', type: 'Warning' };
    }
  }
}

/** Whole: the model fills in no defaults. */
function sweepSpec(given: { seed: number; epochs: number; parallelism: number; suspend: boolean }): JsonObject {
  const { seed, epochs, parallelism, suspend } = given;
  const training = { dataset: 'cifar10', batchSize: 4, learningRate: 0.001, momentum: 0.9, seed: 0, epochs };
  return {
    ...{ parallelism, suspend },
    grid: [{ widths: [[3, 8]], activation: ['relu'], pooling: ['max'], depth: [1], seed: [seed] }],
    training: { ...training, validationFraction: 0.1 },
    selection: { checkpoint: 'BestEpoch', maxLossRise: 0.1, parsimony: 'OneStandardError' },
    trainer: { backend: 'auto', startDeadlineSeconds: 900, activeDeadlineSeconds: 86_400, maxDisruptions: 10 },
  };
}

/** As a line of a transcript begins. */
export function describeStep(step: Step): string {
  const words = Object.entries(step).map(([key, value]) =>
    key === 'do' || key === 'kind' || key === 'name' ? `${value}` : `${key}=${JSON.stringify(value)}`,
  );
  return words.join(' ');
}

export function kindOf(name: KindName): Kind<KubernetesObject> {
  return KINDS[name];
}
