import { SWEEP_LABEL, SWEEP_UID_LABEL } from '../shared/labels.ts';

/** Labels and annotations that we set on Jobs, Pods and slices. */
export {
  ATTEMPT_LABEL,
  HASH_ANNOTATION,
  SWEEP_LABEL,
  SWEEP_UID_LABEL,
  TRIAL_LABEL,
} from '../shared/labels.ts';
export const NATS_CA_ANNOTATION = 'cnn-sweep.dev/nats-ca';

/** Audience of the token that a trial's Pod presents to NATS. */
export const CALLOUT_AUDIENCE = 'nats';

/** On everything that the controller makes for a Sweep. No more than somebody selects by: the API server follows each field of a Job in
 * every write of its life. */
export function sweepLabels({ name, uid }: { readonly name: string; readonly uid: string }) {
  return { [SWEEP_UID_LABEL]: uid, [SWEEP_LABEL]: name };
}

/** Makes a Sweep the controlling owner. It blocks no deletion, so no right on its finalizers is needed. */
export function ownerReferenceTo({ name, uid }: { readonly name: string; readonly uid: string }) {
  return {
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'Sweep',
    name,
    uid,
    controller: true,
    blockOwnerDeletion: false,
  } as const;
}
