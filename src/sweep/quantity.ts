/** The size of a Kubernetes quantity as people write it (`1`, `"500m"`, `4Gi`, `1e3`), undefined if it is none or negative.
 * @see kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity */
export function parseQuantity(written: string | number): number | undefined {
  const text = String(written);
  if (text.length > LONGEST) return undefined;
  const match = QUANTITY.exec(text);
  if (!match) return undefined;
  const [, digits = '', suffix = ''] = match;
  if (/^[eE][-+\d]/.test(suffix)) return Number(`${digits}${suffix}`);
  return Number(digits) * (SUFFIXES.get(suffix) ?? 1);
}

/** Exponents of two digits: no quantity is larger than 2^63, and a number of a thousand million digits keeps a server busy. */
export const QUANTITY = /^\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2}|[numkMGTPE]|[KMGTPE]i)?$/;

/** No size that somebody meant is longer, in characters; matching takes quadratic time. */
const LONGEST = 64;

const SUFFIXES: ReadonlyMap<string, number> = new Map([
  ['n', 1e-9],
  ['u', 1e-6],
  ['m', 1e-3],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['P', 1e15],
  ['E', 1e18],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
  ['Pi', 2 ** 50],
  ['Ei', 2 ** 60],
]);
