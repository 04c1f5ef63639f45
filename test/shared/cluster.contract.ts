import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cluster, type NewObject, openCluster } from '../../src/shared/calls.ts';
import { EVENTS, JOBS, LEASES, SLICES, SWEEPS } from '../../src/shared/kinds.ts';
import { readLines } from '../../src/shared/lines.ts';
import type { SliceObject, SweepObject } from '../../src/shared/objects.ts';
import { decodeWatchEvent } from '../../src/shared/watch-event.ts';
import type { Wire } from '../../src/shared/wire.ts';
import {
  isCode,
  made,
  makeJob,
  makeName,
  makeRecord,
  makeSlice,
  makeStatus,
  makeSweep,
  namespace,
  OTHER_UID,
  whatever,
} from './objects.ts';

/** What both API servers must do alike, the real one and the one in memory. */
export interface Subject {
  readonly name: string;
  /** Called when the tests run; version 1 is no longer kept. */
  readonly wire: () => Wire;
}

export function clusterKeepsItsPromises({ name: who, wire }: Subject): void {
  const cases: Record<string, (cluster: Cluster) => Promise<void>> = {
    'what is created is there, once; what was not is not': async (cluster) => {
      const body = makeSweep();
      const sweep = await made(cluster, SWEEPS, body);
      assert.ok(sweep.metadata.uid && sweep.metadata.resourceVersion && sweep.metadata.creationTimestamp);
      assert.equal(sweep.metadata.generation, 1);
      assert.deepEqual(await cluster.create(SWEEPS, body), { kind: 'exists' });
      const read = await cluster.getSweep(body.metadata);
      assert.equal(read?.metadata.uid, sweep.metadata.uid);
      assert.equal(await cluster.getSweep({ namespace, name: makeName() }), undefined);
    },

    'a dry run creates nothing': async (cluster) => {
      const body = makeJob();
      assert.equal((await cluster.create(JOBS, body, { dryRun: true })).kind, 'created');
      assert.equal(await cluster.getJob(body.metadata), undefined);
    },

    'a status that is given at creation is dropped': async (cluster) => {
      const sweep = await made(cluster, SWEEPS, { ...makeSweep(), status: makeStatus('mine') } as NewObject);
      assert.equal(sweep.status, undefined);
    },

    'only the object of the UID is deleted, once': async (cluster) => {
      const { metadata } = await made(cluster, JOBS, makeJob());
      assert.equal(await cluster.deleteJob({ ...metadata, uid: OTHER_UID }), 'conflict');
      assert.equal(await cluster.deleteJob(metadata), 'deleted');
      assert.equal(await cluster.deleteJob(metadata), 'gone');
    },

    'an object is deleted as it was read; that of the UID, whatever became of it': async (cluster) => {
      const job = await made(cluster, JOBS, makeJob());
      const { metadata } = job;
      const patch = { metadata: { labels: { team: 'red' } } };
      assert.equal((await cluster.mergePatch(JOBS, metadata, patch)).kind, 'written');
      assert.equal(await cluster.deleteJob(metadata), 'conflict');
      assert.ok(await cluster.getJob(metadata));
      assert.equal(await cluster.deleteJob(whatever(job)), 'deleted');
    },

    'an object with a finalizer stays until that is removed': async (cluster) => {
      const { metadata } = await made(cluster, JOBS, makeJob(makeName(), {}, ['example.com/mine']));
      assert.equal(await cluster.deleteJob(metadata), 'deleted');
      const dying = await cluster.getJob(metadata);
      assert.ok(dying?.metadata.deletionTimestamp);
      assert.equal(await cluster.deleteJob(metadata), 'conflict');
      assert.equal(await cluster.deleteJob(dying.metadata), 'deleted');
      assert.equal((await cluster.create(JOBS, makeJob(metadata.name))).kind, 'exists');
      const { kind } = await cluster.mergePatch(JOBS, metadata, { metadata: { finalizers: null } });
      assert.equal(kind, 'written');
      assert.equal(await cluster.getJob(metadata), undefined);
    },

    'an object is replaced at the version that was read; what changes nothing is no write': async (cluster) => {
      const { apiVersion, kind } = LEASES;
      const metadata = { namespace, name: makeName() };
      const lease = await made(cluster, LEASES, { apiVersion, kind, metadata });
      const at = (resourceVersion: string, holderIdentity: string) => ({
        ...{ apiVersion, kind, metadata: { ...metadata, resourceVersion } },
        spec: { holderIdentity },
      });
      const { resourceVersion } = lease.metadata;
      const written = await cluster.replace(LEASES, at(resourceVersion, 'a'));
      assert.ok(written.kind === 'written' && written.object.metadata.resourceVersion !== resourceVersion);
      assert.equal((await cluster.replace(LEASES, at(resourceVersion, 'b'))).kind, 'conflict');
      const same = await cluster.replace(LEASES, at(written.object.metadata.resourceVersion, 'a'));
      assert.ok(same.kind === 'written');
      assert.equal(same.object.metadata.resourceVersion, written.object.metadata.resourceVersion);
    },

    'a lease that is gone is created by the PUT that would replace it': async (cluster) => {
      const { apiVersion, kind } = LEASES;
      const metadata = { namespace, name: makeName() };
      const lease = await made(cluster, LEASES, { apiVersion, kind, metadata });
      assert.equal(await cluster.delete(LEASES, whatever(lease)), 'deleted');
      const { resourceVersion } = lease.metadata;
      const put = await cluster.replace(LEASES, { apiVersion, kind, metadata: { ...metadata, resourceVersion } });
      assert.ok(put.kind === 'written' && put.object.metadata.uid !== lease.metadata.uid);
    },

    'a merge patch changes what it names': async (cluster) => {
      const name = makeName();
      const involvedObject = { kind: 'Sweep', name: 's', namespace, uid: OTHER_UID };
      const event = { apiVersion: 'v1', kind: 'Event', metadata: { namespace, name }, involvedObject };
      await made(cluster, EVENTS, { ...event, reason: 'X', message: 'old', count: 1, type: 'Warning' } as NewObject);
      const written = await cluster.mergePatch(EVENTS, { namespace, name }, { count: 2 });
      assert.ok(written.kind === 'written');
      assert.deepEqual([written.object.count, written.object.message], [2, 'old']);
      assert.equal((await cluster.mergePatch(EVENTS, { namespace, name: makeName() }, { count: 2 })).kind, 'gone');
    },

    'records are appended to the slice that was read, or not at all': async (cluster) => {
      const slice = await made(cluster, SLICES, makeSlice([makeRecord(7)]));
      const written = await cluster.appendRecords(slice, [makeRecord(3), makeRecord(9)]);
      assert.ok(written.kind === 'written');
      const trials = (one: SliceObject) => one.records?.map((record) => (record as { trial: number }).trial);
      assert.deepEqual(trials(written.object), [7, 3, 9]);
      assert.equal((await cluster.appendRecords(slice, [makeRecord(4)])).kind, 'conflict');
      const read = await cluster.get(SLICES, slice.metadata);
      assert.deepEqual(read && trials(read), [7, 3, 9]);
      assert.equal(await cluster.delete(SLICES, whatever(slice)), 'deleted');
      assert.equal((await cluster.appendRecords(slice, [makeRecord(4)])).kind, 'gone');
    },

    'a second record of a trial is refused': async (cluster) => {
      const slice = await made(cluster, SLICES, makeSlice([makeRecord(7)]));
      await assert.rejects(cluster.appendRecords(slice, [makeRecord(7)]), isCode(422));
    },

    'a record never changes and never goes': async (cluster) => {
      const slice = await made(cluster, SLICES, makeSlice([makeRecord(7), makeRecord(8)]));
      for (const records of [[makeRecord(7)], [makeRecord(7), { ...makeRecord(8), seconds: 2 }]]) {
        await assert.rejects(cluster.mergePatch(SLICES, slice.metadata, { records }), isCode(422));
      }
    },

    'a status that is applied is ours: what we no longer name goes, the spec stays': async (cluster) => {
      const sweep = await made(cluster, SWEEPS, makeSweep());
      const condition = (type: string) => ({
        ...{ type, status: 'True', reason: 'Valid', message: 'yes', observedGeneration: 1 },
        lastTransitionTime: '2026-01-01T00:00:00Z',
      });
      const first = { ...makeStatus('one'), conditions: [condition('Accepted'), condition('Progressing')] };
      const one = await cluster.applySweepStatus(sweep, { ...first, startTime: '2026-01-01T00:00:00Z' });
      assert.ok(one.kind === 'written');
      assert.deepEqual(one.object.status, { ...first, startTime: '2026-01-01T00:00:00Z' });
      const second = { ...makeStatus('two'), conditions: [condition('Progressing')] };
      const two = await cluster.applySweepStatus(one.object, second);
      assert.ok(two.kind === 'written');
      assert.deepEqual(two.object.status, second);
      assert.deepEqual(two.object.spec, sweep.spec);
      assert.equal(two.object.metadata.generation, 1);
    },

    'the same status again is no write': async (cluster) => {
      const sweep = await made(cluster, SWEEPS, makeSweep());
      const one = await cluster.applySweepStatus(sweep, makeStatus('one'));
      assert.ok(one.kind === 'written');
      const two = await cluster.applySweepStatus(one.object, makeStatus('one'));
      assert.ok(two.kind === 'written');
      assert.equal(two.object.metadata.resourceVersion, one.object.metadata.resourceVersion);
    },

    'no status for a Sweep that has changed, that was created again, or that is gone': async (cluster) => {
      const sweep = await made(cluster, SWEEPS, makeSweep());
      await cluster.mergePatch(SWEEPS, sweep.metadata, { spec: { suspend: true } });
      assert.equal((await cluster.applySweepStatus(sweep, makeStatus('x'))).kind, 'conflict');
      assert.equal(await cluster.delete(SWEEPS, whatever(sweep)), 'deleted');
      assert.equal((await cluster.applySweepStatus(sweep, makeStatus('x'))).kind, 'gone');
      const again = await made(cluster, SWEEPS, makeSweep(sweep.metadata.name));
      assert.equal((await cluster.applySweepStatus(sweep, makeStatus('x'))).kind, 'conflict');
      assert.equal((await cluster.getSweep(again.metadata))?.status, undefined);
    },

    'the generation counts changes of the spec alone': async (cluster) => {
      const sweep = await made(cluster, SWEEPS, makeSweep());
      const patch = async (change: unknown) => {
        const written = await cluster.mergePatch(SWEEPS, sweep.metadata, change);
        return written.kind === 'written' ? written.object.metadata.generation : undefined;
      };
      assert.equal(await patch({ metadata: { labels: { a: 'b' } } }), 1);
      assert.equal(await patch({ spec: { suspend: true } }), 2);
      assert.equal(await patch({ status: makeStatus('mine') }), 2);
      assert.equal((await cluster.getSweep(sweep.metadata))?.status, undefined);
    },

    'a list comes in pages, by name, of one version, of one label': async (cluster) => {
      const label = makeName();
      const all = Array.from({ length: 5 }, () => makeName());
      for (const name of all) await made(cluster, JOBS, makeJob(name, { label }));
      const query = { namespace, labelSelector: `label=${label}`, limit: 2 };
      const first = await cluster.list(JOBS, query);
      await made(cluster, JOBS, makeJob(makeName(), { label }));
      const second = await cluster.list(JOBS, { ...query, continue: first.continue });
      const third = await cluster.list(JOBS, { ...query, continue: second.continue });
      const listed = [first, second, third].flatMap(({ items }) => items.map(({ metadata }) => metadata.name));
      assert.deepEqual(
        listed,
        all.toSorted((a, b) => (a < b ? -1 : 1)),
      );
      assert.equal(third.continue, undefined);
      assert.deepEqual([second.resourceVersion, third.resourceVersion], [first.resourceVersion, first.resourceVersion]);
    },

    'metadata is listed alone, in pages of one version': async (cluster) => {
      const label = makeName();
      const all = [makeName(), makeName(), makeName()].toSorted((a, b) => (a < b ? -1 : 1));
      for (const name of all) await made(cluster, JOBS, makeJob(name, { label }));
      const query = { namespace, labelSelector: `label=${label}`, limit: 2 };
      const first = await cluster.listMetadata(JOBS, query);
      await made(cluster, JOBS, makeJob(makeName(), { label }));
      const second = await cluster.listMetadata(JOBS, { ...query, continue: first.continue });
      const listed = [first, second].flatMap(({ items }) => items);
      assert.deepEqual(
        listed.map(({ metadata }) => metadata.name),
        all,
      );
      assert.equal(second.continue, undefined);
      assert.equal(second.resourceVersion, first.resourceVersion);
      const whole = (await cluster.list(JOBS, query)).items[0];
      assert.deepEqual(listed[0]?.metadata, whole?.metadata);
      for (const each of listed) assert.ok(!('spec' in each) && !('status' in each), 'metadata alone');
    },

    'a watch tells what happened since its version, in order, and ends when it was asked to': async (cluster) => {
      const label = makeName();
      const gone = await made(cluster, JOBS, makeJob(makeName(), { label }));
      const { resourceVersion } = await cluster.list(JOBS, { namespace });
      const job = await made(cluster, JOBS, makeJob(makeName(), { label }));
      await made(cluster, JOBS, makeJob());
      await cluster.mergePatch(JOBS, job.metadata, { metadata: { annotations: { a: 'b' } } });
      await cluster.deleteJob(gone.metadata);
      await cluster.mergePatch(JOBS, job.metadata, { metadata: { labels: { label: 'another' } } });
      const seen = await watchAll(cluster, { labelSelector: `label=${label}`, resourceVersion });
      const [added, gone2] = [job.metadata.name, gone.metadata.name];
      assert.deepEqual(
        seen.map(({ type, name }) => `${type} ${name}`),
        [`ADDED ${added}`, `MODIFIED ${added}`, `DELETED ${gone2}`, `DELETED ${added}`],
      );
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => (a.version < b.version ? -1 : 1)),
      );
      assert.ok(seen.every(({ version }) => version > BigInt(resourceVersion)));
    },

    'a version that is no longer kept is 410, whichever way it is said': async (cluster) => {
      await made(cluster, JOBS, makeJob());
      await assert.rejects(watchAll(cluster, { resourceVersion: '1' }), isCode(410));
    },
  };

  for (const [sentence, check] of Object.entries(cases)) {
    test(`${who}: ${sentence}`, () => check(openCluster(wire())));
  }
}

async function watchAll(cluster: Cluster, query: { labelSelector?: string; resourceVersion: string }) {
  const signal = AbortSignal.timeout(30_000);
  const seen: { type: string; name: string; version: bigint }[] = [];
  const bytes = await cluster.watch(JOBS, { namespace, timeoutSeconds: 1, signal, ...query });
  for await (const line of readLines(bytes, 1e6)) {
    const event = decodeWatchEvent<SweepObject>(line);
    if (event.type !== 'BOOKMARK') {
      seen.push({ type: event.type, name: event.object.metadata.name, version: event.version });
    }
  }
  return seen;
}
