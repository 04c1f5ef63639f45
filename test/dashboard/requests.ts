import type { FastifyInstance, InjectOptions } from 'fastify';
import { Dice } from '../controller/simulation/random.ts';

/** As much of OpenAPI as is needed to ask what it describes. */
interface Description {
  readonly paths: Readonly<Record<string, { readonly get?: Operation }>>;
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required?: boolean;
  readonly schema: {
    readonly enum?: readonly string[];
    readonly type?: string;
    readonly minimum?: number;
    readonly maximum?: number;
  };
}

export interface Asked {
  readonly requests: number;
  /** By status. */
  readonly answers: Readonly<Record<string, number>>;
  /** In words: what no answer may be. */
  readonly faults: readonly string[];
}

/** Of what is there, so that many requests get further than their address. */
const GOOD: Readonly<Record<string, readonly string[]>> = {
  namespace: ['local', 'local', 'local', 'team-a'],
  name: ['study', 'study', 'study', 'other'],
  index: ['0', '2', '9', '10'],
  q: ['relu', '(12', '%', '.*', ''],
  trials: ['0-9', '1', '3,5-7', '0-99999'],
  sort: ['trial', '-validationLoss', 'widths'],
  continue: [],
};

const CANARY = 'c4nary';
const NASTY = [
  ...['', ' ', '.', '..', '../..', '..%2f..%2fetc%2fpasswd', '%00', '\u0000', '%', '%zz', '/', '//', '\\', '*', '?'],
  ...['-1', '0', '-0', '1.5', '1e309', 'NaN', 'Infinity', '0x10', '9007199254740993', '99999999999999999999', '１'],
  ...['null', 'undefined', 'true', '[]', '{}', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'],
  ...[
    "' OR 1=1--",
    '<script>alert(1)</script>',
    '#{7*7}',
    '{{7*7}}',
    '$(id)',
    '\r\nx: y',
    '\u202e',
    '😀',
    'ß',
    'a'.repeat(300),
  ],
  ...[
    'W10',
    Buffer.from('["b00t",1,1,1]').toString('base64url'),
    Buffer.from('[[[[').toString('base64url'),
    '='.repeat(50),
  ],
  ...[
    CANARY,
    `${CANARY}'`,
    '=cmd|calc',
    'a,b',
    '0-0-0',
    ',,,',
    '5-3',
    '0-',
    '-',
    '(((((((((',
    '(a+)+$',
    'x'.repeat(2_500),
  ],
];
const HEADERS: readonly Record<string, string>[] = [
  {},
  {},
  { 'if-none-match': '*' },
  { 'if-none-match': 'W/"b00t-1", "' },
  { accept: 'text/event-stream' },
  { accept: '*/*;q=0' },
  { 'last-event-id': 'b00t-1' },
  { range: 'bytes=0-1,5-2' },
  { 'content-type': 'application/json', 'content-length': '0' },
  { 'accept-encoding': 'gzip, br;q=x' },
  { 'x-forwarded-user': 'admin', 'x-forwarded-host': 'evil.example', forwarded: 'for=1.2.3.4' },
  { authorization: `Bearer ${CANARY}`, cookie: `__Host-cnn-sweep=${CANARY}; a=b` },
  { cookie: '=;;;=x; __proto__=1' },
  { 'sec-fetch-site': 'same-origin', 'content-type': 'text/html' },
  { 'x-http-method-override': 'DELETE' },
];

/** Asks what the API describes, mostly in its bounds and often beyond, the same for the same seed. No answer may be a 5xx, tell what was
 * sent, or be of a type that is not described.
 */
export async function askMuch(app: FastifyInstance, count: number, seed: number): Promise<Asked> {
  const dice = new Dice(seed);
  const description = app.swagger() as unknown as Description;
  const paths = Object.entries(description.paths);
  const answers: Record<string, number> = {};
  const faults: string[] = [];
  for (let at = 0; at < count; at++) {
    const [path = '', { get = undefined } = {}] = dice.any(paths) ?? [];
    if (!get) continue;
    const request = makeRequest(path, get, dice);
    // A stream never ends: only those that are refused.
    if (path.endsWith('/events') && /topics=sweeps(?:&|$)/.test(`${request.url}`)) continue;
    const { statusCode, headers, body } = await app.inject(request);
    answers[statusCode] = (answers[statusCode] ?? 0) + 1;
    const words = `${request.method} ${request.url.slice(0, 200)} (request ${at} of seed ${seed}): ${statusCode}`;
    if (statusCode >= 500) faults.push(`${words}: ${body.slice(0, 200)}`);
    if (statusCode >= 400 && body !== '' && body.replace(/"instance":"[^"]*"/, '').includes(CANARY))
      faults.push(`${words} tells what was sent`);
    if (/\bat .*\.(?:ts|js):\d+/.test(body)) faults.push(`${words} tells where it failed`);
    const type = `${headers['content-type'] ?? ''}`.split(';')[0] ?? '';
    const described = Object.keys(get.responses[statusCode]?.content ?? {});
    if (statusCode === 200 && request.method === 'GET' && !described.includes(type))
      faults.push(`${words}: ${type} is not described`);
    if (statusCode >= 400 && body !== '' && type !== 'application/problem+json')
      faults.push(`${words}: ${type}: ${body.slice(0, 100)}`);
  }
  return { requests: count, answers, faults };
}

function makeRequest(
  path: string,
  { parameters = [] }: Operation,
  dice: Dice,
): InjectOptions & { url: string; method: string } {
  let url = path;
  const query: string[] = [];
  for (const parameter of parameters) {
    const value = chooseValue(parameter, dice);
    if (parameter.in === 'path')
      url = url.replace(
        `{${parameter.name}}`,
        dice.chance(0.9) ? encodeURIComponent(value) : value.replaceAll(/\s/g, '+'),
      );
    else if (parameter.required || dice.chance(0.4))
      query.push(`${parameter.name}=${dice.chance(0.9) ? encodeURIComponent(value) : value}`);
  }
  if (dice.chance(0.05))
    query.push(`${encodeURIComponent(dice.any(NASTY) ?? '')}=${encodeURIComponent(dice.any(NASTY) ?? '')}`);
  if (dice.chance(0.03) && query[0] !== undefined) query.push(query[0]);
  const method = dice.chance(0.93)
    ? 'GET'
    : (dice.any(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const) ?? 'GET');
  const headers = { host: 'localhost', ...dice.any(HEADERS) };
  return { method, url: query.length > 0 ? `${url}?${query.join('&')}` : url, headers };
}

function chooseValue({ name, schema }: Parameter, dice: Dice): string {
  if (dice.chance(0.25)) return dice.any(NASTY) ?? '';
  const { enum: values, type, minimum = 0, maximum = 100 } = schema;
  if (values) return dice.any(values) ?? '';
  const good = dice.any(GOOD[name] ?? []);
  if (good !== undefined) return good;
  if (type === 'integer') return `${dice.whole(minimum - 1, maximum + 1)}`;
  return dice.any(NASTY) ?? '';
}
