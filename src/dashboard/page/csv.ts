import type { TableSpecification } from '../../report/charts/tables.ts';

/** RFC 4180, with CRLF. A cell that a spreadsheet would take for a formula is kept text by an apostrophe; numbers stay numbers. */
export function toCsv({ columns, rows }: TableSpecification): string {
  return [columns, ...rows].map((cells) => `${cells.map(cellOf).join(',')}\r\n`).join('');
}

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function cellOf(text: string): string {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
