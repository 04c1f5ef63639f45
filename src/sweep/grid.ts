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

/** A value of an axis, and how JSON writes it: once for all points that share it. */
type Valued<T> = { readonly value: T; readonly text: string };
type Axes = { readonly [K in Axis]: readonly Valued<Hyperparameters[K]>[] };

/** Where a point of the union stands: its index among the trials, and the grid that named it first. */
export interface Point {
  readonly hyperparameters: Hyperparameters;
  readonly grid: number;
}

/** Is told of one point. @param text as `canonical` @param earlier the grid that named it before */
type Visit = (hyperparameters: Hyperparameters, text: string, grid: number, earlier: number | undefined) => void;

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
  const points: Point[] = [];
  const merged = new Map<number, { points: number; into: Set<number> }>();
  eachPoint(sweep, (hyperparameters, _, grid, earlier) => {
    if (earlier === undefined) {
      points.push({ hyperparameters, grid });
      return;
    }
    const known = merged.get(grid) ?? { points: 0, into: new Set() };
    merged.set(grid, { points: known.points + 1, into: known.into.add(earlier) });
  });
  const merges = [...merged].map(([grid, { points: count, into }]) => {
    const all = countPoints(sweep.spec.grid[grid] as Grid);
    return { grid, points: all, merged: count, into: [...into] };
  });
  return { points, merges };
}

/** Visits every point of every grid, in the order of the trials; of those that were named before it says where. There may be 100,000,
 * so nothing is made of a point but what its trial keeps.
 */
export function eachPoint(sweep: Sweep, visit: Visit): void {
  // Most sweeps name no point twice, and then nobody needs a table of all.
  const first = mayRepeat(sweep) ? new Map<string, number>() : undefined;
  for (const [grid, axes] of sweep.spec.grid.entries()) {
    product(axesOf(axes, sweep.spec.training), (hyperparameters, text) => {
      const earlier = first?.get(text);
      if (earlier === undefined) first?.set(text, grid);
      visit(hyperparameters, text, grid, earlier);
    });
  }
}

/** Whether two points can be equal: an axis has a value twice, or two grids have a value in common on every axis. */
export function mayRepeat({ spec }: Sweep): boolean {
  const grids = spec.grid.map((grid) =>
    AXES.map((axis) => (grid[axis] ?? [Reflect.get(spec.training, axis)]).map((value) => JSON.stringify(value))),
  );
  if (grids.some((axes) => axes.some((values) => new Set(values).size < values.length))) return true;
  return grids.some((axes, index) =>
    grids
      .slice(0, index)
      .some((earlier) => axes.every((values, axis) => values.some((value) => earlier[axis]?.includes(value)))),
  );
}

/** One text for equal points, whoever wrote them: keys in the order of AXES, numbers as JSON writes them. */
export function canonical(hyperparameters: Hyperparameters): string {
  return JSON.stringify(AXES.map((name) => hyperparameters[name]));
}

function axesOf(grid: Grid, training: Training): Axes {
  return {
    widths: withTexts(grid.widths),
    activation: withTexts(grid.activation),
    pooling: withTexts(grid.pooling),
    depth: withTexts(grid.depth),
    batchSize: withTexts(grid.batchSize ?? [training.batchSize]),
    learningRate: withTexts(grid.learningRate ?? [training.learningRate]),
    momentum: withTexts(grid.momentum ?? [training.momentum]),
    seed: withTexts(grid.seed ?? [training.seed]),
  };
}

function withTexts<T>(values: readonly T[]): Valued<T>[] {
  return values.map((value) => ({ value, text: JSON.stringify(value) }));
}

function product(axes: Axes, visit: (hyperparameters: Hyperparameters, text: string) => void): void {
  for (const widths of axes.widths)
    for (const activation of axes.activation)
      for (const pooling of axes.pooling)
        for (const depth of axes.depth)
          for (const batchSize of axes.batchSize)
            for (const learningRate of axes.learningRate)
              for (const momentum of axes.momentum) {
                const outer = [widths, activation, pooling, depth, batchSize, learningRate, momentum];
                const text = `[${outer.map((each) => each.text).join(',')},`;
                for (const seed of axes.seed)
                  visit(
                    {
                      widths: widths.value,
                      activation: activation.value,
                      pooling: pooling.value,
                      depth: depth.value,
                      batchSize: batchSize.value,
                      learningRate: learningRate.value,
                      momentum: momentum.value,
                      seed: seed.value,
                    },
                    `${text}${seed.text}]`,
                  );
              }
}
