import { Compile } from 'typebox/compile';
import type { SliceObject } from '../shared/objects.ts';
import { sliceName } from '../sweep/names.ts';
import { type Counts, countOutcomes } from '../sweep/records.ts';
import { CLOSED_AT, MAX_RECORDS, type TrialRecord, TrialRecordSchema } from '../sweep/slice.ts';
import type { Trial } from '../sweep/trial.ts';
import type { ClusterSweep, SweepIdentity } from './cluster-sweep.ts';
import { isOwnedBy } from './job.ts';
import { ownerReferenceTo, sweepLabels } from './labels.ts';

/** A record that cannot be read. Its trial, if the record says so much, neither starts nor counts. */
export interface DamagedRecord {
  readonly slice: string;
  readonly position: number;
  readonly trial?: number | undefined;
  readonly message: string;
}

export interface Records {
  readonly records: ReadonlyMap<number, TrialRecord>;
  readonly damaged: readonly DamagedRecord[];
  readonly counts: Counts;
}

const validator = Compile(TrialRecordSchema);

/** Decoded slices by UID and version, and what they came to together: a slice of 200 records takes a millisecond to decode, and most
 * never change again. One for each Sweep; what is not asked for again is forgotten.
 */
export class SliceCache {
  #last:
    | { readonly entries: readonly (readonly Entry[])[]; readonly trials: readonly Trial[]; readonly read: Records }
    | undefined;
  #decoded = new Map<string, { readonly version: string; readonly entries: readonly Entry[] }>();

  /** The entries of these slices, in their order. */
  entriesOf(slices: readonly SliceObject[]): (readonly Entry[])[] {
    const before = this.#decoded;
    this.#decoded = new Map();
    return slices.map((slice) => {
      const { uid, resourceVersion: version } = slice.metadata;
      const known = before.get(uid);
      const kept = known?.version === version ? known : { version, entries: decodeSlice(slice) };
      this.#decoded.set(uid, kept);
      return kept.entries;
    });
  }

  /** The same object as the last time, if no slice has changed: most turns of a large sweep have no new record. */
  read(slices: readonly SliceObject[], trials: readonly Trial[]): Records {
    const entries = this.entriesOf(slices);
    const last = this.#last;
    const isSame = last?.entries.length === entries.length && entries.every((each, at) => each === last.entries[at]);
    if (last && isSame && last.trials === trials) return last.read;
    const read = mergeEntries(slices, entries, trials);
    this.#last = { entries, trials, read };
    return read;
  }
}

type Entry = { readonly record: TrialRecord } | { readonly damaged: DamagedRecord };

function decodeSlice({ metadata, records = [] }: SliceObject): Entry[] {
  return records.map((value, position) => {
    if (validator.Check(value)) return { record: value };
    const [error] = validator.Errors(value);
    const message = `${error?.instancePath ?? ''} ${error?.message ?? 'does not decode'}`.trim();
    return { damaged: { slice: metadata.name, position, trial: trialOf(value), message } };
  });
}

function trialOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('trial' in value)) return undefined;
  return Number.isSafeInteger(value.trial) ? Number(value.trial) : undefined;
}

/** The records of a Sweep's slices, by trial. Of two of one trial the lower slice's counts. Total: what does not decode, or is of no
 * trial of this sweep, is told, not thrown.
 */
export function recordsOf(
  slices: readonly SliceObject[],
  { uid, trials }: { readonly uid: string; readonly trials: readonly Trial[] },
  cache = new SliceCache(),
): Records {
  return cache.read(ownSlices(slices, uid), trials);
}

function mergeEntries(
  slices: readonly SliceObject[],
  all: readonly (readonly Entry[])[],
  trials: readonly Trial[],
): Records {
  const records = new Map<number, TrialRecord>();
  const damaged: DamagedRecord[] = [];
  for (const [at, entries] of all.entries()) {
    const name = slices[at]?.metadata.name ?? '';
    for (const [position, entry] of entries.entries()) {
      if ('damaged' in entry) {
        damaged.push(entry.damaged);
        continue;
      }
      const { trial, hyperparametersHash } = entry.record;
      if (trials[trial]?.hyperparametersHash !== hyperparametersHash) {
        damaged.push({ slice: name, position, trial, message: 'is of no trial of this sweep' });
      } else if (!records.has(trial)) records.set(trial, entry.record);
    }
  }
  return {
    records,
    damaged: damaged.filter(({ trial }) => trial === undefined || !records.has(trial)),
    counts: countOutcomes(records.values(), trials.length),
  };
}

/** The Sweep's own, by UID, lowest number first. */
function ownSlices(slices: readonly SliceObject[], uid: string): SliceObject[] {
  return slices
    .filter(({ metadata }) => isOwnedBy(metadata, uid))
    .sort((a, b) => numberOf(a) - numberOf(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
}

function numberOf({ slice = 0 }: SliceObject): number {
  return slice;
}

export type SliceWrite =
  | {
      readonly kind: 'append';
      readonly name: string;
      /** The patch must ask for this version: it was planned for that many records. */
      readonly resourceVersion: string;
      readonly records: readonly TrialRecord[];
    }
  | {
      readonly kind: 'create';
      readonly name: string;
      readonly slice: number;
      readonly records: readonly TrialRecord[];
    };

/** Most bytes of one slice, as JSON and with what the API server notes of each record: etcd takes 1.5 MiB. */
const MAX_SLICE_BYTES = 1_400_000;
/** What `managedFields` note of a record: its key, since it is changed as a whole or not at all. */
const NOTED_BYTES = 100;

/** Plans how new records get into slices: the last one is filled, unless it is closed, then the next is created, and so on.
 * To be written in this order, up to the first that fails. Records of trials that have one already are left out.
 */
export function planRecords(
  slices: readonly SliceObject[],
  newRecords: readonly TrialRecord[],
  owner: ClusterSweep,
  cache = new SliceCache(),
): SliceWrite[] {
  const own = ownSlices(slices, owner.uid);
  const taken = new Set<unknown>();
  for (const entries of cache.entriesOf(own))
    for (const entry of entries) taken.add('record' in entry ? entry.record.trial : entry.damaged.trial);
  const waiting = newRecords.filter(({ trial }) => !taken.has(trial) && taken.add(trial));
  const writes: SliceWrite[] = [];
  const last = own.at(-1);
  if (last && (last.records ?? []).length < CLOSED_AT) {
    const records = takeFitting(waiting, last.records ?? []);
    const { name, resourceVersion } = last.metadata;
    if (records.length > 0) writes.push({ kind: 'append', name, resourceVersion, records });
  }
  for (let slice = last ? numberOf(last) + 1 : 0; waiting.length > 0; slice++) {
    const name = sliceName(owner.name, owner.uid, slice);
    writes.push({ kind: 'create', name, slice, records: takeFitting(waiting, []) });
  }
  return writes;
}

/** Takes from the front of `waiting` what fits beside the records that are there; into an empty slice at least one. */
function takeFitting(waiting: TrialRecord[], there: readonly unknown[]): TrialRecord[] {
  let bytes = there.reduce<number>((sum, record) => sum + storedBytes(record), 0);
  let count = 0;
  for (const record of waiting) {
    bytes += storedBytes(record);
    if (there.length + count >= MAX_RECORDS || (bytes > MAX_SLICE_BYTES && there.length + count > 0)) break;
    count++;
  }
  return waiting.splice(0, count);
}

function storedBytes(record: unknown): number {
  return Buffer.byteLength(JSON.stringify(record)) + NOTED_BYTES;
}

/** The object to create. */
export function buildSlice(owner: SweepIdentity, slice: number, records: readonly TrialRecord[]) {
  return {
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'TrialResultSlice',
    metadata: {
      name: sliceName(owner.name, owner.uid, slice),
      namespace: owner.namespace,
      labels: sweepLabels(owner),
      ownerReferences: [ownerReferenceTo(owner)],
    },
    slice,
    sweep: owner.name,
    records,
  };
}
