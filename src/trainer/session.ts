import { setImmediate } from 'node:timers/promises';
import type { Assignment } from '../sweep/assignment.ts';
import type { DatasetName } from '../sweep/dataset.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import type { Measurement } from '../sweep/measurement.ts';
import type { TrialResult } from '../sweep/result.ts';
import { type Backend, nativeBindingFile, openBackend } from './backend.ts';
import { loadDataset } from './dataset.ts';
import { Heart, type PulseDeps } from './pulse.ts';
import { type Images, runTrial, type TrialDeps } from './run.ts';

export interface SessionDeps extends Pick<PulseDeps, 'onProgress' | 'onHeartbeat'>, Pick<TrialDeps, 'onModel'> {
  readonly cacheFolder: string;
  /** Path of the compiled TensorFlow binding; absent: where `make native` puts it. */
  readonly nativeBinding?: string | undefined;
  readonly onMeasurement: (measurement: Measurement) => void;
  readonly warn: (line: string) => void;
}

/** What a process keeps warm from trial to trial: the backend, of which it can open one, and the images. */
export class Session {
  readonly #deps: SessionDeps;
  readonly #heart: Heart;
  #backend: Promise<Backend> | undefined;
  #images: { readonly name: DatasetName; readonly loaded: Promise<Images> } | undefined;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    const now = () => performance.now();
    this.#heart = new Heart({ ...deps, now, breathe: () => setImmediate() });
  }

  /** Runs one trial. @throws InvalidConfigError if the backend or the data set cannot be used, or another backend is open */
  async run(assignment: Assignment, modelFolder?: string): Promise<TrialResult> {
    const { onMeasurement, onModel } = this.#deps;
    return runTrial(assignment, {
      backend: await this.#backendFor(assignment),
      images: await this.#imagesOf(assignment.training.dataset),
      pulse: this.#heart.pulseOf(assignment),
      onMeasurement,
      onModel,
      now: () => performance.now(),
      ...(modelFolder !== undefined && { modelFolder }),
    });
  }

  #imagesOf(name: DatasetName): Promise<Images> {
    if (this.#images?.name !== name) {
      this.#images = undefined; // one data set at a time in memory
      this.#images = { name, loaded: loadDataset(name, this.#deps.cacheFolder) };
    }
    return this.#images.loaded;
  }

  async #backendFor({ backend: wanted }: Assignment): Promise<Backend> {
    const { cacheFolder, nativeBinding = nativeBindingFile(cacheFolder), warn } = this.#deps;
    this.#backend ??= openBackend(wanted, { nativeBinding, warn });
    const backend = await this.#backend;
    if (wanted === 'auto' || wanted === backend.name) return backend;
    throw new InvalidConfigError(`backend ${wanted}: this process computes on ${backend.name} already`);
  }
}
