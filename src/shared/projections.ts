import type { ContainerStatus, Job, ObjectCondition, ObjectMeta, Pod, SliceObject, SweepObject } from './objects.ts';

// What reflectors keep of each kind. managedFields alone are often larger than all that we read.

/** Drops managedFields and whatever else we do not read. @param annotations names of those to keep */
export function keepMeta(metadata: ObjectMeta, annotations: readonly string[] = []): ObjectMeta {
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp } = metadata;
  const kept = annotations.flatMap((one) => {
    const value = metadata.annotations?.[one];
    return value === undefined ? [] : [[one, value] as const];
  });
  return {
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
    ...(generation === undefined ? {} : { generation }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(metadata.finalizers === undefined ? {} : { finalizers: metadata.finalizers }),
    ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
    ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
    ...(metadata.ownerReferences === undefined ? {} : { ownerReferences: metadata.ownerReferences }),
  };
}

export function keepSweep({ metadata, spec, status }: SweepObject): SweepObject {
  return { metadata: keepMeta(metadata), spec, status };
}

export function keepSlice({ metadata, slice, sweep, records }: SliceObject): SliceObject {
  return {
    metadata: keepMeta(metadata),
    ...(slice === undefined ? {} : { slice }),
    ...(sweep === undefined ? {} : { sweep }),
    records: records ?? [],
  };
}

/** @param annotations names of those to keep */
export function keepJob({ metadata, spec, status }: Job, annotations: readonly string[] = []): Job {
  const { active, failed, startTime, completionTime, conditions } = status ?? {};
  return {
    metadata: keepMeta(metadata, annotations),
    ...(spec?.suspend === undefined ? {} : { spec: { suspend: spec.suspend } }),
    status: {
      ...(active === undefined ? {} : { active }),
      ...(failed === undefined ? {} : { failed }),
      ...(startTime === undefined ? {} : { startTime }),
      ...(completionTime === undefined ? {} : { completionTime }),
      ...(conditions === undefined ? {} : { conditions: conditions.map(keepCondition) }),
    },
  };
}

export function keepPod({ metadata, spec, status }: Pod): Pod {
  const { phase, reason, message, conditions, containerStatuses } = status ?? {};
  return {
    metadata: keepMeta(metadata),
    ...(spec?.nodeName === undefined ? {} : { spec: { nodeName: spec.nodeName } }),
    status: {
      ...(phase === undefined ? {} : { phase }),
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
      ...(conditions === undefined ? {} : { conditions: conditions.map(keepCondition) }),
      ...(containerStatuses === undefined ? {} : { containerStatuses: containerStatuses.map(keepContainer) }),
    },
  };
}

function keepCondition({ type, status, reason, message, lastTransitionTime }: ObjectCondition): ObjectCondition {
  return {
    type,
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }),
  };
}

function keepContainer({ name, state }: ContainerStatus): ContainerStatus {
  return { name, ...(state === undefined ? {} : { state }) };
}
