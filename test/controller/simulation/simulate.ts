import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { openCaches } from '../../../src/controller/caches.ts';
import { type Controller, startController } from '../../../src/controller/controller.ts';
import { LeaseLostError } from '../../../src/controller/lease.ts';
import type { ControllerMetrics } from '../../../src/controller/metrics.ts';
import { ApiError } from '../../../src/shared/api-error.ts';
import type { openCluster } from '../../../src/shared/calls.ts';
import type { Fields, Log } from '../../../src/shared/log.ts';
import { judgeResults } from '../../../src/sweep/records.ts';
import { FakeApiServer, type Seen, type Write } from '../../fakes/api-server.ts';
import type { Stored } from '../../fakes/api-store.ts';
import type { Fault } from '../../fakes/route.ts';
import { SimulatedClock } from './clock.ts';
import { type CrashPoint, Host } from './host.ts';
import { type KnownSweep, Oracle, ownerOf, recordsOf, trialOf } from './oracle.ts';
import { People } from './people.ts';
import { Dice } from './random.ts';
import type { Deed, Scenario } from './scenario.ts';
import { messageOf, NAMESPACE, parseStudy } from './study.ts';
import { Troubles } from './troubles.ts';
import { isOver, Workload } from './workload.ts';

/** What is put between the real parts, to see whether the oracle notices. */
export interface Mutation {
  readonly cluster?: typeof openCluster;
  readonly caches?: typeof openCaches;
  /** Jobs have a time to live that the cluster obeys. */
  readonly deleteDelayMs?: number;
}

export interface SimulationOptions {
  readonly mutation?: Mutation;
  /** Asked for every write of a controller, by its number from 0; what it answers kills the process. */
  readonly crashAt?: (number: number) => CrashPoint | undefined;
  /** Of every controller. */
  readonly metrics?: ControllerMetrics;
  /** Lines of the trace, as they come. */
  readonly onLine?: (line: string) => void;
}

export interface Outcome {
  readonly violations: readonly string[];
  /** The same for the same seed. */
  readonly trace: string;
  /** Writes of controllers, leases aside. */
  readonly writes: readonly Write[];
  readonly jobsCreated: readonly string[];
  /** Trials, verdict and status at the end, without times and UIDs. */
  readonly end: unknown;
  readonly convergedMs: number;
  readonly virtualMs: number;
}

const RESTART_MS = [100, 8_000] as const;
const PATIENCE_MS = 1_200_000;
const QUIET_MS = 60_000;
const LEASE = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };
const OPTIONS = { image: 'trainer:1', pullPolicy: 'IfNotPresent', serviceAccountName: 'cnn-sweep-trainer' } as const;

/** Runs one scenario to its end: real controllers before an API server in memory, in virtual time. */
export async function simulate(scenario: Scenario, options: SimulationOptions = {}): Promise<Outcome> {
  return new Simulation(scenario, options).run();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #options: SimulationOptions;
  readonly #clock = new SimulatedClock();
  readonly #server: FakeApiServer;
  readonly #workload: Workload;
  readonly #oracle: Oracle;
  readonly #people: People;
  readonly #troubles: Troubles;
  readonly #dice: Dice;
  readonly #hosts: (Host | undefined)[] = [];
  readonly #controllers: (Controller | undefined)[] = [];
  readonly #trace = createHash('sha1');
  readonly #jobsCreated: string[] = [];
  #incarnations = 0;
  #writes = 0;

  constructor(scenario: Scenario, options: SimulationOptions) {
    this.#scenario = scenario;
    this.#options = options;
    const dice = new Dice(scenario.seed ^ 0x5eed);
    this.#dice = dice.fork();
    const clock = this.#clock;
    const latency = dice.fork();
    const server = new FakeApiServer({
      timers: clock,
      latencyMs: () => latency.between(1, 25),
      onWrite: (write) => this.#oracle.onWrite(write),
      ...(!scenario.collidingNames && {
        // The first six stand in names.
        uidOf: (number) => `${number.toString(16).padStart(6, '0')}00-0000-4000-8000-000000000000`,
      }),
    });
    this.#server = server;
    const diverges = dice.fork();
    const diverged = Array.from({ length: scenario.trials }, () => diverges.chance(scenario.diverged));
    const run = dice.fork();
    const workload = new Workload({
      ...{ server, timers: clock, dice: dice.fork() },
      fateOf: (_trial, each) =>
        scenario.fates.find(([probability]) => each.chance(probability))?.[1] ?? { kind: 'result' },
      resultOf: (pod) => {
        const sweep = server.store.list('sweeps')[0];
        if (!sweep || sweep.metadata.uid !== pod.metadata.labels?.['cnn-sweep.dev/sweep-uid']) return '';
        return messageOf(parseStudy(sweep), pod, diverged[trialOf(pod)] ?? false);
      },
      startMs: scenario.startMs,
      runMs: () => run.between(...scenario.runMs),
      isCollected: (each) => each.chance(scenario.collected),
      garbageMs: scenario.garbageMs,
    });
    this.#workload = workload;
    const { deleteDelayMs, lease } = scenario;
    this.#oracle = new Oracle({
      ...{ server, workload, deleteDelayMs, now: () => clock.now() },
      renewMs: lease ? LEASE.renewMs : undefined,
      startDeadlineMs: (scenario.startDeadlineSeconds ?? Number.POSITIVE_INFINITY) * 1000,
    });
    this.#people = new People({ server, workload, clock, dice: dice.fork(), scenario });
    this.#troubles = new Troubles({
      ...{ server, clock, dice: dice.fork(), slow: dice.fork(), scenario },
      isFailing: () => clock.now() < scenario.faultMs,
      hostOf: (client) => this.#hosts.find((host) => host?.name === client),
    });
    server.fault = (seen) => this.#onSend(seen);
    server.store.onEvent(({ version, type, plural, object }) => {
      this.#note(
        `${clock.now().toFixed(3)} ${workload.actor ?? ''} ${type} ${plural} ${object.metadata.name} ${version}`,
      );
      if (plural === 'jobs' && type === 'ADDED' && workload.actor === undefined)
        this.#jobsCreated.push(object.metadata.name);
    });
  }

  async run(): Promise<Outcome> {
    const { faultMs, controllers, deeds, deletedAtEnd } = this.#scenario;
    this.#people.createSweep();
    for (let slot = 0; slot < controllers; slot++)
      this.#clock.after(this.#dice.between(0, 3_000), () => this.#start(slot));
    for (const { atMs, deed } of deeds) this.#clock.after(atMs, () => this.#do(deed));
    this.#troubles.start();
    await this.#clock.runUntil(faultMs, () => this.#isWrong);
    this.#people.repair();
    // What was held back arrives: until then a controller that nobody stops acts on what it knows.
    for (const watch of this.#server.watches) watch.release();
    for (const host of this.#hosts) host?.thaw();
    const convergedMs = await this.#converge();
    await this.#stayQuiet();
    this.#checkEnd();
    const end = this.#describeEnd();
    if (deletedAtEnd && !this.#isWrong) await this.#leaveNothing();
    for (const host of this.#hosts) host?.kill();
    const isOfController = ({ plural, client }: Write) => plural !== 'leases' && client.startsWith('c');
    return {
      ...{ violations: this.#oracle.violations, jobsCreated: this.#jobsCreated, end, convergedMs },
      ...{ trace: this.#trace.digest('hex'), virtualMs: this.#clock.now() },
      writes: this.#server.writes.filter(isOfController),
    };
  }

  get #isWrong(): boolean {
    return this.#oracle.violations.length > 0;
  }

  #note(line: string): void {
    this.#trace.update(line);
    this.#options.onLine?.(line);
  }

  #onSend(seen: Seen): Fault | undefined {
    this.#oracle.onSend(seen);
    this.#people.onSend(seen);
    const fault =
      this.#people.isNamespaceDeleted && seen.verb === 'create' && seen.plural !== 'leases'
        ? TERMINATED
        : this.#troubles.of(seen);
    this.#note(
      `${this.#clock.now().toFixed(3)} ${seen.client} ${seen.verb} ${seen.plural} ${seen.name ?? ''} ${fault?.kind ?? ''}`,
    );
    return fault;
  }

  #start(slot: number): void {
    const { mutation } = this.#options;
    const { lease, deleteDelayMs } = this.#scenario;
    const name = `c${slot}.${this.#incarnations++}`;
    const clock = this.#clock;
    const host = new Host(name, clock, this.#server.wire(name));
    this.#hosts[slot] = host;
    host.crashAt = ({ path }) => {
      if (path.includes('/leases')) return undefined;
      return this.#options.crashAt ? this.#options.crashAt(this.#writes++) : this.#troubles.crashAt();
    };
    host.onDeath = () => {
      this.#note(`${clock.now().toFixed(3)} ${name} dies`);
      const wait = clock.now() < this.#scenario.faultMs ? this.#dice.between(...RESTART_MS) : 1_000;
      clock.after(wait, () => this.#start(slot));
    };
    const { timers, wire } = host;
    const dice = this.#dice.fork();
    const onLost = () => host.kill();
    this.#controllers[slot] = startController({
      ...{ wire, timers, random: dice.random, namespaces: [NAMESPACE], trainer: OPTIONS },
      deleteDelayMs: mutation?.deleteDelayMs ?? deleteDelayMs,
      lease: lease ? { ...LEASE, namespace: 'system', name: 'controller', identity: name, onLost } : undefined,
      log: this.#logOf(name),
      metrics: this.#options.metrics ?? NO_METRICS,
      wallClock: () => new Date(Date.UTC(2026, 0, 1) + clock.now()),
      open: {
        ...(mutation?.cluster && { cluster: mutation.cluster }),
        ...(mutation?.caches && { caches: mutation.caches }),
      },
    });
  }

  #logOf(name: string): Log {
    const note =
      (level: string) =>
      (event: string, fields: Fields = {}) => {
        const { error } = fields;
        if (this.#options.onLine)
          this.#options.onLine(
            `${this.#clock.now().toFixed(3)} ${name} ${level} ${event} ${JSON.stringify({ ...fields, error: `${error}` })}`,
          );
        if (event !== 'turn failed' || error instanceof ApiError || error instanceof LeaseLostError) return;
        this.#oracle.say('a turn', error instanceof Error ? `${error.stack}` : `${error}`);
      };
    const log: Log = { info: note('info'), warn: note('warn'), error: note('error'), with: () => log };
    return log;
  }

  #do(deed: Deed): void {
    this.#note(`${this.#clock.now().toFixed(3)} somebody: ${deed}`);
    const slot = this.#dice.whole(0, this.#scenario.controllers - 1);
    const host = this.#hosts[slot];
    if (deed === 'killController') host?.kill();
    else if (deed === 'freezeController') this.#freeze(host);
    else if (deed === 'stopController') void this.#controllers[slot]?.stop(10_000).then(() => host?.kill());
    else this.#people.do(deed);
  }

  #freeze(host: Host | undefined): void {
    host?.freeze();
    this.#clock.after(this.#dice.between(500, 40_000), () => host?.thaw());
  }

  /** INV-8: the state that is asked for is reached. */
  async #converge(): Promise<number> {
    const begun = this.#clock.now();
    while (!this.#isWrong && !this.#isSettled()) {
      const spent = this.#clock.now() - begun;
      if (spent > PATIENCE_MS)
        this.#oracle.say('INV-8', `not there after ${spent / 1000} s: ${JSON.stringify(this.#describeEnd())}`);
      await this.#clock.runUntil(this.#clock.now() + 500, () => this.#isWrong);
    }
    return this.#clock.now() - begun;
  }

  /** … and then nothing is written any more. */
  async #stayQuiet(): Promise<void> {
    if (this.#isWrong) return;
    // What was delayed on its way may still arrive, and the leader may change once more.
    await this.#clock.runUntil(this.#clock.now() + 30_000, () => this.#isWrong);
    const before = this.#server.writes.length;
    await this.#clock.runUntil(this.#clock.now() + QUIET_MS, () => this.#isWrong);
    // Two without a lease each remember what the other never saw, such as a Job that vanished, and never agree on the status.
    const mayWrite = this.#scenario.lease ? ['leases'] : ['leases', 'sweeps', 'events'];
    const later = this.#server.writes.slice(before).filter(({ plural }) => !mayWrite.includes(plural));
    const [first] = later;
    if (first)
      this.#oracle.say(
        'INV-8',
        `${later.length} writes in quiet times: ${first.client} ${first.verb} ${first.plural} ${first.name}`,
      );
  }

  get #living(): KnownSweep[] {
    return [...this.#oracle.sweeps.values()].filter(({ isDeleted }) => !isDeleted);
  }

  #isSettled(): boolean {
    if (this.#troubles.isBusy) return false;
    const { store } = this.#server;
    const living = this.#living;
    const uids = new Set(living.map(({ uid }) => uid));
    for (const plural of ['jobs', 'pods', 'trialresultslices'] as const) {
      for (const object of store.list(plural)) {
        const owner = plural === 'pods' ? object.metadata.labels?.['cnn-sweep.dev/sweep-uid'] : ownerOf(object);
        if (owner !== undefined && !uids.has(owner) && object.metadata.ownerReferences !== undefined) return false;
      }
    }
    // Between two Sweeps of one name there is none.
    if (living.length === 0) return this.#people.isNamespaceDeleted;
    return living.every((sweep) => this.#isFinished(sweep));
  }

  #isFinished({ uid, recorded, status }: KnownSweep): boolean {
    const { store } = this.#server;
    const object = store.list('sweeps').find(({ metadata }) => metadata.uid === uid);
    if (!object || object.metadata.deletionTimestamp !== undefined) return false;
    const jobs = store.list('jobs').filter((job) => ownerOf(job) === uid);
    if (jobs.some((job) => recorded.has(trialOf(job)) || !isOver(job))) return false;
    const { maxFailedTrials } = parseStudy(object).sweep.spec;
    const failed = [...recorded.values()].filter(({ record }) => record.outcome === 'Failed').length;
    const tooMany = maxFailedTrials !== undefined && failed > maxFailedTrials;
    if (!tooMany && recorded.size < parseStudy(object).trials.length) return false;
    return (
      status !== undefined &&
      (status.phase === 'Complete' || status.phase === 'Failed') &&
      status.observedGeneration === object.metadata.generation &&
      status.trials.succeeded + status.trials.failed + status.trials.stopped === recorded.size &&
      (status.phase === 'Failed' || !tooMany)
    );
  }

  /** What the API server holds at the end agrees with what was seen on the way, and the best with the records. */
  #checkEnd(): void {
    if (this.#isWrong) return;
    for (const object of this.#server.store.list('sweeps')) {
      const known = this.#oracle.sweeps.get(object.metadata.uid);
      const study = parseStudy(object);
      const kept = this.#server.store
        .list('trialresultslices')
        .filter((slice) => ownerOf(slice) === study.uid)
        .flatMap(recordsOf);
      if (
        !isDeepStrictEqual(
          new Map(kept.map((record) => [record.trial, record])),
          new Map([...(known?.recorded ?? [])].map(([trial, { record }]) => [trial, record])),
        )
      )
        this.#oracle.say('INV-2', 'records are missing at the end');
      const { best } = judgeResults(study.sweep, kept);
      const named = kept.find(({ trial }) => trial === known?.status?.best?.trial);
      if (named?.summary?.diverged) this.#oracle.say('INV-5', `best is ${named.trial}, which diverged`);
      if (known?.status?.best?.trial !== best?.trial)
        this.#oracle.say('INV-5', `best is ${known?.status?.best?.trial}, not ${best?.trial}`);
    }
  }

  #describeEnd() {
    return this.#living.map(({ recorded, status }) => ({
      phase: status?.phase,
      best: status?.best,
      message: status?.message,
      counts: status?.trials,
      conditions: status?.conditions.map(
        ({ type, status, reason, message }) => `${type} ${status} ${reason}: ${message}`,
      ),
      records: [...recorded]
        .sort(([a], [b]) => a - b)
        .map(([trial, { record }]) => ({
          trial,
          attempt: record.attempt,
          outcome: record.outcome,
          reason: record.reason,
        })),
    }));
  }

  /** INV-6 */
  async #leaveNothing(): Promise<void> {
    this.#workload.as('a person', () => {
      for (const { metadata } of this.#server.store.list('sweeps'))
        this.#server.store.delete({ plural: 'sweeps', ...metadata });
    });
    const [, latest] = this.#scenario.garbageMs;
    await this.#clock.runUntil(this.#clock.now() + 60_000 + 10 * latest, () => this.#isWrong);
    for (const plural of ['sweeps', 'jobs', 'pods', 'trialresultslices']) {
      const isOrphan = ({ metadata }: Stored) => plural !== 'sweeps' && metadata.ownerReferences === undefined;
      const left = this.#server.store.list(plural).filter((object) => !isOrphan(object));
      const [first] = left;
      if (first) this.#oracle.say('INV-6', `${left.length} ${plural} are left: ${first.metadata.name}`);
    }
  }
}

const TERMINATED: Fault = { kind: 'refuse', status: 403, reason: 'Forbidden' };

export const NO_METRICS: ControllerMetrics = {
  queue: {},
  trials: { created: () => {}, finished: () => {}, failed: () => {}, retried: () => {}, started: () => {} },
  onRequest: () => {},
  turns: { refused: () => {}, panicked: () => {} },
  sweepSeen: () => {},
  sweepGone: () => {},
};
