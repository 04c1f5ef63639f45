import { Compile } from 'typebox/compile';
import type { SweepObject } from '../shared/objects.ts';
import { InvalidSweepError } from '../sweep/errors.ts';
import type { Sweep } from '../sweep/schema.ts';
import { type SweepStatus, SweepStatusSchema } from '../sweep/status.ts';
import { parseSweep } from '../sweep/sweep.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';
import type { SweepInput } from './sweep-input.ts';

/** Trials at once where the Sweep does not say. @see architecture.md section 10 */
const DEFAULT_PARALLELISM = 10;
const status = Compile(SweepStatusSchema);

interface Parsed {
  readonly generation: number | undefined;
  readonly sweep: Sweep | null;
  readonly trials: readonly Trial[];
  readonly problem: string;
}

/** Reads Sweeps as the API server gives them; a spec is parsed once a generation, since a large grid takes a second. */
export class SweepReader {
  readonly #parsed = new Map<string, Parsed>();

  /** The same list of trials as long as the grid is the same. */
  read(object: SweepObject): SweepInput & { readonly trials: readonly Trial[] } {
    const { namespace, name, uid, creationTimestamp } = object.metadata;
    const { sweep, trials, problem } = this.#parse(object);
    const said: Partial<SweepStatus> = status.Check(object.status) ? object.status : {};
    return {
      namespace,
      name,
      uid,
      source: 'cluster',
      sweep,
      trials,
      phase: said.phase ?? 'Pending',
      message: sweep ? (said.message ?? 'the controller has not seen it yet') : problem,
      conditions: said.conditions ?? [],
      parallelism: sweep?.spec.parallelism ?? DEFAULT_PARALLELISM,
      createdAt: creationTimestamp,
      startTime: said.startTime ?? null,
      completionTime: said.completionTime ?? null,
    };
  }

  forget(uid: string): void {
    this.#parsed.delete(uid);
  }

  #parse(object: SweepObject): Parsed {
    const { uid, generation } = object.metadata;
    const known = this.#parsed.get(uid);
    if (known && known.generation === generation) return known;
    const parsed = { generation, ...parse(object, known) };
    this.#parsed.set(uid, parsed);
    return parsed;
  }
}

function parse({ metadata: { name }, spec }: SweepObject, before: Parsed | undefined): Omit<Parsed, 'generation'> {
  try {
    const input = { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata: { name }, spec };
    const { sweep } = parseSweep(input);
    const isSame = before?.sweep && gridKey(before.sweep) === gridKey(sweep);
    return { sweep, trials: isSame ? before.trials : expandTrials(sweep), problem: '' };
  } catch (error) {
    if (!(error instanceof InvalidSweepError)) throw error;
    return { sweep: null, trials: [], problem: error.message };
  }
}

function gridKey({ spec: { grid, training } }: Sweep): string {
  return JSON.stringify([grid, training]);
}
