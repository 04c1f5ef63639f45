import type { Grid, Hyperparameters, Sweep, Training } from './schema.ts';

/** The axes in the order in which they vary, the last fastest, whatever the order of keys in the file. */
export const AXES = [
  'widths',
  'activation',
  'pooling',
  'depth',
  'batchSize',
  'learningRate',
  'momentum',
  'seed',
] as const;
export type Axis = (typeof AXES)[number];

type Axes = { readonly [K in Axis]: readonly Hyperparameters[K][] };

/** Where a point of the union stands: its index among the trials, and the grid that named it first. */
export interface Point {
  readonly hyperparameters: Hyperparameters;
  readonly grid: number;
}

/** A grid whose points, or some of them, an earlier grid (or the same one) had already named. */
export interface Merge {
  readonly grid: number;
  readonly points: number;
  readonly merged: number;
  /** The grids that hold the merged points. */
  readonly into: readonly number[];
}

/** Points of one grid, counted without expanding it: at most 64^8, so the count is exact. */
export function countPoints(grid: Grid): number {
  return AXES.reduce((product, name) => product * (grid[name]?.length ?? 1), 1);
}

/** Expands the union of the grids, equal points merged: the position in the list is the trial's index.
 * Grids in the order given; within one, the axes in the order of AXES, the last fastest (as scikit-learn's ParameterGrid
 * is a list of grids, but with an order that does not depend on the order of keys: the API server does not keep it).
 * @param sweep `training` supplies what a grid does not name as an axis
 */
export function expandGrid(sweep: Sweep): Hyperparameters[] {
  return expandPoints(sweep).points.map((point) => point.hyperparameters);
}

/** As expandGrid, with the grid that each point came from and what was merged. */
export function expandPoints(sweep: Sweep): { points: Point[]; merges: Merge[] } {
  const first = new Map<string, number>();
  const points: Point[] = [];
  const merges: Merge[] = [];
  for (const [index, grid] of sweep.spec.grid.entries()) {
    const into = new Set<number>();
    let merged = 0;
    for (const hyperparameters of product(axesOf(grid, sweep.spec.training))) {
      const key = canonical(hyperparameters);
      const earlier = first.get(key);
      if (earlier === undefined) {
        first.set(key, index);
        points.push({ hyperparameters, grid: index });
      } else {
        into.add(earlier);
        merged++;
      }
    }
    if (merged > 0) merges.push({ grid: index, points: countPoints(grid), merged, into: [...into] });
  }
  return { points, merges };
}

/** One text for equal points, whoever wrote them: keys in the order of AXES, numbers as JSON writes them. */
export function canonical(hyperparameters: Hyperparameters): string {
  return JSON.stringify(AXES.map((name) => hyperparameters[name]));
}

function axesOf(grid: Grid, training: Training): Axes {
  return {
    widths: grid.widths,
    activation: grid.activation,
    pooling: grid.pooling,
    depth: grid.depth,
    batchSize: grid.batchSize ?? [training.batchSize],
    learningRate: grid.learningRate ?? [training.learningRate],
    momentum: grid.momentum ?? [training.momentum],
    seed: grid.seed ?? [training.seed],
  };
}

function* product(axes: Axes): Generator<Hyperparameters> {
  for (const widths of axes.widths)
    for (const activation of axes.activation)
      for (const pooling of axes.pooling)
        for (const depth of axes.depth)
          for (const batchSize of axes.batchSize)
            for (const learningRate of axes.learningRate)
              for (const momentum of axes.momentum)
                for (const seed of axes.seed)
                  yield { widths, activation, pooling, depth, batchSize, learningRate, momentum, seed };
}
