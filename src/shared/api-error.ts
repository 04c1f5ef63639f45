import { SweepError } from '../sweep/errors.ts';

/** Kubernetes' own account of a failure. */
export interface StatusDetails {
  readonly name?: string;
  readonly kind?: string;
  readonly retryAfterSeconds?: number;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
}

export interface ApiFailure {
  /** HTTP status; 0 without an answer. */
  readonly code: number;
  /** Kubernetes' word (`Conflict`, `Forbidden`, `Expired`); without an answer `Unreachable` or `Timeout`. */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  readonly details?: StatusDetails | undefined;
}

/** A request that the API server refused, or that did not reach it. */
export class ApiError extends SweepError {
  readonly code: number;
  readonly retryAfterMs: number | undefined;
  readonly details: StatusDetails | undefined;

  constructor({ code, reason, message, retryAfterMs, details }: ApiFailure, options?: ErrorOptions) {
    super(reason, message, options);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.details = details;
  }

  /** The same request may succeed later: no answer, too many requests, a server in trouble. */
  get passes(): boolean {
    // Server-side apply of a field that older kinds do not have is a 500, and remains one.
    if (this.code === 500 && this.message.includes('field not declared in schema')) return false;
    return [0, 429, 500, 502, 503, 504].includes(this.code);
  }

  /** The version or the page asked for is no longer kept. */
  get expired(): boolean {
    return this.code === 410;
  }
}

/** Whether it is the API server's answer with this code. */
export function isApiError(error: unknown, code: number): error is ApiError {
  return error instanceof ApiError && error.code === code;
}
