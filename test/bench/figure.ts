/** One measured figure, against its bar if it has one. */
export interface Figure {
  readonly name: string;
  /** Null: not measured, which holds no bar. */
  readonly value: number | null;
  readonly unit: string;
  /** `>= 150`; null: reported, not judged. */
  readonly bar: string | null;
  readonly holds: boolean;
}

/** A figure with a bar. */
export function figure(name: string, value: number, unit: string, comparison: '>=' | '<=', bar: number): Figure {
  const holds = comparison === '>=' ? value >= bar : value <= bar;
  return { name, value: round(value), unit, bar: `${comparison} ${bar}`, holds };
}

/** A figure that is only reported. */
export function report(name: string, value: number, unit: string): Figure {
  return { name, value: round(value), unit, bar: null, holds: true };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

/** Three significant digits: more would be noise. */
function round(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : null;
}
