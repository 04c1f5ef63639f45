import type { EventObject, Job, KubernetesObject, LeaseObject, Pod, SliceObject, SweepObject } from './objects.ts';

/** Where the API server keeps a kind. The type parameter is what we read of its objects. */
export interface Kind<T extends KubernetesObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** Objects of one page of a list: fewer of large ones. */
  readonly pageSize: number;
  /** Never there: it carries the type. */
  readonly type?: T;
}

const CNN_SWEEP = 'cnn-sweep.dev/v1alpha1';

export const SWEEPS: Kind<SweepObject> = { apiVersion: CNN_SWEEP, kind: 'Sweep', plural: 'sweeps', pageSize: 500 };
export const SLICES: Kind<SliceObject> = {
  apiVersion: CNN_SWEEP,
  kind: 'TrialResultSlice',
  plural: 'trialresultslices',
  pageSize: 20,
};
export const JOBS: Kind<Job> = { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs', pageSize: 500 };
export const PODS: Kind<Pod> = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', pageSize: 500 };
export const EVENTS: Kind<EventObject> = { apiVersion: 'v1', kind: 'Event', plural: 'events', pageSize: 500 };
export const LEASES: Kind<LeaseObject> = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  plural: 'leases',
  pageSize: 500,
};

/** Kueue's, where it is installed. */
export const LOCAL_QUEUES: Kind<KubernetesObject> = {
  apiVersion: 'kueue.x-k8s.io/v1beta1',
  kind: 'LocalQueue',
  plural: 'localqueues',
  pageSize: 500,
};

/** Path of one object, of all of a namespace, or of all. */
export function pathOf(
  { apiVersion, plural }: Kind<KubernetesObject>,
  { namespace, name, subresource }: { namespace?: string | undefined; name?: string; subresource?: string } = {},
): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const parts = [namespace === undefined ? [] : ['namespaces', namespace], plural, name ?? [], subresource ?? []];
  return [root, ...parts.flat().map(encodeURIComponent)].join('/');
}
