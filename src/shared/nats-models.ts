// Models in the object store of NATS, written and read message by message: a trial has no right to the store's own calls.
import { createHash } from 'node:crypto';
import { type Address, MAX_MODEL_BYTES, MODEL_BUCKET, modelName, modelSubjects } from '../sweep/message.ts';
import { type Backoff, fullJitterMs } from './backoff.ts';
import { BusError } from './bus.ts';
import { type ApiError, apiErrorOf, type Nats } from './nats.ts';
import { readStream } from './nats-reader.ts';
import { MODELS_STREAM } from './nats-streams.ts';
import { pause, realTimers, type Timers } from './timers.ts';

/** A message is at most 64 KiB with its headers. */
export const CHUNK_BYTES = 61_440;

export interface UploadOptions {
  /** Ends it. */
  readonly signal: AbortSignal;
  /** How long the store may take nothing before it is given up. */
  readonly patienceMs: number;
  readonly timers?: Timers;
}

/** Uploads one model: its parts in their order, then what makes it an object. Whoever reads sees all of it or nothing.
 * Publishes on the attempt's own two subjects only. A part whose answer was lost is sent again: the store takes it once.
 * @throws BusError saying why it was given up; parts without an object stay until the Sweep is purged
 */
export async function uploadModel(
  nats: Nats,
  address: Address,
  bytes: Uint8Array,
  options: UploadOptions,
): Promise<void> {
  if (bytes.length > MAX_MODEL_BYTES) {
    throw new BusError('Refused', `a model of ${bytes.length} bytes; at most ${MAX_MODEL_BYTES}`);
  }
  const { chunks: subject, meta } = modelSubjects(address);
  const { attemptUID } = address;
  const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
  for (let at = 0; at < chunks; at++) {
    const chunk = bytes.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES);
    await store(nats, subject, chunk, { 'Nats-Msg-Id': `${attemptUID}/model/${at}` }, options);
  }
  const info = {
    name: modelName(address),
    bucket: MODEL_BUCKET,
    nuid: attemptUID,
    size: bytes.length,
    chunks,
    digest: digestOf(bytes),
    options: { max_chunk_size: CHUNK_BYTES },
  };
  // No rollup, as the client's own object store has it: a stream that takes `sub` takes `all` too, which deletes the models of others.
  await store(nats, meta, JSON.stringify(info), { 'Nats-Msg-Id': `${attemptUID}/model` }, options);
}

/** Publishes until it is stored. */
async function store(
  nats: Nats,
  subject: string,
  payload: Uint8Array | string,
  headers: Record<string, string>,
  { signal, patienceMs, timers = realTimers }: UploadOptions,
): Promise<void> {
  const began = timers.now();
  for (let failures = 0; ; failures++) {
    try {
      if (signal.aborted) throw new BusError('Closed', `${subject}: there was no time left`);
      const reply = (await nats.request(subject, payload, { headers })).json<{ readonly error?: ApiError }>();
      if (reply.error) throw apiErrorOf(reply.error, subject);
      return;
    } catch (error) {
      const isHopeless = !(error instanceof BusError) || error.reason === 'Refused' || signal.aborted;
      if (isHopeless || timers.now() - began > patienceMs) throw error;
      await pause(timers, 50 + fullJitterMs(BACKOFF, failures, Math.random), signal);
    }
  }
}

const BACKOFF: Backoff = { baseMs: 250, capMs: 1_000 };

/** A model as it was uploaded; `missing` if there is none, or no longer all of it.
 * @throws BusError if nobody can tell, and for one that is not as a trial of ours writes it (`Refused`)
 */
export async function readModel(nats: Nats, address: Address, signal: AbortSignal): Promise<Uint8Array | 'missing'> {
  const info = await readInfo(nats, address);
  if (!info) return 'missing';
  const bytes = await readParts(nats, address, info, signal);
  if (bytes.length < info.size) return 'missing'; // they are being deleted
  if (bytes.length === info.size && digestOf(bytes) === info.digest) return bytes;
  throw new BusError('Refused', `model ${info.name}: damaged: its SHA-256 is not the one that was uploaded`);
}

const READ_TIMEOUT_MS = 30_000;

async function readParts(nats: Nats, address: Address, info: ModelInfo, signal: AbortSignal): Promise<Uint8Array> {
  const trouble = new AbortController();
  let why = new BusError('TimedOut', `model ${info.name}: not read within ${READ_TIMEOUT_MS} ms`);
  const onTrouble = (error: BusError | undefined) => {
    if (!error) return;
    why = error;
    trouble.abort();
  };
  const ended = AbortSignal.any([signal, trouble.signal, AbortSignal.timeout(READ_TIMEOUT_MS)]);
  const { chunks: filter } = modelSubjects(address);
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const entry of readStream(nats, { stream: MODELS_STREAM, filter, signal: ended, onTrouble })) {
    if (entry.kind === 'message') parts.push(entry.payload);
    else [parts, size] = [[], 0];
    size += entry.kind === 'message' ? entry.payload.length : 0;
    if (entry.pending === 0 || size > info.size) return Buffer.concat(parts);
  }
  throw why;
}

/** @see NATS ADR-20 */
interface ModelInfo {
  readonly name: string;
  readonly nuid: string;
  readonly size: number;
  readonly digest: string;
  readonly deleted?: boolean;
}

/** What makes parts an object; undefined if nothing does. */
async function readInfo(nats: Nats, address: Address): Promise<ModelInfo | undefined> {
  const name = modelName(address);
  const answer = await nats.request(`$JS.API.DIRECT.GET.${MODELS_STREAM}.${modelSubjects(address).meta}`, '');
  if (answer.headers?.code === 404) return undefined;
  const info = parse(answer.string());
  // A trial can write what it likes under its own name: no more is read than there may be, and nobody else's.
  const isOurs = info?.name === name && info.nuid === address.attemptUID && info.size <= MAX_MODEL_BYTES;
  if (info && isOurs) return info.deleted === true ? undefined : info;
  throw new BusError('Refused', `model ${name}: not as a trial of ours writes it`);
}

function parse(text: string): ModelInfo | undefined {
  try {
    return JSON.parse(text) as ModelInfo;
  } catch {
    return undefined;
  }
}

function digestOf(bytes: Uint8Array): string {
  // Padded, as every client of the store writes it.
  return `SHA-256=${createHash('sha256').update(bytes).digest('base64').replaceAll('+', '-').replaceAll('/', '_')}`;
}
