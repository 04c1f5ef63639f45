import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { TableSpecification } from '../../report/charts/tables.ts';
import { formatCount } from '../../report/format.ts';
import { toCsv } from './csv.ts';
import { download, fileName } from './download.ts';

/** Rows of a chart's table in the page; all of them are in the CSV. */
const MOST_ROWS = 500;

interface ChartTableProps {
  /** What the chart is called. */
  readonly of: string;
  readonly table: () => TableSpecification;
}

/** The figures of a chart as a real table, made when it is opened. */
export function ChartTable({ of, table }: ChartTableProps) {
  const [isOpen, setOpen] = useState(false);
  const shown = isOpen ? table() : undefined;
  return (
    <details open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>The figures as a table</summary>
      {shown && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section class="scroll bare" tabIndex={0} aria-label={`${of}: the figures`}>
          <table>
            <thead>
              <tr>
                {shown.columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.rows.slice(0, MOST_ROWS).map((row, at) => (
                <tr key={at}>
                  {row.map((cell, column) => (
                    <td key={column}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
          {shown.rows.length > MOST_ROWS && (
            <p class="hint">
              {formatCount(MOST_ROWS)} of {formatCount(shown.rows.length)} rows; the CSV has all.
            </p>
          )}
        </section>
      )}
    </details>
  );
}

interface ExportsProps {
  /** First words of the files' names. */
  readonly name: string;
  readonly sheet: () => TableSpecification;
  readonly picture?: () => Promise<Blob> | undefined;
  readonly children?: ComponentChildren;
}

/** What is shown, to take away. */
export function Exports({ name, sheet, picture, children }: ExportsProps) {
  const [failure, setFailure] = useState('');
  const takePicture = () => {
    picture?.()?.then(
      (blob) => download(`${fileName(name)}.png`, blob),
      (error: Error) => setFailure(error.message),
    );
  };
  return (
    <p class="exports">
      <button
        type="button"
        onClick={() =>
          download(`${fileName(name)}.csv`, new Blob([toCsv(sheet())], { type: 'text/csv;charset=utf-8' }))
        }
      >
        CSV
      </button>
      {picture && (
        <button type="button" onClick={takePicture}>
          PNG
        </button>
      )}
      {children}
      {failure && <span role="status">{failure}</span>}
    </p>
  );
}
