// Names by which the objects of a Sweep are found again; whoever reads them needs the same as who writes them.

export const SWEEP_UID_LABEL = 'cnn-sweep.dev/sweep-uid';
export const SWEEP_LABEL = 'cnn-sweep.dev/sweep';
export const TRIAL_LABEL = 'cnn-sweep.dev/trial';
export const ATTEMPT_LABEL = 'cnn-sweep.dev/attempt';
export const HASH_ANNOTATION = 'cnn-sweep.dev/hyperparameters-hash';

/** The container that trains. */
export const TRAINER_CONTAINER = 'trainer';
