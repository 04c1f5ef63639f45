import { setImmediate } from 'node:timers/promises';
import type { Assignment } from '../sweep/assignment.ts';
import type { DatasetName } from '../sweep/dataset.ts';
import type { Measurement } from '../sweep/measurement.ts';
import type { TrialResult } from '../sweep/result.ts';
import { type Backend, nativeBindingFile, openBackend } from './backend.ts';
import { loadDataset } from './dataset.ts';
import { Heart, type PulseDeps } from './pulse.ts';
import { type Images, runTrial } from './run.ts';

export interface SessionDeps extends Pick<PulseDeps, 'onProgress' | 'onHeartbeat'> {
  readonly cacheFolder: string;
  readonly onMeasurement: (measurement: Measurement) => void;
  readonly warn: (line: string) => void;
}

/** What a process keeps warm from trial to trial: the backend, of which it can open one, and the images. */
export class Session {
  readonly #deps: SessionDeps;
  readonly #heart: Heart;
  #backend: Promise<Backend> | undefined;
  readonly #images = new Map<DatasetName, Promise<Images>>();

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    const now = () => performance.now();
    this.#heart = new Heart({ ...deps, now, breathe: () => setImmediate() });
  }

  /** Runs one trial. @throws InvalidConfigError if the backend or the data set cannot be used */
  async run(assignment: Assignment, modelFolder?: string): Promise<TrialResult> {
    const { cacheFolder, warn, onMeasurement } = this.#deps;
    this.#backend ??= openBackend(assignment.backend, { nativeBinding: nativeBindingFile(cacheFolder), warn });
    return runTrial(assignment, {
      backend: await this.#backend,
      images: await this.#imagesOf(assignment.training.dataset),
      pulse: this.#heart.pulseOf(assignment),
      onMeasurement,
      now: () => performance.now(),
      ...(modelFolder !== undefined && { modelFolder }),
    });
  }

  #imagesOf(name: DatasetName): Promise<Images> {
    const known = this.#images.get(name);
    if (known) return known;
    this.#images.clear(); // one data set at a time in memory
    const images = loadDataset(name, this.#deps.cacheFolder);
    this.#images.set(name, images);
    return images;
  }
}
