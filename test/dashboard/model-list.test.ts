import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followModels } from '../../src/dashboard/model-list.ts';
import type { Address } from '../../src/sweep/message.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeInput, makeStore, STUDY, tell, UID } from './builders.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('an attempt that came later hides no recorded one; without a record the latest is there', async (t) => {
  const timers = new FakeTimers();
  const store = makeStore(timers);
  tell(store, STUDY);
  store.putSweep(makeInput({ name: 'new', uid: 'new' }));
  const recorded = STUDY.results[2]?.attemptUID ?? assert.fail();
  const of = (sweepUID: string, ...attempts: string[]): Address[] =>
    attempts.map((attemptUID) => ({ sweepUID, trial: 2, attemptUID }));
  let listed: Address[] = [];
  const stopping = new AbortController();
  const done = followModels({ list: async () => listed, store, timers, signal: stopping.signal });
  t.after(() => {
    stopping.abort();
    return done;
  });
  /** What is shown of the recorded trial and of the one that is not, once they are listed. */
  const look = async (...now: Address[]) => {
    listed = now;
    await turn();
    timers.advance(15_000);
    await turn();
    return ['study', 'new'].map((name) => store.sweep('local', name)?.trials[2]?.model);
  };
  assert.deepEqual(await look(...of(UID, recorded, 'late'), ...of('new', 'first', 'second')), [recorded, 'second']);
  const { revision } = store;
  await look(...of(UID, recorded, 'late'), ...of('new', 'first', 'second'));
  assert.equal(store.revision, revision, 'nothing changed');
  assert.deepEqual(await look(...of(UID, 'late', recorded), ...of('new', 'first')), [recorded, 'first']);
  assert.deepEqual(await look(...of(UID, 'late')), [null, null]);
  assert.equal(store.sweep('local', 'study')?.trials[2]?.hasModel, false);
});
