import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { unzipSync } from 'fflate';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import {
  CurveList,
  Problem,
  SweepDetail,
  SweepList,
  TrialDetail,
  TrialList,
  type TrialRow,
  VerdictView,
  Whoami,
} from '../../src/dashboard/api.ts';
import type { AppOptions } from '../../src/dashboard/app.ts';
import { describeApi } from '../../src/dashboard/describe-api.ts';
import { zipModel } from '../../src/dashboard/models.ts';
import { PROBLEMS } from '../../src/dashboard/problems.ts';
import { readReportAssets } from '../../src/dashboard/report-assets.ts';
import { makeResult, makeStudy } from '../sweep/builders.ts';
import { local, makeApp, makeInput, makeLarge, makeStore, STUDY, tell, UID } from './builders.ts';

async function open(t: TestContext, options: Partial<AppOptions> = {}) {
  const store = makeStore();
  tell(store, STUDY);
  const app = await makeApp(store, options);
  t.after(() => app.close());
  const get = (path: string, headers: Record<string, string> = {}) => app.inject(local(`/api/v1${path}`, headers));
  return { store, app, get };
}

const STUDY_PATH = '/sweeps/local/study';

const answers: Record<string, { path: string; schema: TSchema }> = {
  'the list of sweeps': { path: '/sweeps', schema: SweepList },
  'a sweep': { path: STUDY_PATH, schema: SweepDetail },
  'its verdict': { path: `${STUDY_PATH}/verdict`, schema: VerdictView },
  'its trials': { path: `${STUDY_PATH}/trials`, schema: TrialList },
  'one trial': { path: `${STUDY_PATH}/trials/2`, schema: TrialDetail },
  'a trial that failed': { path: `${STUDY_PATH}/trials/7`, schema: TrialDetail },
  'its curves': { path: `${STUDY_PATH}/curves`, schema: CurveList },
  'who asks': { path: '/whoami', schema: Whoami },
  'a sweep that is none': { path: '/sweeps/local/none', schema: Problem },
  'a wrong query': { path: '/sweeps?phase=Asleep', schema: Problem },
};
for (const [what, { path, schema }] of Object.entries(answers)) {
  test(`the answer has the shape that the page reads: ${what}`, async (t) => {
    const { store, get } = await open(t);
    store.record(UID, makeResult({ trial: 7, outcome: 'Failed', reason: 'Crashed (exit 1)', summary: null }));
    const { body } = await get(path);
    const validator = Compile(schema);
    assert.ok(validator.Check(JSON.parse(body)), JSON.stringify(validator.Errors(JSON.parse(body))[0]));
  });
}

test('openapi.json is committed as the server answers it', async (t) => {
  const committed = readFileSync(new URL('../../src/dashboard/openapi.json', import.meta.url), 'utf8');
  assert.equal(committed, await describeApi(), 'run: npm run generate');
  const { get } = await open(t);
  assert.deepEqual((await get('/openapi.json')).json(), JSON.parse(committed));
});

test('every route of the design is there', async (t) => {
  const { get } = await open(t);
  const { paths } = (await get('/openapi.json')).json();
  const sweep = '/api/v1/sweeps/{namespace}/{name}';
  assert.deepEqual(
    new Set(Object.keys(paths)),
    new Set([
      ...['/api/v1/events', '/api/v1/sweeps', '/api/v1/whoami', sweep],
      ...['verdict', 'trials', 'trials/{index}', 'trials/{index}/model', 'curves'].map((part) => `${sweep}/${part}`),
      ...['trials.csv', 'curves.csv', 'sweep.yaml', 'report.html'].map((part) => `${sweep}/${part}`),
    ]),
  );
});

test('what has not changed is not sent again', async (t) => {
  const { store, get } = await open(t);
  for (const path of ['/sweeps', STUDY_PATH, `${STUDY_PATH}/verdict`, `${STUDY_PATH}/trials`, `${STUDY_PATH}/curves`]) {
    const { headers } = await get(path);
    const etag = `${headers.etag}`;
    assert.match(etag, /^W\/"b00t-/);
    const again = await get(path, { 'if-none-match': etag });
    assert.deepEqual([again.statusCode, again.body], [304, ''], path);
    assert.equal((await get(path, { 'if-none-match': '"other", *' })).statusCode, 304);
    store.record(UID, makeResult({ trial: 0, seconds: Math.random() }));
    assert.equal((await get(path, { 'if-none-match': etag })).statusCode, 200, path);
  }
});

test('pages of trials hold every trial once, in the order asked for, whatever their number', async (t) => {
  const { get } = await open(t);
  for (const sort of [
    'validationLoss',
    '-validationLoss',
    'network',
    '-gap',
    'widths',
    'finding',
    '-backend',
    'trial',
  ]) {
    const seen: TrialRow[] = [];
    let token: string | undefined;
    do {
      const next = token === undefined ? '' : `&continue=${encodeURIComponent(token)}`;
      const page = (await get(`${STUDY_PATH}/trials?limit=3&sort=${sort}${next}`)).json();
      assert.equal(page.total, 10);
      seen.push(...page.items);
      token = page.continue;
    } while (token !== undefined);
    assert.deepEqual([...new Set(seen.map(({ trial }) => trial))].length, 10, sort);
    if (sort.endsWith('validationLoss')) {
      const losses = seen.map(({ validationLoss }) => validationLoss ?? 0);
      const sorted = losses.toSorted((a, b) => (sort.startsWith('-') ? b - a : a - b));
      assert.deepEqual(losses, sorted, sort);
    }
  }
});

test('a figure that is not there sorts last, up and down', async (t) => {
  const { store, get } = await open(t);
  store.putSweep(makeInput({ name: 'half', uid: 'half' }));
  store.record('half', makeResult({ trial: 3 }));
  for (const sort of ['validationLoss', '-validationLoss']) {
    const { items } = (await get(`/sweeps/local/half/trials?sort=${sort}`)).json();
    assert.equal(items[0].trial, 3, sort);
    assert.deepEqual(items.map(({ trial }: TrialRow) => trial).slice(1), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
  }
});

test('a page goes on after a row that changed its place or went from the list', async (t) => {
  const { store, get } = await open(t);
  const first = (await get(`${STUDY_PATH}/trials?limit=4&phase=Succeeded`)).json();
  store.record(UID, makeResult({ trial: 3, outcome: 'Failed', reason: 'x', summary: null }));
  const token = encodeURIComponent(first.continue);
  const second = (await get(`${STUDY_PATH}/trials?limit=4&phase=Succeeded&continue=${token}`)).json();
  assert.deepEqual(
    second.items.map(({ trial }: TrialRow) => trial),
    [4, 5, 6, 7],
  );
});

test('rows are filtered by finding, phase and words', async (t) => {
  const { get } = await open(t);
  const trials = async (query: string) =>
    (await get(`${STUDY_PATH}/trials?${query}`)).json().items.map(({ trial }: TrialRow) => trial);
  assert.deepEqual(await trials('finding=Overfit'), [3, 4, 5, 9]);
  assert.deepEqual(await trials('phase=Failed'), []);
  assert.deepEqual(await trials('q=AVG'), [7]);
  assert.deepEqual(await trials('q=%2812%2C32%29&finding=Healthy'), [2, 6, 7, 8]);
});

test('a token of another process has expired; one of another list, or garbage, is refused', async (t) => {
  const { get } = await open(t);
  const { continue: token } = (await get(`${STUDY_PATH}/trials?limit=2`)).json();
  const other = Buffer.from(JSON.stringify(['other', '["","","","trial"]', 1, 1])).toString('base64url');
  const cases: Record<string, [number, string]> = {
    [`limit=2&continue=${other}`]: [410, 'expired'],
    [`limit=2&sort=gap&continue=${token}`]: [400, 'bad-continue'],
    'continue=garbage': [400, 'bad-continue'],
    [`continue=${Buffer.from('[1,2,3,{}]').toString('base64url')}`]: [400, 'bad-continue'],
    'limit=0': [400, 'bad-request'],
    'limit=1001': [400, 'bad-request'],
    'limit=ten': [400, 'bad-request'],
    'limit=1&limit=2': [400, 'bad-request'],
    'sort=color': [400, 'bad-request'],
    'unknown=1': [400, 'bad-request'],
    '__proto__=1': [400, 'bad-request'],
    'constructor[prototype]=1': [400, 'bad-request'],
    [`q=${'x'.repeat(201)}`]: [400, 'bad-request'],
  };
  for (const [query, [status, code]] of Object.entries(cases)) {
    const response = await get(`${STUDY_PATH}/trials?${query}`);
    assert.equal(response.statusCode, status, query);
    assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8');
    const problem = response.json();
    assert.deepEqual([problem.type, problem.instance], [`urn:cnn-sweep:${code}`, `/api/v1${STUDY_PATH}/trials`]);
  }
});

test('an answer that is no success never repeats what was sent', async (t) => {
  const { get } = await open(t);
  for (const path of [
    '/sweeps?phase=c4nary',
    '/sweeps?c4nary=1',
    `${STUDY_PATH}/curves?trials=c4nary`,
    `${STUDY_PATH}/trials?sort=c4nary`,
  ]) {
    const { statusCode, body } = await get(path);
    assert.equal(statusCode, 400);
    assert.doesNotMatch(body, /c4nary/, path);
  }
});

test('curves are thinned to what was asked for; the turning point and the kept epoch stay', async (t) => {
  const store = makeStore();
  tell(store, makeLarge(5, 300));
  const app = await makeApp(store);
  t.after(() => app.close());
  const { items } = (await app.inject(local(`/api/v1${STUDY_PATH}/curves?trials=0-2,4&points=20`))).json();
  assert.deepEqual(
    items.map(({ trial }: { trial: number }) => trial),
    [0, 1, 2, 4],
  );
  for (const { epochs, turningPoint, keptEpoch, epochsDone, validationLoss, seconds } of items) {
    assert.ok(epochs.length <= 22 && epochs.length >= 16, `${epochs.length}`);
    assert.ok(epochs.includes(turningPoint) && epochs.includes(keptEpoch));
    assert.deepEqual([epochsDone, validationLoss.length, epochs[0], epochs.at(-1)], [300, epochs.length, 1, 300]);
    assert.ok(seconds.every((value: number, at: number) => at === 0 || value > seconds[at - 1]));
  }
});

test('which curves: ranges and indexes, at most a thousand, those that are there', async (t) => {
  const { get } = await open(t);
  const trials = async (list: string) =>
    (await get(`${STUDY_PATH}/curves?trials=${list}`)).json().items?.map(({ trial }: { trial: number }) => trial);
  assert.deepEqual(await trials('3,1-2,2'), [1, 2, 3]);
  assert.deepEqual(await trials('8-99999'), [8, 9]);
  for (const bad of ['5-3', '-1', '1,,2', 'all', '1;2', '1e3']) assert.equal(await trials(bad), undefined, bad);
});

test('no cell of a CSV begins a formula', async (t) => {
  const { store, get } = await open(t);
  store.setTrial('evil', 0, { phase: 'Running' });
  store.putSweep(makeInput({ name: 'evil', uid: 'evil', sweep: makeStudy() }));
  for (const [trial, reason] of ['=1+1', '+1', '-1+1', '@SUM(1)', '\t=1', '|calc', '%0A=1'].entries()) {
    store.record('evil', makeResult({ trial, outcome: 'Failed', reason, summary: null, attemptUID: '=x' }));
  }
  const { body, headers } = await get('/sweeps/local/evil/trials.csv');
  assert.equal(headers['content-disposition'], 'attachment; filename="evil-trials.csv"');
  const lines = body.split('\r\n');
  assert.equal(lines.length, 12);
  for (const line of lines) {
    for (const cell of line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/))
      assert.doesNotMatch(cell, /^"?\s*[=+@|%]|^"?-\D/, cell);
  }
});

test('the CSV of the table is filtered and sorted as the table is', async (t) => {
  const { get } = await open(t);
  const { body } = await get(`${STUDY_PATH}/trials.csv?finding=Overfit&sort=-validationLoss`);
  const rows = body.trim().split('\r\n').slice(1);
  const table = (await get(`${STUDY_PATH}/trials?finding=Overfit&sort=-validationLoss`)).json();
  assert.deepEqual(
    rows.map((row) => Number(row.split(',')[0])),
    table.items.map(({ trial }: TrialRow) => trial),
  );
});

test('the CSV of curves has a line an epoch', async (t) => {
  const { get } = await open(t);
  const lines = (await get(`${STUDY_PATH}/curves.csv?trials=1-2`)).body.trim().split('\r\n');
  assert.equal(lines.length, 1 + 2 * 15);
  assert.match(lines[16] ?? '', /^2,"\(12,32\) relu max",1,1,/);
});

test('the resolved sweep and the report can be downloaded', async (t) => {
  const { get } = await open(t, { reportAssets: readReportAssets });
  const yaml = await get(`${STUDY_PATH}/sweep.yaml`);
  assert.match(yaml.body, /^apiVersion: cnn-sweep.dev\/v1alpha1\n/);
  const report = await get(`${STUDY_PATH}/report.html`);
  assert.match(report.body, /<title>study: \(12,32\) relu max is the best network/);
  const policy = `${report.headers['content-security-policy']}`;
  assert.match(policy, /script-src 'sha256-[^']+' .*frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
});

test('a model is a zip of its files; one that is not kept is missing', async (t) => {
  const zip = zipModel({ 'model.json': Buffer.from('{}'), 'weights.bin': Buffer.from([1, 2, 3]) });
  const models = {
    zip: async ({ attemptUID }: { attemptUID: string }) => (attemptUID === 'first-2' ? zip : 'missing'),
  } as const;
  const { store, get } = await open(t, { models });
  assert.equal((await get(`${STUDY_PATH}/trials/2/model`)).json().type, 'urn:cnn-sweep:model-missing');
  store.setModel(UID, 2, 'first-2');
  store.setModel(UID, 3, 'first-3');
  const { rawPayload, headers } = await get(`${STUDY_PATH}/trials/2/model`);
  assert.equal(headers['content-type'], 'application/zip');
  assert.deepEqual(Object.keys(unzipSync(rawPayload)), ['model.json', 'weights.bin']);
  assert.equal((await get(`${STUDY_PATH}/trials/3/model`)).statusCode, 404);
  assert.deepEqual((await get(`${STUDY_PATH}/verdict`)).json().hasModel, true);
});

test('the page, its assets and nothing beside them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cnn-sweep-page-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'page/assets'), { recursive: true });
  writeFileSync(join(folder, 'page/index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'page/assets/index-1f2e.js'), '1');
  writeFileSync(join(folder, 'page/.secret'), 'c4nary');
  writeFileSync(join(folder, 'secret.txt'), 'c4nary');
  const { app } = await open(t, { pageFolder: join(folder, 'page') });
  const page = await app.inject(local('/?sweep=local/study'));
  assert.deepEqual([page.statusCode, page.body, page.headers['cache-control']], [200, '<!doctype html>', 'no-cache']);
  const asset = await app.inject(local('/assets/index-1f2e.js'));
  assert.deepEqual([asset.statusCode, asset.headers['cache-control']], [200, 'public, max-age=31536000, immutable']);
  for (const path of [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/..%5c..%5csecret.txt',
    '/.secret',
    '//etc/passwd',
    '/assets/%00',
    '/assets/',
  ]) {
    const { statusCode, body } = await app.inject(local(path));
    assert.ok(statusCode >= 400 && statusCode < 500, `${path}: ${statusCode}`);
    assert.doesNotMatch(body, /c4nary|root:/);
  }
});

test('every answer bears the headers that keep other sites out', async (t) => {
  const { app, get } = await open(t);
  for (const { headers } of [await get('/whoami'), await app.inject(local('/')), await get('/none')]) {
    assert.match(`${headers['content-security-policy']}`, /^default-src 'none';script-src 'self';style-src 'self';/);
    assert.match(`${headers['content-security-policy']}`, /frame-ancestors 'none'/);
    const { 'x-content-type-options': sniff, 'referrer-policy': referrer } = headers;
    const { 'cross-origin-opener-policy': opener, 'cross-origin-resource-policy': resource } = headers;
    assert.deepEqual([sniff, referrer, opener, resource], ['nosniff', 'no-referrer', 'same-origin', 'same-origin']);
  }
  assert.equal((await get('/sweeps')).headers['cache-control'], 'private, no-cache');
});

test('an address that is too long, and methods that do nothing', async (t) => {
  const { app } = await open(t);
  const long = await app.inject(local(`/api/v1/sweeps?namespace=${'a'.repeat(4_100)}`));
  assert.deepEqual([long.statusCode, long.json().type], [414, 'urn:cnn-sweep:uri-too-long']);
  for (const method of ['PUT', 'DELETE', 'PATCH'] as const) {
    const { statusCode } = await app.inject({ ...local('/api/v1/sweeps'), method });
    assert.equal(statusCode, 405, method);
  }
});

test('each problem’s code has a status of its own kind and a title', () => {
  for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
    assert.match(code, /^[a-z]+(-[a-z]+)*$/);
    assert.ok(status >= 400 && status < 600 && title.length > 0);
  }
});
