import stringWidth from 'string-width';

/** One column of a text table. `drop`: the higher, the sooner it goes when the terminal is narrow; absent: it stays. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly drop?: number;
  /** May be cut with an ellipsis to fit. */
  readonly flexible?: boolean;
}

const GAP = '  ';
const MIN_FLEXIBLE = 8;

/** Lays rows out in columns, no line wider than `width` character cells: first the columns that may be dropped go, then
 * the flexible ones are cut. Pure; no trailing blanks.
 * @param width in character cells; Infinity where nothing must fit (a pipe)
 */
export function layOut<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  const cells = columns.map((column) => [column.title, ...rows.map((row) => plain(column.value(row)))]);
  const natural = cells.map((texts) => Math.max(...texts.map((text) => stringWidth(text))));
  const shown = columnsThatFit(columns, natural, width);
  const widths = shareOut(columns, natural, shown, width);
  return [...Array(rows.length + 1).keys()].map((line) =>
    shown
      .map((at) => pad(cells[at]?.[line] ?? '', widths[at] ?? 0, columns[at]?.align ?? 'left'))
      .join(GAP)
      .trimEnd(),
  );
}

function columnsThatFit<Row>(columns: readonly Column<Row>[], natural: readonly number[], width: number): number[] {
  let shown = [...columns.keys()];
  const least = (at: number) => (columns[at]?.flexible ? Math.min(MIN_FLEXIBLE, natural[at] ?? 0) : (natural[at] ?? 0));
  while (total(shown.map(least)) > width) {
    const [first] = shown
      .filter((at) => columns[at]?.drop !== undefined)
      .sort((a, b) => dropOf(columns, b) - dropOf(columns, a));
    if (first === undefined) break;
    shown = shown.filter((at) => at !== first);
  }
  return shown;
}

const dropOf = <Row>(columns: readonly Column<Row>[], at: number) => columns[at]?.drop ?? 0;

/** The widths of the shown columns: the widest flexible one gives way first. */
function shareOut<Row>(
  columns: readonly Column<Row>[],
  natural: readonly number[],
  shown: readonly number[],
  width: number,
): number[] {
  const widths = [...natural];
  const flexible = shown.filter((at) => columns[at]?.flexible);
  const excess = () => total(shown.map((at) => widths[at] ?? 0)) - width;
  while (excess() > 0) {
    const [widest] = flexible.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest === undefined || (widths[widest] ?? 0) <= MIN_FLEXIBLE) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  // A terminal narrower than what must stay: the last column runs out of it rather than wrapping all of them.
  return widths;
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP.length * Math.max(0, widths.length - 1);
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const cut = truncate(text, width);
  const blanks = ' '.repeat(Math.max(0, width - stringWidth(cut)));
  return align === 'right' ? blanks + cut : cut + blanks;
}

/** Cuts a text to `width` cells, the last an ellipsis. */
export function truncate(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let cut = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(cut + segment) > width - 1) break;
    cut += segment;
  }
  return width > 0 ? `${cut}…` : '';
}

/** A value on one line, without control characters: what a terminal would obey is not a value's to say. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}
