import { BusError } from '../shared/bus.ts';
import type { Nats } from '../shared/nats.ts';
import { readStream } from '../shared/nats-reader.ts';
import { MODELS_STREAM } from '../shared/nats-streams.ts';
import { pause, type Timers } from '../shared/timers.ts';
import { type Address, MODEL_BUCKET, parseModelSubject } from '../sweep/message.ts';
import type { Store } from './store.ts';

/** Models come with the end of a trial, and go when it can no longer win. */
const EVERY_MS = 15_000;
const TIMEOUT_MS = 10_000;

export interface FollowModelsOptions {
  readonly list: (signal: AbortSignal) => Promise<readonly Address[]>;
  readonly store: Store;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

type TrialModels = Pick<Address, 'sweepUID' | 'trial'> & { readonly attemptUIDs: readonly string[] };

/** Tells the store which attempts' weights there are, until it is told to stop. While nobody can tell, what was known stays. */
export async function followModels({ list, store, timers, signal }: FollowModelsOptions): Promise<void> {
  let known = new Map<string, TrialModels>();
  while (!signal.aborted) {
    const listed = await list(AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])).catch(() => undefined);
    if (listed) {
      const found = new Map<string, TrialModels>();
      for (const { sweepUID, trial, attemptUID } of listed) {
        const key = `${sweepUID}/${trial}`;
        // All: an attempt that came later than the recorded one does not hide it.
        found.set(key, { sweepUID, trial, attemptUIDs: [...(found.get(key)?.attemptUIDs ?? []), attemptUID] });
      }
      for (const [key, { sweepUID, trial }] of known) if (!found.has(key)) store.setModel(sweepUID, trial, null);
      // Each time: the sweep may have been unknown before.
      for (const { sweepUID, trial, attemptUIDs } of found.values()) store.setModels(sweepUID, trial, attemptUIDs);
      known = found;
    }
    await pause(timers, EVERY_MS, signal);
  }
}

/** The models that the bucket holds. @throws BusError */
export async function listModels(nats: Nats, signal: AbortSignal): Promise<Address[]> {
  const models = new Map<string, Address>();
  let trouble: BusError | undefined;
  const ended = new AbortController();
  const onTrouble = (error: BusError | undefined) => {
    if (!error) return;
    trouble = error;
    ended.abort();
  };
  const filter = `$O.${MODEL_BUCKET}.M.>`;
  const any = AbortSignal.any([signal, ended.signal]);
  for await (const entry of readStream(nats, { stream: MODELS_STREAM, filter, signal: any, onTrouble })) {
    if (entry.kind === 'opened') models.clear();
    else {
      const address = parseModelSubject(entry.subject);
      if (address && !isDeleted(entry.payload)) models.set(entry.subject, address);
      else models.delete(entry.subject);
    }
    if (entry.pending === 0) return [...models.values()];
  }
  throw trouble ?? new BusError('TimedOut', 'models: not listed in time');
}

function isDeleted(payload: Uint8Array): boolean {
  try {
    const info: unknown = JSON.parse(new TextDecoder().decode(payload));
    return typeof info === 'object' && info !== null && 'deleted' in info && info.deleted === true;
  } catch {
    return true;
  }
}
