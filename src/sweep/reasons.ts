/** How an attempt at a trial ended, when not with a result. The first of these words in a record's reason.
 * @see reliability.md section 3: which are final and which are tried again
 */
export const FAILURE_REASONS = [
  'BadConfiguration',
  'OutOfMemory',
  'DeadlineExceeded',
  'StartDeadlineExceeded',
  'TooManyDisruptions',
  'InvalidImage',
  'ResultMissing',
  'Crashed',
] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

/** Why an attempt was followed by another one. */
export const RETRY_REASONS = ['Crashed', 'ResultMissing', 'Disrupted', 'Lost'] as const;
export type RetryReason = (typeof RETRY_REASONS)[number];

/** Why a sweep does not get on although nobody asked it to stop: what Degraded says. */
export const STUCK_REASONS = [
  'NameCollision',
  'InsufficientGPU',
  'Unschedulable',
  'ImagePullFailed',
  'ContainerConfigInvalid',
  'QuotaExceeded',
  'PodRefused',
  'JobRefused',
  'Forbidden',
  'AdmissionUnavailable',
  'DataVolumeNotFound',
  'QueueNotFound',
  'PriorityClassNotFound',
  'NoProgress',
  'Lost',
  'Terminating',
] as const;
export type StuckReason = (typeof STUCK_REASONS)[number];

/** Every reason that a condition can give. */
export const REASONS = [
  // Accepted
  'Valid',
  'InvalidSweep',
  // Progressing, Complete, Failed
  'TrialsRunning',
  'WaitingToStart',
  'Suspended',
  'Finished',
  'NoEligibleModel',
  'MaxFailedTrialsExceeded',
  'AllTrialsFailed',
  // Degraded
  'AsExpected',
  ...STUCK_REASONS,
] as const;
export type Reason = (typeof REASONS)[number];
