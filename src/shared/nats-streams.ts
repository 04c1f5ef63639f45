// The stream of Measurements and the bucket of models, as the controller makes them.
import { isUID, MODEL_BUCKET, modelSubjects, parseModelSubject, subjectsOfSweep } from '../sweep/message.ts';
import { BusError } from './bus.ts';
import { busErrorOf, type JetStreamManager, type Nats, type StreamConfig } from './nats.ts';

export const MEASUREMENTS_STREAM = 'CNN_SWEEP';
/** An object store is a stream by this name. */
export const MODELS_STREAM = `OBJ_${MODEL_BUCKET}`;

const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;
const NANOSECONDS = 1_000_000;

/** Room of each of both, unless something else is said. */
export const STREAM_BYTES = 4 * GIB;

export interface StreamOptions {
  /** Room of each of both; reserved, so both must fit into the server's store. A stream that has more keeps it. */
  readonly maxBytes?: number;
  readonly replicas?: number;
}

type Settings = Partial<StreamConfig> & { readonly name: string };

/** What both should be. As the client's types have no room for every field, one object is as good as the server's own. */
export function streamSettings({ maxBytes = STREAM_BYTES, replicas = 1 }: StreamOptions = {}): Settings[] {
  const both = {
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    num_replicas: replicas,
    compression: 's2',
    max_bytes: maxBytes,
    duplicate_window: 120_000 * NANOSECONDS,
    allow_direct: true,
  };
  return [
    {
      ...both,
      name: MEASUREMENTS_STREAM,
      description: 'cnn-sweep: curves',
      subjects: ['cs.v1.*.*.*.*'],
      max_age: 30 * DAY_MS * NANOSECONDS,
      max_msgs_per_subject: 1024,
      max_msg_size: 65_536,
      deny_delete: true,
    },
    {
      ...both,
      name: MODELS_STREAM,
      description: 'cnn-sweep: weights of the kept epochs',
      subjects: [`$O.${MODEL_BUCKET}.C.>`, `$O.${MODEL_BUCKET}.M.>`],
      // The largest model, and then nothing more: one trial cannot fill what all share.
      max_msgs_per_subject: 1100,
      discard_new_per_subject: true,
      allow_rollup_hdrs: false,
    },
  ] as unknown as Settings[];
}

/** What became of one stream. `Refused`: it is there, differs, and cannot be changed in place, or has no room to grow; a person decides. */
export interface StreamOutcome {
  readonly stream: string;
  readonly outcome: 'Created' | 'Updated' | 'Unchanged' | 'Refused';
  /** What differed, what the server says, and that a stream keeps more room than it should have; empty if all is well. */
  readonly message: string;
}

/** Makes stream and bucket, or changes them to what they should be. Never deletes. Any number of times, by any number of replicas.
 * @throws BusError if nothing can be said: no server, no rights, no room
 */
export async function ensureStreams(nats: Nats, options?: StreamOptions): Promise<StreamOutcome[]> {
  const manager = await managerOf(nats);
  const outcomes: StreamOutcome[] = [];
  for (const settings of streamSettings(options)) outcomes.push(await ensureStream(manager, settings));
  return outcomes;
}

async function ensureStream(manager: JetStreamManager, wanted: Settings): Promise<StreamOutcome> {
  const { name: stream } = wanted;
  const config = await configOf(manager, stream);
  if (!config) {
    await asking(stream, () => manager.streams.add(wanted));
    return { stream, outcome: 'Created', message: '' };
  }
  const { settings, kept } = withoutShrinking(config, wanted);
  const differing = differences(config, settings);
  const message = [differing, kept].filter((part) => part !== '').join('; ');
  if (differing === '') return { stream, outcome: 'Unchanged', message };
  try {
    await asking(stream, () => manager.streams.update(stream, settings));
    return { stream, outcome: 'Updated', message };
  } catch (error) {
    if (!(error instanceof BusError) || (error.reason !== 'Refused' && error.reason !== 'StorageFull')) throw error;
    return { stream, outcome: 'Refused', message: `${message}; ${error.message}` };
  }
}

/** An administrator may have given it more room, and what fills that would keep everything new out. -1: without a limit. */
function withoutShrinking({ max_bytes }: StreamConfig, settings: Settings): { settings: Settings; kept: string } {
  const { max_bytes: wanted = max_bytes } = settings;
  if (max_bytes >= 0 && max_bytes <= wanted) return { settings, kept: '' };
  const kept = `max_bytes: ${max_bytes} is kept, since less (${wanted}) is never taken`;
  return { settings: { ...settings, max_bytes }, kept };
}

async function configOf(manager: JetStreamManager, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await asking(stream, () => manager.streams.info(stream))).config;
  } catch (error) {
    if (error instanceof BusError && error.reason === 'NoStream') return undefined;
    throw error;
  }
}

/** `max_bytes: 1024, expected 4294967296`, one for each that differs. */
function differences(config: StreamConfig, settings: Settings): string {
  const found = config as unknown as Record<string, unknown>;
  return Object.entries(settings)
    .filter(([key, value]) => JSON.stringify(found[key] ?? false) !== JSON.stringify(value))
    .map(([key, value]) => `${key}: ${JSON.stringify(found[key] ?? null)}, expected ${JSON.stringify(value)}`)
    .join('; ');
}

/** What a stream holds, for metrics and conditions. */
export interface StreamFill {
  readonly stream: string;
  readonly bytes: number;
  readonly maxBytes: number;
  readonly messages: number;
}

/** @throws BusError */
export async function readFill(nats: Nats): Promise<StreamFill[]> {
  const manager = await managerOf(nats);
  const fills: StreamFill[] = [];
  for (const stream of [MEASUREMENTS_STREAM, MODELS_STREAM]) {
    const { config, state } = await asking(stream, () => manager.streams.info(stream));
    fills.push({ stream, bytes: state.bytes, maxBytes: config.max_bytes, messages: state.messages });
  }
  return fills;
}

/** Deletes all that a Sweep left: curves and models, also the parts of models that were never finished. Any number of times.
 * A trial that still runs may write more: call it again when its Pods are gone.
 * @throws BusError; a stream that is not there holds nothing
 */
export async function purgeSweep(nats: Nats, sweepUID: string): Promise<void> {
  const manager = await managerOf(nats);
  const filter = subjectsOfSweep(sweepUID);
  const attempts = new Set<string>();
  for (const subject of await subjectsIn(manager, MEASUREMENTS_STREAM, filter)) {
    const [, , , , attemptUID = ''] = subject.split('.');
    // Whatever a trial wrote there goes with the rest; only one of ours has a model.
    if (isUID(attemptUID)) attempts.add(attemptUID);
  }
  const models = await subjectsIn(manager, MODELS_STREAM, `$O.${MODEL_BUCKET}.M.>`);
  for (const meta of models) {
    const address = parseModelSubject(meta);
    if (address?.sweepUID !== sweepUID) continue;
    attempts.add(address.attemptUID);
    await purge(manager, MODELS_STREAM, meta);
  }
  const parts = new Set(await subjectsIn(manager, MODELS_STREAM, `$O.${MODEL_BUCKET}.C.>`));
  for (const attemptUID of attempts) {
    const { chunks } = modelSubjects({ sweepUID, trial: 0, attemptUID });
    if (parts.has(chunks)) await purge(manager, MODELS_STREAM, chunks);
  }
  await purge(manager, MEASUREMENTS_STREAM, filter);
}

/** Deletes one model. @throws BusError */
export async function purgeModel(nats: Nats, address: Parameters<typeof modelSubjects>[0]): Promise<void> {
  const manager = await managerOf(nats);
  const { chunks, meta } = modelSubjects(address);
  await purge(manager, MODELS_STREAM, meta); // first: what is not named is not there
  await purge(manager, MODELS_STREAM, chunks);
}

async function subjectsIn(manager: JetStreamManager, stream: string, filter: string): Promise<string[]> {
  return whereThere([], async () => {
    const { state } = await asking(stream, () => manager.streams.info(stream, { subjects_filter: filter }));
    return Object.keys(state.subjects ?? {});
  });
}

async function purge(manager: JetStreamManager, stream: string, filter: string): Promise<void> {
  await whereThere(undefined, () => asking(stream, () => manager.streams.purge(stream, { filter })));
}

/** A stream that is not there holds nothing. */
async function whereThere<Value>(nothing: Value, ask: () => Promise<unknown>): Promise<Value> {
  try {
    return (await ask()) as Value;
  } catch (error) {
    if (error instanceof BusError && error.reason === 'NoStream') return nothing;
    throw error;
  }
}

/** @throws BusError */
function managerOf(nats: Nats): Promise<JetStreamManager> {
  const { connection } = nats;
  return asking('$JS.API', () => connection.jetstreamManager({ checkAPI: false, timeout: 10_000 }));
}

async function asking<Value>(what: string, ask: () => Promise<Value>): Promise<Value> {
  try {
    return await ask();
  } catch (cause) {
    throw busErrorOf(cause, what);
  }
}
