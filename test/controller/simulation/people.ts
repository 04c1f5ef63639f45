import { jobName, sliceName } from '../../../src/sweep/names.ts';
import type { FakeApiServer, Seen } from '../../fakes/api-server.ts';
import type { Propagation, Stored } from '../../fakes/api-store.ts';
import type { JsonObject } from '../../fakes/patches.ts';
import type { SimulatedClock } from './clock.ts';
import { ownerOf } from './oracle.ts';
import type { Dice } from './random.ts';
import type { Deed, Scenario } from './scenario.ts';
import { buildStudy, NAME, NAMESPACE } from './study.ts';
import type { Workload } from './workload.ts';

const SWEEP = { plural: 'sweeps', namespace: NAMESPACE, name: NAME } as const;

/** People and programs that do what they like with the Sweep and what it owns. What they break they repair when things are to be well. */
export class People {
  readonly #server: FakeApiServer;
  readonly #workload: Workload;
  readonly #clock: SimulatedClock;
  readonly #dice: Dice;
  readonly #scenario: Scenario;
  #isRepaired: boolean = false;
  /** Somebody takes the next Job that is deleted away from its Sweep. */
  #disownsAtDelete: boolean = false;
  #variants = 0;
  isNamespaceDeleted: boolean = false;

  constructor(parts: {
    server: FakeApiServer;
    workload: Workload;
    clock: SimulatedClock;
    dice: Dice;
    scenario: Scenario;
  }) {
    this.#server = parts.server;
    this.#workload = parts.workload;
    this.#clock = parts.clock;
    this.#dice = parts.dice;
    this.#scenario = parts.scenario;
  }

  createSweep(): void {
    const { trials, parallelism, maxFailedTrials, startDeadlineSeconds } = this.#scenario;
    const variant = this.#dice.chance(0.5) ? this.#variants : ++this.#variants;
    const study = buildStudy({ trials, parallelism, maxFailedTrials, startDeadlineSeconds, variant });
    if (this.#isRepaired) this.#removeStrays(); // orphans of the one before
    this.#as(() => this.#server.store.create(SWEEP, study));
  }

  do(deed: Deed): void {
    const dice = this.#dice;
    switch (deed) {
      case 'suspend':
        this.#setSpec({ suspend: dice.chance(0.5) });
        // Whoever suspends a sweep after the repair wants it suspended: it would never end.
        this.#later(1_000, 30_000, () => this.#setSpec({ suspend: dice.chance(0.5) && !this.#isRepaired }));
        return;
      case 'parallelism':
        this.#setSpec({ parallelism: dice.whole(1, 5) });
        return;
      case 'maxFailedTrials':
        this.#setSpec({ maxFailedTrials: dice.whole(0, 4) });
        return;
      case 'deleteJob':
        this.#withJob((job) => this.#server.store.delete({ plural: 'jobs', ...job.metadata }));
        return;
      case 'disownJob':
        // The worst moment is when a delete is on its way, and is not met by chance.
        if (dice.chance(0.5)) this.#disownsAtDelete = true;
        else this.#withJob((job) => this.#disown(job.metadata));
        return;
      case 'suspendJob':
        this.#withJob((job) => {
          this.#setJob(job, { suspend: true });
          this.#later(1_000, 20_000, () => this.#setJob(job, { suspend: false }));
        });
        return;
      case 'foreignJob':
        this.#takeName('jobs');
        return;
      case 'foreignSlice':
        this.#takeName('trialresultslices');
        return;
      case 'recreateSweep':
        this.#recreate();
        return;
      case 'deleteNamespace':
        this.#deleteNamespace();
        return;
      case 'compact':
        this.#server.store.compact();
        for (const watch of this.#server.watches) watch.cut();
        return;
    }
  }

  /** A request is on its way. */
  onSend({ verb, plural, name }: Seen): void {
    if (!this.#disownsAtDelete || verb !== 'delete' || plural !== 'jobs') return;
    const job = this.#server.store.list('jobs').find(({ metadata }) => metadata.name === name);
    if (!job || ownerOf(job) === undefined) return;
    this.#disownsAtDelete = false;
    this.#as(() => this.#disown(job.metadata));
  }

  /** From now on all is to go well. */
  repair(): void {
    this.#isRepaired = true;
    this.#disownsAtDelete = false;
    this.#removeStrays();
    this.#as(() => {
      for (const job of this.#server.store.list('jobs')) this.#setJob(job, { suspend: false });
    });
    if (this.isNamespaceDeleted) return;
    this.#setSpec({ suspend: false });
    if (!this.#sweep) this.createSweep();
  }

  /** What is nobody's and may have a name that is needed. */
  #removeStrays(): void {
    this.#as(() => {
      for (const plural of ['jobs', 'trialresultslices']) {
        for (const object of this.#server.store.list(plural))
          if (ownerOf(object) === undefined) this.#server.store.delete({ plural, ...object.metadata });
      }
    });
  }

  get #sweep(): Stored | undefined {
    return this.#server.store.list('sweeps')[0];
  }

  #as(act: () => void): void {
    this.#workload.as('a person', act);
  }

  #later(low: number, high: number, act: () => void): void {
    this.#clock.after(this.#dice.between(low, high), () => this.#as(act));
  }

  #setSpec(change: JsonObject): void {
    this.#as(() =>
      this.#server.store.edit(SWEEP, (sweep) => ({ ...sweep, spec: { ...(sweep.spec as JsonObject), ...change } })),
    );
  }

  #setJob({ metadata }: Stored, change: JsonObject): void {
    const { namespace, name, uid } = metadata;
    this.#as(() =>
      this.#server.store.edit({ plural: 'jobs', namespace, name }, (job) =>
        job.metadata.uid === uid ? { ...job, spec: { ...(job.spec as JsonObject), ...change } } : job,
      ),
    );
  }

  #withJob(act: (job: Stored) => void): void {
    const job = this.#dice.any(this.#server.store.list('jobs').filter((each) => ownerOf(each) !== undefined));
    if (job) this.#as(() => act(job));
  }

  #disown({ namespace, name }: Stored['metadata']): void {
    const where = { plural: 'jobs', namespace, name };
    this.#server.store.edit(where, (job) => ({ ...job, metadata: { ...job.metadata, ownerReferences: [] } }));
  }

  /** Creates something of a name that the controller will want. */
  #takeName(plural: 'jobs' | 'trialresultslices'): void {
    const sweep = this.#sweep;
    if (!sweep) return;
    const { uid } = sweep.metadata;
    const trial = this.#dice.whole(0, this.#scenario.trials - 1);
    const attempt = this.#dice.pick([1, 1, 2]);
    const name = plural === 'jobs' ? jobName({ sweep: NAME, sweepUID: uid, trial, attempt }) : sliceName(NAME, uid, 0);
    const where = { plural, namespace: NAMESPACE, name };
    // One that runs comes to an end of its own, with Pods of its own.
    const suspend = this.#dice.chance(0.5);
    this.#as(() => {
      if (!this.#server.store.list(plural).some(({ metadata }) => metadata.name === name))
        this.#server.store.create(where, { metadata: {}, ...(plural === 'jobs' && { spec: { suspend } }) });
    });
  }

  #recreate(): void {
    const propagation = this.#dice.pick<Propagation>(['Background', 'Background', 'Foreground', 'Orphan']);
    const old = this.#sweep?.metadata.uid;
    this.#as(() => this.#server.store.delete(SWEEP, { propagation }));
    const again = () => {
      // Somebody else has created one.
      if (this.isNamespaceDeleted || (this.#sweep && this.#sweep.metadata.uid !== old)) return;
      if (this.#sweep) this.#later(500, 1_000, again);
      else this.createSweep();
    };
    this.#later(0, 5_000, again);
  }

  #deleteNamespace(): void {
    this.isNamespaceDeleted = true;
    const plurals = ['trialresultslices', 'jobs', 'pods', 'sweeps', 'jobs', 'pods'] as const;
    for (const [at, plural] of plurals.entries()) {
      this.#clock.after(500 + at * 700, () =>
        this.#workload.as('namespace-controller', () => {
          for (const { metadata } of this.#server.store.list(plural))
            this.#server.store.delete({ plural, ...metadata });
        }),
      );
    }
  }
}
