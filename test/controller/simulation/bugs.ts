import { openCaches } from '../../../src/controller/caches.ts';
import { type Cluster, openCluster } from '../../../src/shared/calls.ts';
import { SLICES } from '../../../src/shared/kinds.ts';
import type { SliceObject } from '../../../src/shared/objects.ts';
import type { Mutation } from './simulate.ts';

/** Changes some calls of the cluster; the rest stays as it is. */
function withCalls(change: (real: Cluster) => Partial<Cluster>): Mutation {
  return {
    cluster: (wire, options) => {
      const real = openCluster(wire, options);
      return Object.assign(Object.create(real), change(real));
    },
  };
}

let suffix = 0;

/** Mistakes that others have made, and that the oracle must notice. @see reliability.md section 8 */
export const BUGS: Readonly<Record<string, Mutation>> = {
  'generateName: a Job that is created twice is two Jobs': withCalls((real) => ({
    createJob: (job, options) =>
      real.createJob({ ...job, metadata: { ...job.metadata, name: `${job.metadata.name}-${suffix++}` } }, options),
  })),
  'acknowledge before persist: a result counts as recorded before a slice holds it': withCalls((real) => ({
    appendRecords: async (slice) => ({ kind: 'written', object: slice as SliceObject }),
    createSlice: real.createSlice,
  })),
  'blind PUT: a slice is written over whatever somebody else has recorded': withCalls((real) => ({
    appendRecords: async (slice, records) => {
      const { namespace, name } = slice.metadata;
      const stored = await real.get(SLICES, { namespace, name });
      if (!stored) return { kind: 'gone' };
      const known = (slice as SliceObject).records ?? [];
      const whole = { ...stored, records: [...known, ...records] };
      return real.replace(SLICES, { apiVersion: SLICES.apiVersion, kind: SLICES.kind, ...whole } as never);
    },
  })),
  'trial list in the status: it grows with the sweep': withCalls((real) => ({
    applySweepStatus: (sweep, status) =>
      real.applySweepStatus(sweep, { ...(status as object), list: Array.from({ length: 3000 }, (_, at) => at) }),
  })),
  'no lease check: whoever leads no more writes on': {
    cluster: (wire, { beforeWrite: _, ...options } = {}) => openCluster(wire, options),
  },
  'TTL: Jobs are deleted as soon as their trial is recorded': { deleteDelayMs: 0 },
  'release before record: a Job is deleted in the turn that records it': withCalls((real) => ({
    createSlice: async (slice, options) => {
      const { records = [] } = slice as unknown as { records?: { trial: number }[] };
      const { namespace } = slice.metadata;
      const jobs = await real.list(
        { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs', pageSize: 500 },
        { namespace },
      );
      for (const { metadata } of jobs.items) {
        const isRecorded = records.some(({ trial }) => metadata.labels?.['cnn-sweep.dev/trial'] === `${trial}`);
        if (isRecorded) await real.deleteJob(metadata);
      }
      return real.createSlice(slice, options);
    },
  })),
  'records are read from a cache that never shows them: a trial runs again': {
    caches: (options) => {
      const caches = openCaches(options);
      const read: typeof caches.read = (sweep, deleted) => ({ ...caches.read(sweep, deleted), slices: [] });
      return Object.assign(Object.create(caches), { read });
    },
  },
  'no read of the Sweep before a create: one that is suspended or gone gets Jobs': {
    caches: (options) => openCaches(options),
    cluster: (wire, options) => {
      const real = openCluster(wire, options);
      let first: Awaited<ReturnType<Cluster['getSweep']>>;
      const getSweep: Cluster['getSweep'] = async (ref) => {
        first ??= await real.getSweep(ref);
        return first;
      };
      return Object.assign(Object.create(real), { getSweep });
    },
  },
};
