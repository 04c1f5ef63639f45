import stringWidth from 'string-width';

/** A name of a network stays telling down to this many cells. */
export const NETWORK_CELLS = 18;

/** One column of a text table. `drop`: the higher, the sooner it goes when the terminal is narrow; absent: it stays. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly drop?: number;
  /** As wide at least, in cells, whatever the rows say: columns of a table that is drawn again and again should not move. */
  readonly least?: number;
  /** Goes before anything is cut. */
  readonly luxury?: boolean;
  /** May be cut with an ellipsis, to no fewer cells than this. */
  readonly flexible?: number;
}

const GAP = '  ';

/** Lays rows out in columns, no line wider than `width` character cells: first luxuries go, then other columns that may be
 * dropped if cutting the flexible ones does not do; in a terminal narrower than what must stay the ends of the lines are cut. Pure; no trailing blanks.
 * @param width in character cells; Infinity where nothing must fit (a pipe)
 */
export function layOut<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  const cells = columns.map((column) => [column.title, ...rows.map((row) => plain(column.value(row)))]);
  const natural = cells.map((texts, at) =>
    texts.reduce((most, text) => Math.max(most, stringWidth(text)), columns[at]?.least ?? 0),
  );
  const shown = columnsThatFit(columns, natural, width);
  const widths = shareOut(columns, natural, shown, width);
  return [...Array(rows.length + 1).keys()].map((line) => {
    const parts = shown.map((at) => pad(cells[at]?.[line] ?? '', widths[at] ?? 0, columns[at]?.align ?? 'left'));
    return truncate(parts.join(GAP).trimEnd(), width);
  });
}

function columnsThatFit<Row>(columns: readonly Column<Row>[], natural: readonly number[], width: number): number[] {
  const naturalOf = (at: number) => natural[at] ?? 0;
  const leastOf = (at: number) => Math.min(naturalOf(at), columns[at]?.flexible ?? Number.POSITIVE_INFINITY);
  const isLuxury = (at: number) => columns[at]?.luxury === true;
  const mayGo = (at: number) => columns[at]?.drop !== undefined;
  const dropOf = (at: number) => columns[at]?.drop ?? 0;
  let shown = [...columns.keys()];
  const dropUntilFits = (cellsOf: (at: number) => number, candidate: (at: number) => boolean) => {
    while (total(shown.map(cellsOf)) > width) {
      const [first] = shown.filter(candidate).sort((a, b) => dropOf(b) - dropOf(a));
      if (first === undefined) return;
      shown = shown.filter((at) => at !== first);
    }
  };
  dropUntilFits(naturalOf, isLuxury);
  dropUntilFits(leastOf, mayGo);
  return shown;
}

/** The widths of the shown columns: the widest flexible one gives way first. */
function shareOut<Row>(
  columns: readonly Column<Row>[],
  natural: readonly number[],
  shown: readonly number[],
  width: number,
): number[] {
  const widths = [...natural];
  const excess = () => total(shown.map((at) => widths[at] ?? 0)) - width;
  const canGive = (at: number) => (widths[at] ?? 0) > (columns[at]?.flexible ?? Number.POSITIVE_INFINITY);
  while (excess() > 0) {
    const [widest] = shown.filter(canGive).sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
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

/** Breaks a text between words into lines of at most `width` cells, all but the first indented; a word that is longer stays whole. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? `${lines.length > 0 ? indent : ''}${word}` : `${line} ${word}`;
    if (line === '' || stringWidth(longer) <= width) line = longer;
    else {
      lines.push(line);
      line = `${indent}${word}`;
    }
  }
  return [...lines, line];
}

/** A value on one line, without control characters and without marks that turn the direction of writing: what a terminal
 * would obey is not a value's to say. */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ');
}
