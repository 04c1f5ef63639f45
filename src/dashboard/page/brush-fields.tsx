import type { Range } from './address.ts';
import { formatValue, type ParallelAxis, UNBOUNDED } from './parallel.ts';

interface BrushFieldsProps {
  readonly axes: readonly ParallelAxis[];
  readonly brush: ReadonlyMap<string, Range>;
  readonly onBrush: (name: string, range: Range | null) => void;
}

const STEPS = 10;

/** The brushes for keyboards and screen readers: from and to of each axis. */
export function BrushFields({ axes, brush, onBrush }: BrushFieldsProps) {
  return (
    <details class="brushes" open={brush.size > 0}>
      <summary>Brushes by hand</summary>
      <div class="tools">
        {axes.map((axis) => {
          const { dimension, valueAt, domain } = axis;
          const values = dimension.values
            ? dimension.values.map((_, at) => at)
            : Array.from({ length: STEPS + 1 }, (_, at) => Number(valueAt(at / STEPS).toPrecision(4)));
          const range = brush.get(dimension.name);
          const change = (from: string, to: string) => {
            if (from === '' && to === '') return onBrush(dimension.name, null);
            const [low, high] = [
              from === '' ? Math.min(domain[0], values[0] ?? 0) : Number(from),
              to === '' ? UNBOUNDED : Number(to),
            ];
            onBrush(dimension.name, low <= high ? [low, high] : [high, low]);
          };
          const from = range ? String(range[0]) : '';
          const to = range && range[1] !== UNBOUNDED ? String(range[1]) : '';
          return (
            <fieldset key={dimension.name} class="range">
              <legend>{dimension.label}</legend>
              <Bound
                label={`${dimension.label} from`}
                value={from}
                values={values}
                axis={axis}
                onChange={(value) => change(value, to)}
              />
              <span aria-hidden="true">to</span>
              <Bound
                label={`${dimension.label} to`}
                value={to}
                values={values}
                axis={axis}
                onChange={(value) => change(from, value)}
              />
            </fieldset>
          );
        })}
      </div>
    </details>
  );
}

interface BoundProps {
  readonly label: string;
  readonly value: string;
  readonly values: readonly number[];
  readonly axis: ParallelAxis;
  readonly onChange: (value: string) => void;
}

function Bound({ label, value, values, axis, onChange }: BoundProps) {
  const choices = value !== '' && !values.map(String).includes(value) ? [Number(value), ...values] : values;
  return (
    <select aria-label={label} value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
      <option value="">any</option>
      {choices.map((choice) => (
        <option key={choice} value={String(choice)}>
          {formatValue(axis.dimension, choice)}
        </option>
      ))}
    </select>
  );
}
