import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { isLoopbackHost, type User } from '../../src/dashboard/access.ts';
import type { AppOptions } from '../../src/dashboard/app.ts';
import { openToProxy, openToTokens } from '../../src/dashboard/known-users.ts';
import { CachedReviews, type Reviews } from '../../src/dashboard/reviews.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeMeasurement } from '../sweep/builders.ts';
import { local, makeApp, makeInput, makeStore } from './builders.ts';
import { openEvents } from './events.ts';

/** An API server's word: tokens are names, and each user may read the namespaces that `rights` says. */
class FakeReviews implements Reviews {
  readonly rights = new Map([
    ['alice', ['team-a']],
    ['bob', ['team-b']],
  ]);
  readonly asked: string[] = [];
  isAway: boolean = false;

  async userOf(token: string): Promise<User | undefined> {
    this.#answer(`user ${token}`);
    const name = token.replace(/-token$/, '');
    return this.rights.has(name) ? { name, groups: ['system:authenticated'] } : undefined;
  }

  async mayList({ name }: User, namespace: string): Promise<boolean> {
    this.#answer(`right ${name} ${namespace}`);
    return this.rights.get(name)?.includes(namespace) ?? false;
  }

  #answer(question: string): void {
    if (this.isAway) throw new Error('connection refused');
    this.asked.push(question);
  }
}

async function open(t: TestContext, options: Partial<AppOptions> = {}) {
  const timers = new FakeTimers();
  const store = makeStore(timers);
  for (const team of ['team-a', 'team-b'])
    store.putSweep(makeInput({ namespace: team, name: `${team}-study`, uid: team }));
  const reviews = new FakeReviews();
  const access = openToTokens(new CachedReviews(reviews, timers));
  const app = await makeApp(store, { access, timers, ...options });
  t.after(() => app.close());
  const get = (path: string, token?: string) =>
    app.inject({
      url: path.startsWith('/') ? `/api/v1${path}` : path,
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    });
  return { timers, store, reviews, app, get };
}

const ROUTES = [
  '',
  '/verdict',
  '/trials',
  '/trials/0',
  '/curves',
  '/trials.csv',
  '/curves.csv',
  '/sweep.yaml',
  '/report.html',
  '/trials/0/model',
];

test('who shows nothing, or a token that is not good, is nobody: 401 everywhere', async (t) => {
  const { get } = await open(t);
  for (const path of ['/sweeps', '/whoami', '/openapi.json', '/events?topics=sweeps', '/sweeps/team-a/team-a-study']) {
    for (const token of [undefined, 'mallory-token', '', ' ', 'a b']) {
      const { statusCode, body } = await get(path, token);
      assert.equal(statusCode, 401, `${path} ${token}`);
      assert.equal(JSON.parse(body).detail, 'send a token, or log in');
    }
  }
});

test('no byte of another tenant’s namespace: lists, totals, and every route of a sweep', async (t) => {
  const { get } = await open(t);
  const list = await get('/sweeps', 'alice-token');
  assert.deepEqual([list.json().items.length, list.json().total], [1, 1]);
  assert.doesNotMatch(list.body, /team-b/);
  assert.equal((await get('/sweeps?namespace=team-b', 'alice-token')).json().total, 0);
  for (const route of ROUTES) {
    const own = await get(`/sweeps/team-a/team-a-study${route}`, 'alice-token');
    assert.ok(route.endsWith('model') || own.statusCode === 200, `${route}: ${own.statusCode}`);
    const foreign = await get(`/sweeps/team-b/team-b-study${route}`, 'alice-token');
    const nothing = await get(`/sweeps/team-b/nothing-here${route}`, 'alice-token');
    assert.deepEqual([foreign.statusCode, nothing.statusCode], [404, 404], route);
    const without = (body: string) => body.replaceAll(/"instance":"[^"]*"/g, '');
    assert.equal(without(foreign.body), without(nothing.body), route);
    const names = (headers: object) => Object.keys(headers).sort((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(names(foreign.headers), names(nothing.headers), route);
  }
});

test('a list of many namespaces asks about all of them at once', async (t) => {
  const { get, store, reviews } = await open(t);
  for (let count = 0; count < 100; count++) {
    store.putSweep(makeInput({ namespace: `many-${count}`, name: 'study', uid: `many-${count}` }));
  }
  reviews.rights.set('alice', ['team-a', 'many-7', 'many-99']);
  const { total, items } = (await get('/sweeps', 'alice-token')).json();
  assert.deepEqual([total, items.length], [3, 3]);
});

test('forty tenants of a namespace each are asked about once a minute, and stay while the API server is away', async () => {
  const timers = new FakeTimers();
  const reviews = new FakeReviews();
  const cached = new CachedReviews(reviews, timers);
  const tenants = Array.from({ length: 40 }, (_, at) => `team-${at}`);
  for (const name of tenants) reviews.rights.set(name, [name]);
  const askAll = async () => {
    let allowed = 0;
    for (const name of tenants) {
      for (const namespace of tenants) if (await cached.mayList({ name, groups: [] }, namespace)) allowed++;
    }
    return allowed;
  };
  assert.equal(await askAll(), 40);
  assert.equal(await askAll(), 40);
  assert.equal(reviews.asked.length, 1_600);
  reviews.isAway = true;
  timers.advance(10 * 60_000);
  assert.equal(await askAll(), 40);
});

test('“not there” is asked about as “no right” is, so that time tells nothing', async (t) => {
  const { get, reviews } = await open(t);
  await get('/sweeps/nowhere/nothing', 'alice-token');
  assert.ok(reviews.asked.includes('right alice nowhere'));
});

test('no byte of another tenant’s namespace comes by the stream', async (t) => {
  const { app, store, timers } = await open(t);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const headers = { authorization: 'Bearer alice-token' };
  const foreign = await openEvents(port, 'sweep:team-b/team-b-study', headers);
  assert.equal(foreign.response.statusCode, 404);
  const both = await openEvents(port, 'sweep:team-a/team-a-study,sweep:team-b/team-b-study', headers);
  assert.equal(both.response.statusCode, 404);
  const events = await openEvents(port, 'sweeps,sweep:team-a/team-a-study', headers);
  await events.next();
  await events.next();
  store.measure('team-b', makeMeasurement({ epoch: 1 }));
  store.putSweep(makeInput({ namespace: 'team-b', name: 'team-b-other', uid: 'other' }));
  store.putSweep(makeInput({ namespace: 'team-c', name: 'team-c-new', uid: 'c' }));
  store.removeSweep('team-b');
  timers.advance(500);
  await new Promise((resolve) => setImmediate(resolve));
  store.measure('team-a', makeMeasurement({ epoch: 1 }));
  timers.advance(1_000);
  assert.equal((await events.next()).name, 'delta');
  assert.doesNotMatch(events.text, /team-[bc]/);
  events.close();
});

test('a namespace that one gains shows its sweeps; a right that one loses ends the stream', async (t) => {
  const { app, store, timers, reviews } = await open(t);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const headers = { authorization: 'Bearer alice-token' };
  const list = await openEvents(port, 'sweeps', headers);
  await list.next();
  reviews.rights.set('alice', ['team-a', 'team-c']);
  store.putSweep(makeInput({ namespace: 'team-c', name: 'team-c-new', uid: 'c' }));
  timers.advance(500);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  timers.advance(500);
  assert.deepEqual(
    (await list.next()).data.sweeps?.map(({ name }) => name),
    ['team-a-study', 'team-c-new'],
  );

  const sweep = await openEvents(port, 'sweep:team-a/team-a-study', headers);
  await sweep.next();
  reviews.rights.set('alice', []);
  timers.advance(61_000);
  assert.equal((await sweep.next()).name, 'bye');
  await sweep.ended;
  list.close();
});

test('rights and users are asked for once a minute; while the API server is away its last word holds', async (t) => {
  const { get, reviews, timers } = await open(t);
  for (let time = 0; time < 5; time++) await get('/sweeps/team-a/team-a-study', 'alice-token');
  assert.deepEqual(reviews.asked, ['user alice-token', 'right alice team-a']);
  timers.advance(61_000);
  await get('/sweeps/team-a/team-a-study', 'alice-token');
  assert.equal(reviews.asked.length, 4);
  reviews.isAway = true;
  timers.advance(10 * 60_000);
  assert.equal((await get('/sweeps/team-a/team-a-study', 'alice-token')).statusCode, 200);
  const stranger = await get('/sweeps', 'bob-token');
  assert.deepEqual([stranger.statusCode, stranger.json().type], [503, 'urn:cnn-sweep:unavailable']);
  timers.advance(6 * 60_000);
  assert.equal((await get('/sweeps/team-a/team-a-study', 'alice-token')).statusCode, 503);
});

test('a token is traded for a cookie that no script can read and no other site sends', async (t) => {
  const { app } = await open(t);
  const page = { 'sec-fetch-site': 'same-origin' };
  const login = (token: string, headers: Record<string, string> = page) =>
    app.inject({ method: 'POST', url: '/login', headers, payload: { token } });
  const good = await login('alice-token');
  assert.equal(good.statusCode, 204);
  assert.equal(good.headers['set-cookie'], '__Host-cnn-sweep=alice-token; Path=/; HttpOnly; Secure; SameSite=Strict');
  const who = await app.inject({ url: '/api/v1/whoami', cookies: { '__Host-cnn-sweep': 'alice-token' } });
  assert.deepEqual([who.json().mode, who.json().user], ['token', 'alice']);
  assert.equal((await login('mallory-token')).statusCode, 401);
  assert.equal((await login('')).statusCode, 400);
  const out = await app.inject({ method: 'POST', url: '/logout', headers: page });
  assert.match(`${out.headers['set-cookie']}`, /^__Host-cnn-sweep=; .*Expires=Thu, 01 Jan 1970/);
});

test('a POST from another site, or from nowhere, is refused', async (t) => {
  const { app } = await open(t);
  const foreign: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { origin: 'https://evil.example', host: 'dashboard.example' },
    { origin: 'null', host: 'dashboard.example' },
    {},
  ];
  for (const url of ['/login', '/logout', '/collect']) {
    for (const headers of foreign) {
      const { statusCode } = await app.inject({ method: 'POST', url, headers, payload: { token: 'alice-token' } });
      assert.equal(statusCode, 403, `${url} ${JSON.stringify(headers)}`);
    }
  }
  const headers = { origin: 'https://dashboard.example', host: 'dashboard.example' };
  const own = await app.inject({ method: 'POST', url: '/login', headers, payload: { token: 'alice-token' } });
  assert.equal(own.statusCode, 204);
});

test('on the loopback address only names of this machine are answered: another one may resolve to it', async (t) => {
  const app = await makeApp(makeStore());
  t.after(() => app.close());
  for (const host of [
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '[::2]',
  ]) {
    for (const url of ['/', '/api/v1/sweeps', '/api/v1/events?topics=sweeps']) {
      assert.equal((await app.inject({ url, headers: { host } })).statusCode, 403, `${host} ${url}`);
    }
  }
  for (const host of ['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '[::1]:8080'])
    assert.ok(isLoopbackHost(host), host);
  assert.equal((await app.inject(local('/api/v1/whoami'))).json().user, 'local');
  assert.equal(isLoopbackHost(undefined), false);
  const login = { method: 'POST', url: '/login', payload: { token: 'x' } } as const;
  const headers = { host: 'localhost', 'sec-fetch-site': 'same-origin' };
  assert.equal((await app.inject({ ...login, headers })).statusCode, 404);
});

test('headers that a proxy would send are believed from nobody who has not proved to be it', async (t) => {
  const reviews = new FakeReviews();
  const { app } = await open(t, { access: openToProxy(reviews) });
  const headers = { 'x-forwarded-user': 'alice', 'x-forwarded-groups': 'system:masters' };
  assert.equal((await app.inject({ url: '/api/v1/sweeps', headers })).statusCode, 401);
  const { app: tokens } = await open(t);
  assert.equal((await tokens.inject({ url: '/api/v1/sweeps', headers })).statusCode, 401);
});

test('of a proven proxy the user and the groups are taken, but none that is the API server’s own', async () => {
  const { who } = openToProxy(new FakeReviews());
  const visitor = { address: '10.0.0.1', cookie: undefined, isTwice: () => false, isProvenPeer: true };
  const named = (headers: Record<string, string>) => who({ ...visitor, headers });
  assert.deepEqual(await named({ 'x-forwarded-user': 'alice', 'x-forwarded-groups': 'dev, system:masters,ops' }), {
    name: 'alice',
    groups: ['dev', 'ops'],
  });
  for (const user of ['', 'system:admin', 'alice,bob'])
    assert.equal(await named({ 'x-forwarded-user': user }), undefined);
  assert.equal(await named({}), undefined);
  for (const twice of ['x-forwarded-user', 'x-forwarded-groups']) {
    const isTwice = (header: string) => header === twice;
    assert.equal(await who({ ...visitor, isTwice, headers: { 'x-forwarded-user': 'alice' } }), undefined, twice);
  }
});

test('an address that is written otherwise passes the same gate', async (t) => {
  const { app } = await open(t);
  const ask = (url: string, token: string) => app.inject({ url, headers: { authorization: `Bearer ${token}` } });
  for (const url of ['/%61pi/v1/sweeps', '/api/v%31/sweeps', '/%61pi/v1/sweeps/team-a/team-a-study']) {
    assert.equal((await app.inject({ url })).statusCode, 401, url);
    const own = await ask(url, 'alice-token');
    assert.equal(own.statusCode, 200, url);
    assert.doesNotMatch(own.body, /team-b/);
  }
  for (let time = 0; time < 100; time++) await ask('/%61pi/v1/whoami', 'bob-token');
  assert.equal((await ask('/%61pi/v1/whoami', 'bob-token')).statusCode, 429);
});

test('made-up tokens push out nobody’s good one, and are asked about a few at a time', async () => {
  const timers = new FakeTimers();
  const reviews = new FakeReviews();
  const cached = new CachedReviews(reviews, timers);
  assert.equal((await cached.userOf('alice-token', 'hers'))?.name, 'alice');
  for (let count = 0; count < 10_001; count++)
    assert.equal(await cached.userOf(`mallory-${count}`, `from ${count}`), undefined);
  const before = reviews.asked.length;
  assert.equal((await cached.userOf('alice-token', 'hers'))?.name, 'alice');
  assert.equal(reviews.asked.length, before);

  const answer = Promise.withResolvers<undefined>();
  const alice: User = { name: 'alice', groups: [] };
  const userOf = async (token: string) => (token === 'alice-token' ? alice : answer.promise);
  const slow = new CachedReviews({ userOf, mayList: async () => false }, timers);
  await slow.userOf('alice-token', 'hers');
  const asked = Array.from({ length: 32 }, (_, count) => slow.userOf(`mallory-${count}`, 'theirs'));
  await assert.rejects(slow.userOf('one-more', 'theirs'), { code: 'overloaded' });
  timers.advance(61_000);
  assert.equal((await slow.userOf('alice-token', 'hers'))?.name, 'alice');
  const again = slow.userOf('mallory-0', 'theirs'); // is asked about already
  answer.resolve(undefined);
  assert.deepEqual(new Set(await Promise.all([...asked, again])), new Set([undefined]));
  assert.equal(await slow.userOf('one-more', 'theirs'), undefined);
});

test('a flood of made-up tokens of one address is asked about ten times a second; who is known does not notice', async (t) => {
  const { app, get, reviews, timers } = await open(t);
  assert.equal((await get('/whoami', 'alice-token')).statusCode, 200);
  const headers = { 'sec-fetch-site': 'same-origin' };
  const login = (token: string, remoteAddress = '127.0.0.1') =>
    app.inject({ method: 'POST', url: '/login', headers, payload: { token }, remoteAddress });
  for (let count = 0; count < 50; count++) assert.equal((await get('/whoami', `mallory-${count}`)).statusCode, 401);
  for (let count = 50; count < 99; count++) assert.equal((await login(`mallory-${count}`)).statusCode, 401);
  const before = reviews.asked.length;
  for (const { statusCode, headers } of [await get('/whoami', 'mallory-x'), await login('mallory-x')])
    assert.deepEqual([statusCode, headers['retry-after']], [429, '1']);
  assert.equal(reviews.asked.length, before);
  assert.equal((await login('bob-token', '10.0.0.2')).statusCode, 204, 'from elsewhere');
  // Also a minute later, when she is asked about again; and a token that was taken away is not good because of others' noise.
  for (let second = 0; second < 61; second++) {
    timers.advance(1_000);
    for (let count = 0; count < 11; count++) await login(`mallory-${second}-${count}`);
  }
  assert.equal((await login('mallory-y')).statusCode, 429);
  assert.equal((await get('/whoami', 'alice-token')).statusCode, 200);
  reviews.rights.delete('bob');
  assert.equal((await get('/whoami', 'bob-token')).statusCode, 401);
});

test('a user’s hundred requests a second are answered, the next one is not, and another user’s are', async (t) => {
  const { get, timers } = await open(t);
  for (let time = 0; time < 100; time++) assert.equal((await get('/whoami', 'alice-token')).statusCode, 200);
  const refused = await get('/whoami', 'alice-token');
  assert.deepEqual([refused.statusCode, refused.headers['retry-after']], [429, '1']);
  assert.equal((await get('/whoami', 'bob-token')).statusCode, 200);
  timers.advance(1_000);
  assert.equal((await get('/whoami', 'alice-token')).statusCode, 200);
});

test('a user’s twenty streams are open, the next one is not', async (t) => {
  const { app } = await open(t);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const streams = [];
  for (let time = 0; time < 20; time++)
    streams.push(await openEvents(port, 'sweeps', { authorization: 'Bearer alice-token' }));
  assert.ok(streams.every(({ response }) => response.statusCode === 200));
  const next = await openEvents(port, 'sweeps', { authorization: 'Bearer alice-token' });
  assert.equal(next.response.statusCode, 503);
  const other = await openEvents(port, 'sweeps', { authorization: 'Bearer bob-token' });
  assert.equal(other.response.statusCode, 200);
  for (const { close } of [...streams, next, other]) close();
});

test('no token is ever in a log', async (t) => {
  const lines: string[] = [];
  const { openLog } = await import('../../src/shared/log.ts');
  const { app, reviews } = await open(t, { log: openLog((line) => lines.push(line)) });
  reviews.isAway = true;
  const headers = { authorization: 'Bearer c4nary-token', 'sec-fetch-site': 'same-origin' };
  await app.inject({ url: '/api/v1/sweeps?q=c4nary', headers });
  await app.inject({ method: 'POST', url: '/login', headers, payload: { token: 'c4nary-token' } });
  await app.inject({ url: '/api/v1/whoami', cookies: { '__Host-cnn-sweep': 'c4nary-token' } });
  assert.doesNotMatch(lines.join(''), /c4nary/);
});
