/** Labels and annotations that we set on Jobs, Pods and slices. */
export const SWEEP_UID_LABEL = 'cnn-sweep.dev/sweep-uid';
export const SWEEP_LABEL = 'cnn-sweep.dev/sweep';
export const TRIAL_LABEL = 'cnn-sweep.dev/trial';
export const ATTEMPT_LABEL = 'cnn-sweep.dev/attempt';
export const HASH_ANNOTATION = 'cnn-sweep.dev/hyperparameters-hash';
export const ASSIGNMENT_ANNOTATION = 'cnn-sweep.dev/assignment';
export const NATS_CA_ANNOTATION = 'cnn-sweep.dev/nats-ca';

/** Audience of the token that a trial's Pod presents to NATS. */
export const CALLOUT_AUDIENCE = 'nats';

/** On everything that the controller makes for a Sweep. */
export function ownLabels({ name, uid }: { readonly name: string; readonly uid: string }): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'cnn-sweep',
    'app.kubernetes.io/managed-by': 'cnn-sweep',
    [SWEEP_UID_LABEL]: uid,
    [SWEEP_LABEL]: name,
  };
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
