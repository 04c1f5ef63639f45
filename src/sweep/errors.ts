/** A fault that a caller cannot plan for. `reason` is PascalCase: the same word stands in logs and in a condition. */
export class SweepError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.reason = reason;
  }
}

/** One thing wrong with a sweep file: `path` as a person would write it (`spec.grid[0].widths`), `message` with the value. */
export interface Violation {
  readonly path: string;
  readonly message: string;
  /** Where the value stands, if it was read from a text; counted from 1. For programs: what a person reads is `path: message`. */
  readonly line?: number;
}

/** The sweep file is wrong; nothing was started. Carries every violation, not just the first. Exit 2. */
export class InvalidSweepError extends SweepError {
  readonly violations: readonly Violation[];

  constructor(violations: readonly Violation[]) {
    super('InvalidSweep', violations.map(({ path, message }) => `${path}: ${message}`).join('\n'));
    this.violations = violations;
  }
}

/** A message (a Measurement, a TrialResult) that does not decode: drop it and count it. */
export class InvalidMessageError extends SweepError {
  constructor(message: string, options?: ErrorOptions) {
    super('InvalidMessage', message, options);
  }
}

/** The same input can never work: bad arguments, a damaged file, a folder of another sweep. Exit 2, never retried. */
export class InvalidConfigError extends SweepError {
  constructor(message: string, options?: ErrorOptions) {
    super('InvalidConfig', message, options);
  }
}

/** What a thrown thing says: anything can be thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** A thrown thing as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
