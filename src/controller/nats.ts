// The controller's part in NATS: it vouches for trials, makes the streams, and clears away what nobody will read.
// Nothing of it decides anything about a sweep, and nothing waits for it.
import { existsSync, readFileSync } from 'node:fs';
import type { BusStatus } from '../shared/bus.ts';
import { type CallOptions, type Cluster, openCluster } from '../shared/calls.ts';
import { SWEEPS } from '../shared/kinds.ts';
import type { Log } from '../shared/log.ts';
import { Nats } from '../shared/nats.ts';
import { ensureStreams, purgeModel, purgeSweep, readFill } from '../shared/nats-streams.ts';
import type { RequestSeen } from '../shared/requester.ts';
import { pause, realTimers, type Timers } from '../shared/timers.ts';
import type { Wire } from '../shared/wire.ts';
import { deriveAccountKey } from './callout-account.ts';
import { openCalloutCluster } from './callout-facts.ts';
import { answerCallout, CALLOUT_QUEUE, CALLOUT_SUBJECT, type CalloutDeps } from './callout-responder.ts';
import { TURNS_AT_ONCE, Turns } from './callout-turns.ts';
import type { NatsFlags } from './flags.ts';
import type { TrainerNats } from './job.ts';
import { CALLOUT_AUDIENCE } from './labels.ts';
import { purgeParts, readContents, readModels } from './nats-contents.ts';
import type { NatsMetrics } from './nats-metrics.ts';
import { Absences, modelsToDrop, type Recorded } from './retention.ts';

export interface NatsPartOptions {
  readonly flags: NatsFlags;
  readonly wire: Wire;
  /** Absent: all. */
  readonly namespaces: readonly string[] | undefined;
  /** Of trials. */
  readonly serviceAccountName: string;
  /** Only who leads makes streams and clears away. */
  readonly leads: () => boolean;
  readonly log: Log;
  readonly metrics: NatsMetrics;
  readonly onRequest: (seen: RequestSeen) => void;
  readonly timers?: Timers;
}

export interface NatsPart {
  /** What Jobs that are made now are told; undefined: nothing. */
  readonly trainer: TrainerNats | undefined;
  readonly status: BusStatus;
  /** What a turn has found of a Sweep; undefined: it is gone. */
  recorded(sweepUID: string, recorded: Recorded | undefined): void;
  stop(): Promise<void>;
}

/** The Secret may be made after us. */
const FILES_EVERY_MS = 5_000;
const IDLE_MS = 1_000;
/** Streams looked after, and models that cannot win any more; more often where less than that is waited for. */
const LOOK_EVERY_MS = 60_000;
/** The next look asks again: this one looks after the streams, too. */
const LIST: CallOptions = { tries: 2, timeoutMs: 10_000 };
const NOT_YET: BusStatus = { connected: false, reason: 'Unreachable', message: 'its Secret is not there yet' };

/** Starts it; never fails, and never ends by itself. */
export function startNats(options: NatsPartOptions): NatsPart {
  return new RunningNats(options);
}

class RunningNats implements NatsPart {
  readonly #options: NatsPartOptions;
  readonly #timers: Timers;
  readonly #stopping = new AbortController();
  readonly #cluster: Cluster;
  readonly #sweeps = new Map<string, Recorded>();
  readonly #goneSweeps: Absences;
  readonly #unfinished: Absences;
  readonly #ended: Promise<void>;
  #nats: Nats | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #clearedAt = Number.NEGATIVE_INFINITY;
  /** What was last said of the streams: it is not said again. */
  #said = '';

  constructor(options: NatsPartOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
    this.#goneSweeps = new Absences(options.flags.purgeDelayMs);
    this.#unfinished = new Absences(options.flags.purgeDelayMs);
    // Without the guard of the lease: whoever leads or not answers, and only reads.
    const { wire, onRequest } = options;
    // As many as turns: a review that waits for a place is a client that waits.
    this.#cluster = openCluster(wire, { onRequest, stopping: this.#stopping.signal, maxInFlight: TURNS_AT_ONCE });
    this.#ended = this.#run().catch((error: unknown) => options.log.error('nats', { error }));
  }

  /** Read anew each time: a certificate may be replaced. */
  get trainer(): TrainerNats | undefined {
    const { url, caFile, trainerSecret: secretName } = this.#options.flags;
    const ca = caFile === undefined ? undefined : readIfThere(caFile);
    // Without the authority a trial could trust nobody; it trains all the same.
    if (caFile !== undefined && ca === undefined) return undefined;
    return { url, ca, secretName };
  }

  get status(): BusStatus {
    return this.#nats?.status() ?? NOT_YET;
  }

  recorded(sweepUID: string, recorded: Recorded | undefined): void {
    if (recorded) this.#sweeps.set(sweepUID, recorded);
    else this.#sweeps.delete(sweepUID);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#nats?.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    await this.#waitForFiles();
    if (signal.aborted) return;
    const nats = this.#connect();
    this.#nats = nats;
    const serving = this.#serve(nats);
    const lookEveryMs = Math.min(LOOK_EVERY_MS, this.#options.flags.purgeDelayMs);
    while (!signal.aborted) {
      if (!(await nats.connected(signal))) break;
      if (this.#options.leads() && this.#timers.now() - this.#lookedAt >= lookEveryMs) await this.#look(nats);
      await pause(this.#timers, IDLE_MS, signal);
    }
    await serving;
  }

  async #waitForFiles(): Promise<void> {
    const { flags, log } = this.#options;
    const files = [flags.passwordFile, flags.caFile, flags.calloutFile].filter((file) => file !== undefined);
    let wasMissing = '';
    while (!this.#stopping.signal.aborted) {
      const missing = files.filter((file) => !existsSync(file)).join(', ');
      if (missing === '') return;
      if (missing !== wasMissing) log.warn('nats waits for its Secret', { missing });
      wasMissing = missing;
      await pause(this.#timers, FILES_EVERY_MS, this.#stopping.signal);
    }
  }

  #connect(): Nats {
    const { flags, log, metrics } = this.#options;
    const { url, user, passwordFile, caFile } = flags;
    return new Nats({
      url,
      name: 'cnn-sweep-controller',
      ca: caFile === undefined ? undefined : () => readFileSync(caFile, 'utf8'),
      ...(user !== undefined && {
        inboxPrefix: `_INBOX_${user}`,
        credentials: () => ({ user, password: passwordFile ? readFileSync(passwordFile, 'utf8').trim() : '' }),
      }),
      onStatus: (status) => {
        metrics.status(status);
        if (status.connected) {
          log.info('nats connected', { url });
          this.#lookedAt = Number.NEGATIVE_INFINITY; // it may be another server, or one that has lost its disk
        } else if (status.reason !== 'Closed') log.warn('nats', { reason: status.reason, message: status.message });
      },
    });
  }

  async #serve(nats: Nats): Promise<void> {
    const { flags, log, metrics, namespaces, serviceAccountName } = this.#options;
    const account = await this.#readAccount(flags.calloutFile);
    if (account === undefined) return;
    const deps: CalloutDeps = {
      account,
      cluster: openCalloutCluster(this.#cluster),
      turns: new Turns(),
      rules: { audience: CALLOUT_AUDIENCE, serviceAccountName, namespaces },
      log,
      count: (outcome) => metrics.callout(outcome),
    };
    const { signal } = this.#stopping;
    await nats.serve(CALLOUT_SUBJECT, CALLOUT_QUEUE, (payload) => answerCallout(payload, deps), signal);
  }

  /** A Secret that cannot be read, or is not what it should be, may be mended: it is tried again. */
  async #readAccount(file: string | undefined) {
    const { log } = this.#options;
    while (file !== undefined && !this.#stopping.signal.aborted) {
      try {
        return deriveAccountKey(readFileSync(file, 'utf8'));
      } catch (error) {
        log.warn('nats callout cannot begin', { file, error });
        await pause(this.#timers, FILES_EVERY_MS, this.#stopping.signal);
      }
    }
    return undefined;
  }

  /** Makes the streams, says how full they are, and clears away. Whatever fails is tried again at the next look. */
  async #look(nats: Nats): Promise<void> {
    const { log, metrics, flags } = this.#options;
    this.#lookedAt = this.#timers.now();
    try {
      const outcomes = await ensureStreams(nats, { maxBytes: flags.streamBytes, replicas: flags.replicas });
      this.#say(outcomes.filter(({ outcome, message }) => outcome !== 'Unchanged' || message !== ''));
      metrics.filled(await readFill(nats));
      await this.#dropLosers(nats);
      if (this.#timers.now() - this.#clearedAt >= flags.purgeDelayMs) await this.#clear(nats);
    } catch (error) {
      if (!this.#stopping.signal.aborted) log.warn('nats streams', { error });
    }
  }

  #say(outcomes: readonly { readonly stream: string; readonly outcome: string; readonly message: string }[]): void {
    const words = JSON.stringify(outcomes);
    if (words === this.#said) return;
    this.#said = words;
    for (const { stream, outcome, message } of outcomes) {
      const level = outcome === 'Refused' ? 'warn' : 'info';
      this.#options.log[level]('nats stream', { stream, outcome, message });
    }
  }

  async #dropLosers(nats: Nats): Promise<void> {
    if (this.#sweeps.size === 0) return;
    const losers = modelsToDrop(await readModels(nats), this.#sweeps);
    for (const model of losers) await purgeModel(nats, model);
    if (losers.length > 0) this.#options.log.info('models dropped', { models: losers.length });
  }

  /** What Sweeps left that are gone, and models that were never finished. */
  async #clear(nats: Nats): Promise<void> {
    const { log } = this.#options;
    const now = this.#timers.now();
    this.#clearedAt = now;
    const { sweeps, unfinished } = await readContents(nats);
    // After the contents: a Sweep that is made between the two is not taken for one that is gone.
    const live = await this.#liveSweeps();
    const gone = this.#goneSweeps.note(
      [...sweeps].filter((uid) => !live.has(uid)),
      now,
    );
    for (const uid of gone) {
      await purgeSweep(nats, uid);
      log.info('nats cleared', { sweepUID: uid });
    }
    for (const attempt of this.#unfinished.note(unfinished, now)) await purgeParts(nats, attempt);
  }

  /** Of a full list: a watch may have missed one. */
  async #liveSweeps(): Promise<Set<string>> {
    const uids = new Set<string>();
    for (const namespace of this.#options.namespaces ?? [undefined]) {
      let next: string | undefined;
      do {
        const page = await this.#cluster.list(SWEEPS, { namespace, continue: next }, LIST);
        for (const { metadata } of page.items) uids.add(metadata.uid);
        next = page.continue;
      } while (next !== undefined);
    }
    return uids;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
