// What the bus carries: the subject says whose it is, the payload is a list. Version 1: `cs.v1.…`.
import Type, { type Static } from 'typebox';
import { decode, encode } from './codec.ts';
import { InvalidMessageError } from './errors.ts';
import {
  finiteOrNull,
  MAX_MESSAGE_BYTES,
  type Measurement,
  MeasurementSchema,
  nullNonFiniteLosses,
  type Progress,
} from './measurement.ts';
import { MAX_TRIALS } from './schema.ts';

/** Whose a message is. UIDs, never names: a Sweep of the same name that is made again is another one. */
export interface Address {
  readonly sweepUID: string;
  readonly trial: number;
  readonly attemptUID: string;
}

/** `epoch`: Measurements. `progress`: where the attempt stands within an epoch. */
export type MessageKind = 'epoch' | 'progress';

/** As it is published. */
export interface Message {
  readonly subject: string;
  /** The log takes one message of each id within its window of two minutes. */
  readonly id: string;
  /** JSON. */
  readonly payload: string;
}

/** As it was read. Every figure is of the attempt that the subject names. */
export type MessageContent = { readonly address: Address } & (
  | { readonly kind: 'epoch'; readonly measurements: readonly Measurement[] }
  | { readonly kind: 'progress'; readonly progress: readonly Progress[] }
);

/** One at an epoch's end, more only to catch up. */
export const MAX_PER_MESSAGE = 100;
/** A payload shares the 64 KiB that a server takes with the headers; what is catching up fills no more than this. */
export const MAX_PAYLOAD_BYTES = 60_000;

const { trial, attempt, attemptUID, epoch, runningTrainLoss, examplesPerSecond } = MeasurementSchema.properties;
const step = (description: string) => Type.Integer({ minimum: 0, maximum: 0x7fff_ffff, description });

/** The running training loss, each 2,000 minibatches: shown, never judged. */
export const ProgressSchema = Type.Object(
  {
    ...{ trial, attempt, attemptUID, epoch },
    step: step('Minibatches of this epoch that are done.'),
    steps: step('Minibatches of an epoch.'),
    ...{ runningTrainLoss, examplesPerSecond },
  },
  { additionalProperties: false },
);

const size = { minItems: 1, maxItems: MAX_PER_MESSAGE } as const;
const LISTS = { epoch: Type.Array(MeasurementSchema, size), progress: Type.Array(ProgressSchema, size) };

/** `cs.v1.<sweepUID>.<trial>.<attemptUID>.<epoch|progress>` @throws InvalidMessageError for a UID that is no token of a subject */
export function subjectOf(address: Address, kind: MessageKind): string {
  return `${prefixOf(address)}.${kind}`;
}

/** @throws InvalidMessageError unless it is spelt exactly as `subjectOf` spells it */
export function parseSubject(subject: string): { readonly address: Address; readonly kind: MessageKind } {
  const [, sweepUID = '', index = '', attemptUID = '', kind] = SUBJECT.exec(subject) ?? [];
  const trial = Number(index);
  if (kind === undefined || trial >= MAX_TRIALS) {
    throw new InvalidMessageError(`subject ${JSON.stringify(subject.slice(0, 200))}: expected ${SPELLING}`);
  }
  return { address: { sweepUID, trial, attemptUID }, kind: kind as MessageKind };
}

const SUBJECT = /^cs\.v1\.([\w-]{1,63})\.(0|[1-9]\d{0,5})\.([\w-]{1,63})\.(epoch|progress)$/;
const SPELLING = 'cs.v1.<sweepUID>.<trial>.<attemptUID>.<epoch|progress>';

/** What one attempt may publish, and nothing else: its own curve, its own model. Subjects as a server's permissions have them. */
export function subjectsOfAttempt(address: Address): string[] {
  const { chunks, meta } = modelSubjects(address);
  return [subjectOf(address, 'epoch'), subjectOf(address, 'progress'), chunks, meta];
}

function prefixOf({ sweepUID, trial, attemptUID }: Address): string {
  return `cs.v1.${token(sweepUID)}.${trial}.${token(attemptUID)}`;
}

/** All that attempts of a Sweep publish. */
export function subjectsOfSweep(sweepUID: string): string {
  return `cs.v1.${token(sweepUID)}.>`;
}

export const MODEL_BUCKET = 'CNN_SWEEP_MODELS';
/** In bytes: a larger model is not uploaded. The largest network of the reference study has 3 MiB. */
export const MAX_MODEL_BYTES = 64 * 1024 * 1024;

/** Name of a model in the bucket: `<sweepUID>/<trial>/<attemptUID>`. */
export function modelName({ sweepUID, trial, attemptUID }: Address): string {
  return `${token(sweepUID)}/${trial}/${token(attemptUID)}`;
}

/** Where an object store keeps a model: its parts, and what says that it is whole. @see NATS ADR-20 */
export function modelSubjects(address: Address): { readonly chunks: string; readonly meta: string } {
  const name = btoa(modelName(address)).replaceAll('+', '-').replaceAll('/', '_');
  return { chunks: `$O.${MODEL_BUCKET}.C.${token(address.attemptUID)}`, meta: `$O.${MODEL_BUCKET}.M.${name}` };
}

/** Whose model a meta subject stands for; undefined if it is none of ours. */
export function parseModelSubject(subject: string): Address | undefined {
  try {
    const name = atob((subject.split('.')[3] ?? '').replaceAll('-', '+').replaceAll('_', '/'));
    const [sweepUID = '', trial = '', attemptUID = ''] = name.split('/');
    const address = { sweepUID, trial: Number(trial), attemptUID };
    return modelSubjects(address).meta === subject ? address : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it can be one token of a subject. */
export function isUID(text: string): boolean {
  return /^[\w-]{1,63}$/.test(text);
}

function token(uid: string): string {
  if (isUID(uid)) return uid;
  throw new InvalidMessageError(`UID ${JSON.stringify(uid.slice(0, 80))}: expected 1 to 63 of A-Z a-z 0-9 _ -`);
}

/** Whose figures, of which kind. @param number of the last of them, from 1: an epoch, or how many messages of progress there were */
export interface Envelope {
  readonly address: Address;
  readonly kind: MessageKind;
  readonly number: number;
}

/** A message of figures that were encoded one by one, in their order.
 * A figure goes into one message only: of two with the same last figure the log would take the first alone.
 * @param items each as `encodeMeasurement` or `encodeProgress` gives it, at most MAX_PER_MESSAGE
 */
export function joinMessage({ address, kind, number }: Envelope, items: readonly string[]): Message {
  const subject = subjectOf(address, kind);
  return { subject, id: `${address.attemptUID}/${kind}/${number}`, payload: `[${items.join(',')}]` };
}

/** @throws InvalidMessageError for what a reader would refuse */
export function encodeMeasurements(sweepUID: string, measurements: readonly Measurement[]): Message {
  const items = measurements.map(nullNonFiniteLosses);
  const payload = encode(LISTS.epoch, items, MAX_MESSAGE_BYTES);
  const [first, last] = [items[0], items.at(-1)];
  if (first === undefined || last === undefined) throw new InvalidMessageError('no measurements');
  const envelope = { address: { sweepUID, ...first }, kind: 'epoch', number: last.epoch } as const;
  const message = { ...joinMessage(envelope, []), payload };
  decodeMessage(message.subject, payload); // of one attempt
  return message;
}

/** One figure of a list. @throws InvalidMessageError */
export function encodeProgress(progress: Progress): string {
  const { runningTrainLoss } = progress;
  return encode(ProgressSchema, { ...progress, runningTrainLoss: finiteOrNull(runningTrainLoss) }, MAX_MESSAGE_BYTES);
}

/** Strict: the subject as we spell it, the payload a list of 1 to 100 figures of the attempt that the subject names, at most 64 KiB.
 * @param payload text, or bytes of UTF-8
 * @throws InvalidMessageError naming the subject, or the field and its value
 */
export function decodeMessage(subject: string, payload: Uint8Array | string): MessageContent {
  const { address, kind } = parseSubject(subject);
  const text = typeof payload === 'string' ? payload : decodeText(payload);
  if (kind === 'progress') {
    const progress = decode(LISTS.progress, text, MAX_MESSAGE_BYTES);
    checkOwner(address, progress);
    return { address, kind, progress };
  }
  const measurements = decode(LISTS.epoch, text, MAX_MESSAGE_BYTES);
  checkOwner(address, measurements);
  return { address, kind, measurements };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array): string {
  if (bytes.length > MAX_MESSAGE_BYTES) {
    throw new InvalidMessageError(`${bytes.length} bytes; at most ${MAX_MESSAGE_BYTES}`);
  }
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new InvalidMessageError('not UTF-8', { cause });
  }
}

/** A server lets an attempt write under its own subject alone: what the payload claims beyond that is a lie. */
function checkOwner(address: Address, items: readonly Omit<Static<typeof ProgressSchema>, 'step' | 'steps'>[]): void {
  for (const [at, item] of items.entries()) {
    for (const key of ['trial', 'attemptUID'] as const) {
      if (item[key] !== address[key]) {
        throw new InvalidMessageError(`${at}.${key}: ${JSON.stringify(item[key])}: the subject says ${address[key]}`);
      }
    }
  }
}
