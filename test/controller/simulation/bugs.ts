import { type OpenCaches, openCaches } from '../../../src/controller/caches.ts';
import { type ClusterSweep, isValid, readSweep } from '../../../src/controller/cluster-sweep.ts';
import { isOurs, parseJobName } from '../../../src/controller/job.ts';
import { HASH_ANNOTATION, ownerReferenceTo, TRIAL_LABEL } from '../../../src/controller/labels.ts';
import { type Cluster, type NewObject, openCluster } from '../../../src/shared/calls.ts';
import type { Job, SliceObject } from '../../../src/shared/objects.ts';
import type { TrialRecord } from '../../../src/sweep/slice.ts';
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

/** Who looks at the Pods of a trial once more sees what the watch has told, and no more. */
function believingTheWatch(): Mutation {
  let caches: OpenCaches | undefined;
  return {
    caches: (options) => {
      caches = openCaches(options);
      return caches;
    },
    cluster: (wire, options) => {
      const real = openCluster(wire, options);
      const list: Cluster['list'] = async (kind, query, how) => {
        const page = await real.list(kind, query, how);
        const [, uid, trial] = /sweep-uid=(.+),.*trial=(\d+)$/.exec(query.labelSelector ?? '') ?? [];
        const [sweep] = (uid !== undefined && caches?.sweeps.byIndex(uid)) || [];
        if (kind.plural !== 'pods' || !sweep) return page;
        const pods = caches?.read(sweep.metadata, new Set()).pods ?? [];
        return { ...page, items: pods.filter(({ metadata }) => metadata.labels?.[TRIAL_LABEL] === trial) as never };
      };
      return Object.assign(Object.create(real), { list });
    },
  };
}

/** The controller believes that Jobs of its names are its own, where it should look twice. */
function takingAsOurs(isMeant: (job: Job) => boolean): Mutation {
  let sweep: ClusterSweep | undefined;
  const ours = (job: Job): Job => {
    const named = sweep && parseJobName(job.metadata.name, sweep);
    const trial = named && sweep?.trials[named.trial];
    if (!sweep || !trial || isOurs(job, sweep.uid, trial) || !isMeant(job)) return job;
    const { labels, annotations, ...metadata } = job.metadata;
    return {
      ...job,
      metadata: {
        ...metadata,
        labels: { ...labels, [TRIAL_LABEL]: `${trial.trial}` },
        annotations: { ...annotations, [HASH_ANNOTATION]: trial.hyperparametersHash },
        ownerReferences: [{ ...ownerReferenceTo(sweep), kind: 'Sweep' }],
      },
    };
  };
  return {
    caches: (options) => {
      const caches = openCaches(options);
      const read: typeof caches.read = (metadata, deleted) => {
        const [object] = caches.sweeps.byIndex(metadata.uid);
        const parsed = object && readSweep(object, sweep);
        sweep = parsed && isValid(parsed) ? parsed : undefined;
        const objects = caches.read(metadata, deleted);
        const owners = objects.jobs.flatMap((job) => (ours(job) === job ? [] : (job.metadata.ownerReferences ?? [])));
        const pods = [...new Set(owners.map(({ uid }) => uid))].flatMap(
          (uid) => caches.read({ ...metadata, uid }, new Set()).pods,
        );
        return { ...objects, jobs: objects.jobs.map(ours), pods: [...objects.pods, ...pods] };
      };
      return Object.assign(Object.create(caches), { read });
    },
    cluster: (wire, options) => {
      const real = openCluster(wire, options);
      const list: Cluster['list'] = async (kind, query, how) => {
        if (kind.plural !== 'jobs' || query.labelSelector === undefined) return real.list(kind, query, how);
        const page = await real.list(kind, { ...query, labelSelector: undefined }, how);
        return { ...page, items: (page.items as readonly Job[]).map(ours) as never };
      };
      return Object.assign(Object.create(real), { list });
    },
  };
}

/** Trials that diverged read as if their losses had been 0: what a comparison with NaN comes to. */
function withoutNaN(slice: SliceObject): SliceObject {
  const records = ((slice.records ?? []) as readonly TrialRecord[]).map((record) => {
    if (!record.summary?.diverged) return record;
    const { last, epochsDone } = record.summary;
    const zero = last && { ...last, trainLoss: 0, validationLoss: 0 };
    const ends = { turningEpoch: epochsDone, smoothedLossAtTurn: 0, smoothedLossAtEnd: 0 };
    return {
      ...record,
      summary: { ...record.summary, ...ends, diverged: false, best: zero, last: zero, rawBest: zero },
    };
  });
  return { ...slice, records };
}

/** Mistakes that others have made, and that the oracle must notice. @see reliability.md section 8 */
export const BUGS: Readonly<Record<string, Mutation | (() => Mutation)>> = {
  'generateName: a Job that is created twice is two Jobs': withCalls((real) => ({
    createJob: (job, options) =>
      real.createJob({ ...job, metadata: { ...job.metadata, name: `${job.metadata.name}-${suffix++}` } }, options),
  })),
  'acknowledge before persist: a result counts as recorded before a slice holds it': withCalls((real) => ({
    appendRecords: async (slice) => ({ kind: 'written', object: slice as SliceObject }),
    createSlice: real.createSlice,
  })),
  // Of a slice it would do no harm: the API server refuses whatever takes a record away.
  'blind PUT: a status is written whatever the Sweep has become': withCalls((real) => ({
    applySweepStatus: async ({ metadata: { namespace, name } }, status) => {
      const now = await real.getSweep({ namespace, name });
      return now ? real.applySweepStatus(now, status) : { kind: 'gone' };
    },
  })),
  'trial list in the status: it grows with the sweep': withCalls((real) => ({
    applySweepStatus: (sweep, status) =>
      real.applySweepStatus(sweep, { ...(status as object), list: Array.from({ length: 3000 }, (_, at) => at) }),
  })),
  'no lease check: whoever leads no more writes on': {
    cluster: (wire, { beforeWrite: _, ...options } = {}) => openCluster(wire, options),
  },
  'adopt on 409: a Job of our name is ours, whoever made it': () => takingAsOurs(() => true),
  'no UID check: a Job of another Sweep of that name is ours': () =>
    takingAsOurs(({ metadata }) => metadata.ownerReferences?.some(({ kind }) => kind === 'Sweep') ?? false),
  'TTL at creation: the cluster deletes a Job, recorded or not': withCalls((real) => ({
    createJob: (job, options) => {
      const { spec } = job as NewObject & { readonly spec: object };
      const mortal = { ...job, spec: { ...spec, ttlSecondsAfterFinished: 5 } };
      return real.createJob(mortal, options);
    },
  })),
  'NaN as best: a loss that is no number counts as none': {
    caches: (options) => {
      const caches = openCaches(options);
      const read: typeof caches.read = (sweep, deleted) => {
        const objects = caches.read(sweep, deleted);
        return { ...objects, slices: objects.slices.map(withoutNaN) };
      };
      return Object.assign(Object.create(caches), { read });
    },
  },
  'no version with a delete: a Job goes that a person took away from its Sweep': withCalls((real) => ({
    deleteJob: ({ namespace, name, uid }, options) => real.deleteJob({ namespace, name, uid }, options),
  })),
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
  'no wait for the slices: a controller that has not listed them yet takes a Sweep with records for one without': {
    caches: (options) => {
      const caches = openCaches(options);
      const caughtUp: typeof caches.caughtUp = (sweep, memory) => caches.caughtUp({ ...sweep, uid: 'another' }, memory);
      return Object.assign(Object.create(caches), { caughtUp });
    },
  },
  'no look at the Pods before a trial is given up: one that runs is taken for one that never began': believingTheWatch,
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
