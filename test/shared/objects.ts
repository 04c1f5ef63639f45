import assert from 'node:assert/strict';
import { ApiError } from '../../src/shared/api-error.ts';
import type { Cluster, NewObject } from '../../src/shared/calls.ts';
import { JOBS, type Kind, SLICES, SWEEPS } from '../../src/shared/kinds.ts';
import type { KubernetesObject } from '../../src/shared/objects.ts';

// Objects that a real API server accepts.

export const namespace = 'default';
let names = 0;
/** Of an object that no other test has. */
export const makeName = () => `test-${process.pid}-${names++}`;

export const OTHER_UID = '99999999-9999-4999-8999-999999999999';

export function makeSweep(name = makeName()) {
  const { apiVersion, kind } = SWEEPS;
  return { apiVersion, kind, metadata: { namespace, name }, spec: { grid: [{ widths: [[3, 8]] }] } };
}

export function makeJob(name = makeName(), labels: Record<string, string> = {}, finalizers: string[] = []) {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'trainer', image: 'none' }] } };
  return {
    apiVersion: JOBS.apiVersion,
    kind: JOBS.kind,
    metadata: { namespace, name, labels, ...(finalizers.length === 0 ? {} : { finalizers }) },
    spec: { suspend: true, template },
  };
}

export function makeSlice(records: unknown[] = [], name = makeName()) {
  const { apiVersion, kind } = SLICES;
  return { apiVersion, kind, metadata: { namespace, name }, slice: 0, sweep: 'study', records };
}

export function makeRecord(trial: number) {
  return {
    ...{ trial, attempt: 1, attemptUID: 'uid', outcome: 'Failed', reason: 'Crashed (exit 1)', backend: 'cpu' },
    ...{ hyperparametersHash: '0123456789abcdef', parameterCount: 1, seconds: 1, summary: null, test: null },
    hyperparameters: {
      ...{ widths: [3, 8], activation: 'relu', pooling: 'max', depth: 1 },
      ...{ batchSize: 4, learningRate: 0.001, momentum: 0.9, seed: 0 },
    },
  };
}

export function makeStatus(message: string) {
  const trials = { total: 1, waiting: 1, running: 0, succeeded: 0, failed: 0, stopped: 0 };
  return { phase: 'Running', observedGeneration: 1, trials, message, conditions: [] as unknown[] };
}

export async function made<T extends KubernetesObject>(cluster: Cluster, kind: Kind<T>, object: NewObject): Promise<T> {
  const created = await cluster.create(kind, object);
  assert.equal(created.kind, 'created');
  return created.kind === 'created' ? created.object : assert.fail();
}

/** Whether it is an ApiError with this code. */
export const isCode = (code: number) => (error: unknown) => error instanceof ApiError && error.code === code;

/** The object of a UID, whatever has become of it since it was read. */
export function whatever({ metadata: { namespace, name, uid } }: KubernetesObject) {
  return { namespace, name, uid };
}
