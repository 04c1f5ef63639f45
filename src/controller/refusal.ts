import type { StuckReason } from '../sweep/reasons.ts';

/** The API server's answer to a create of ours that was no success. A 409 is one only if the Job that is there was looked at and is
 * not ours: else it is the Job that we wanted.
 */
export interface Refusal {
  readonly trial: number;
  /** HTTP status; 0 without an answer. */
  readonly code: number;
  /** Kubernetes' word: `Forbidden`, `Invalid`, `InternalError`. */
  readonly reason: string;
  readonly message: string;
}

/** Who refused what, by the words of the one who refused, in the order in which they are looked for.
 * The API server has no code for most of these: a quota, a policy and a missing right are all 403 Forbidden.
 */
const WORDS: readonly { readonly says: RegExp; readonly reason: StuckReason }[] = [
  // Internal error occurred: failed calling webhook "x.example": failed to call webhook: … connection refused
  { says: /failed calling webhook|failed to call webhook/i, reason: 'AdmissionUnavailable' },
  { says: /exceeded quota|failed quota|insufficient quota/i, reason: 'QuotaExceeded' },
  { says: /no PriorityClass with name/i, reason: 'PriorityClassNotFound' },
  // unable to create new content in namespace x because it is being terminated
  { says: /because it is being terminated/i, reason: 'Terminating' },
];

/** Says why a Job could not be created; undefined for what passes by itself (no answer, too many requests, a server in trouble). */
export function explainJobRefusal({ code, reason, message }: Omit<Refusal, 'trial'>): StuckReason | undefined {
  if (code === 409) return /AlreadyExists/.test(reason) ? 'NameCollision' : undefined;
  const spoken = WORDS.find(({ says }) => says.test(message));
  if (spoken) return spoken.reason;
  // jobs.batch is forbidden: User "system:serviceaccount:x:y" cannot create resource "jobs" in API group "batch" …
  if (code === 401 || (code === 403 && /User ".*" cannot /.test(message))) return 'Forbidden';
  if (code >= 400 && code < 500 && code !== 408 && code !== 429) return 'JobRefused';
  return undefined;
}

/** Says why the Job controller could not create a Pod, from the words of its FailedCreate event. */
export function explainPodRefusal(message: string): StuckReason {
  return WORDS.find(({ says }) => says.test(message))?.reason ?? 'PodRefused';
}
