import { DATASETS } from './dataset.ts';
import type { Violation } from './errors.ts';
import { countPoints, expandPoints, type Merge, mayRepeat } from './grid.ts';
import { describeNetwork, describeVanishing, vanishes } from './network.ts';
import { formatPath, show, withCommas } from './path.ts';
import { resourceViolations } from './resources.ts';
import { MAX_TRIALS, type Sweep } from './schema.ts';

/** A rule that no schema can say. It is asked only if the schema found nothing wrong in what it reads. */
export interface Rule {
  /** Dotted paths, each with all that is under it. */
  readonly reads: readonly string[];
  readonly violations: (sweep: Sweep) => Violation[];
}

export const RULES: readonly Rule[] = [
  { reads: ['spec.grid'], violations: tooManyTrials },
  { reads: ['spec.grid', 'spec.training.dataset'], violations: vanishingMaps },
  {
    reads: ['spec.training.dataset', 'spec.training.validationFraction', 'spec.training.trainingExamples'],
    violations: tooManyTrainingExamples,
  },
  { reads: ['spec.grid', 'spec.training'], violations: batchesTooLarge },
  { reads: ['spec.trainer.resources'], violations: (sweep) => resourceViolations(sweep.spec.trainer.resources ?? {}) },
  { reads: ['spec.trainer.nodeSelector'], violations: badNodeLabels },
];

/** Counted before equal points are merged and never expanded; exact, where a product of doubles would not be. */
export function countTrials(sweep: Sweep): bigint {
  return sweep.spec.grid.reduce((sum, grid) => sum + BigInt(countPoints(grid)), 0n);
}

function tooManyTrials(sweep: Sweep): Violation[] {
  const count = countTrials(sweep);
  if (count <= BigInt(MAX_TRIALS)) return [];
  return [{ path: 'spec.grid', message: `${withCommas(count)} trials; at most ${withCommas(MAX_TRIALS)}` }];
}

/** A feature map depends on three axes alone, so those are tried and not every point. */
function vanishingMaps(sweep: Sweep): Violation[] {
  const input = DATASETS[sweep.spec.training.dataset];
  return sweep.spec.grid.flatMap((grid, index) => {
    const messages = new Set<string>();
    for (const widths of grid.widths)
      for (const depth of new Set(grid.depth))
        for (const pooling of new Set(grid.pooling)) {
          const architecture = { widths, depth, pooling, activation: 'relu' } as const;
          const network = describeNetwork(architecture, input);
          if (vanishes(network)) messages.add(describeVanishing(architecture, network));
        }
    return [...messages].map((message) => ({ path: formatPath(['spec', 'grid', index]), message }));
  });
}

/** Training images left after the split, before `trainingExamples`; the validation set has round(fraction × examples). */
function examplesLeft(sweep: Sweep): number {
  const { dataset, validationFraction } = sweep.spec.training;
  const { trainingExamples } = DATASETS[dataset];
  return trainingExamples - Math.round(validationFraction * trainingExamples);
}

function tooManyTrainingExamples(sweep: Sweep): Violation[] {
  const { dataset, trainingExamples } = sweep.spec.training;
  const left = examplesLeft(sweep);
  if (trainingExamples === undefined || trainingExamples <= left) return [];
  const message = `${trainingExamples}: ${dataset} leaves ${withCommas(left)}`;
  return [{ path: 'spec.training.trainingExamples', message }];
}

function batchesTooLarge(sweep: Sweep): Violation[] {
  const { grid, training } = sweep.spec;
  const examples = Math.min(examplesLeft(sweep), training.trainingExamples ?? Number.POSITIVE_INFINITY);
  const check = (batchSize: number, path: string) =>
    batchSize <= examples
      ? []
      : [{ path, message: `${batchSize}: more than the ${counted(examples, 'training example')}` }];
  // Where every grid has its own batch sizes, nothing is trained with the one in `training`.
  const used = grid.some(({ batchSize }) => batchSize === undefined);
  return [
    ...(used ? check(training.batchSize, 'spec.training.batchSize') : []),
    ...grid.flatMap(({ batchSize = [] }, index) =>
      batchSize.flatMap((size, position) => check(size, formatPath(['spec', 'grid', index, 'batchSize', position]))),
    ),
  ];
}

/** @see kubernetes.io/docs/concepts/overview/working-with-objects/labels */
export const LABEL = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;

function badNodeLabels(sweep: Sweep): Violation[] {
  return Object.entries(sweep.spec.trainer.nodeSelector ?? {}).flatMap(([label, value]) => {
    if (!LABEL.test(label))
      return [
        {
          path: formatPath(['spec', 'trainer', 'nodeSelector', label]),
          message: 'expected a label, as nvidia.com/gpu.product',
        },
      ];
    if (value === '' || LABEL.test(`x/${value}`)) return [];
    return [
      {
        path: formatPath(['spec', 'trainer', 'nodeSelector', label]),
        message: `${show(value)}: expected a label’s value`,
      },
    ];
  });
}

/** What is accepted and yet worth a word: points given twice, trials that can never all be wanted at once. */
export function notesOf(sweep: Sweep): Violation[] {
  // Expanding 100,000 points takes part of a second, and the controller parses in every turn.
  const { merges, trials } = mayRepeat(sweep)
    ? mergedPoints(sweep)
    : { merges: [], trials: Number(countTrials(sweep)) };
  const notes = merges.map(({ grid, points: all, merged, into }) => {
    const where = into.map((earlier) => (earlier === grid ? 'the same grid' : formatPath(['spec', 'grid', earlier])));
    const message = `${withCommas(merged)} of ${withCommas(all)} points are in ${where.join(' and ')}; merged`;
    return { path: formatPath(['spec', 'grid', grid]), message };
  });
  const { parallelism } = sweep.spec;
  if (parallelism !== undefined && parallelism > trials)
    notes.push({
      path: 'spec.parallelism',
      message: `${parallelism}: more than the ${counted(trials, 'trial')}`,
    });
  return notes;
}

function mergedPoints(sweep: Sweep): { merges: Merge[]; trials: number } {
  const { points, merges } = expandPoints(sweep);
  return { merges, trials: points.length };
}

function counted(count: number, noun: string): string {
  return `${withCommas(count)} ${noun}${count === 1 ? '' : 's'}`;
}
