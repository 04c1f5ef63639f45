import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCluster } from '../../src/shared/calls.ts';
import { JOBS } from '../../src/shared/kinds.ts';
import { ObjectCache } from '../../src/shared/object-cache.ts';
import type { Job } from '../../src/shared/objects.ts';
import { startReflector } from '../../src/shared/reflector.ts';
import type { Watch } from '../fakes/api-server.ts';
import { NAMESPACE, World } from './world.ts';

test('it lists, then watches, and tells each change once', async () => {
  const world = new World();
  world.create('a');
  const reflector = world.start();
  assert.ok(!reflector.isSynced);
  await world.clock.advance(0);
  await reflector.synced;
  world.create('b');
  world.touch('a');
  world.delete('b');
  await world.clock.advance(0);
  assert.deepEqual(world.changes, ['added a 01', 'added b 02', 'modified a 01', 'deleted b 02']);
  assert.equal(world.verbs, 'list watch');
  world.assertSame();
});

test('only the fields that are read are kept', async () => {
  const world = new World();
  world.create('a');
  world.server.store.edit({ plural: 'jobs', namespace: NAMESPACE, name: 'a' }, (job) => ({
    ...job,
    metadata: { ...job.metadata, managedFields: [{ manager: 'x' }], annotations: { long: 'text' } },
  }));
  await world.follow();
  const [job] = world.cache.values();
  assert.deepEqual(Object.keys(job ?? {}), ['metadata', 'spec', 'status']);
  assert.ok(job && !('managedFields' in job.metadata) && !('annotations' in job.metadata));
});

test('objects are found by the UID of their Sweep, also after they changed hands', async () => {
  const world = new World();
  world.create('a');
  world.create('b', { owner: 'sweep-2' });
  await world.follow();
  const under = (uid: string) => world.cache.byIndex(uid).map(({ metadata }) => metadata.name);
  assert.deepEqual(under('sweep-1'), ['a']);
  world.server.store.edit({ plural: 'jobs', namespace: NAMESPACE, name: 'a' }, (job) => ({
    ...job,
    metadata: { ...job.metadata, ownerReferences: [{ uid: 'sweep-2', controller: true }] },
  }));
  await world.clock.advance(0);
  assert.deepEqual(under('sweep-1'), []);
  assert.deepEqual(under('sweep-2').sort(), ['a', 'b']);
});

test('a list comes in pages, all of one version', async () => {
  const world = new World();
  for (let index = 0; index < 7; index++) world.create(`j${index}`);
  let pages = 0;
  world.fault = ({ verb }) => {
    if (verb === 'list' && ++pages === 2) world.create('late'); // between two pages
    return undefined;
  };
  await world.follow({ kind: { ...JOBS, pageSize: 3 } });
  assert.equal(world.verbs, 'list list list watch');
  assert.equal(world.changes.at(-1), 'added late 08');
  world.assertSame();
});

test('of a list nobody is told before all of it is in the cache', async () => {
  const world = new World();
  for (const name of ['a', 'b', 'c']) world.create(name);
  await world.follow();
  assert.deepEqual(world.sizes, [3, 3, 3]);
});

test('namespaces are followed one by one', async () => {
  const world = new World();
  for (const namespace of ['n1', 'n2', 'n3']) world.create('a', { namespace });
  const reflector = await world.follow({ namespaces: ['n1', 'n2'] });
  assert.equal(world.cache.size, 2);
  world.create('b', { namespace: 'n2' });
  const version = `${world.server.store.version}`;
  await world.clock.advance(0);
  assert.ok(reflector.reached('n2', version));
  assert.ok(!reflector.reached('n1', version), 'it has seen nothing of it yet');
  assert.ok(!reflector.reached('n3', version), 'nobody looks there');
  await world.clock.advance(60_000);
  assert.ok(reflector.reached('n1', version), 'a bookmark says that nothing came');
});

test('a namespace that may not be read is not waited for, if another one may; what it holds is told once it may', async () => {
  const world = new World();
  for (const namespace of ['n1', 'n2']) world.create('a', { namespace });
  const refused = new Set(['n1', 'n2']);
  world.fault = ({ namespace = '' }) => (refused.has(namespace) ? { kind: 'refuse', status: 403 } : undefined);
  const reflector = world.start({ namespaces: ['n1', 'n2'] });
  let isSynced: boolean = false;
  void reflector.synced.then(() => {
    isSynced = true;
  });
  await world.clock.advance(60_000);
  assert.deepEqual([isSynced, reflector.isSynced], [false, false], 'nothing may be read');
  refused.delete('n1');
  await world.clock.advance(60_000);
  assert.deepEqual([isSynced, reflector.isSynced], [true, true]);
  assert.deepEqual([reflector.isListed('n1'), reflector.isListed('n2')], [true, false]);
  assert.ok(!reflector.reached('n2', '0'));
  refused.delete('n2');
  await world.clock.advance(60_000);
  assert.ok(reflector.isListed('n2') && reflector.reached('n2', '0'));
  assert.deepEqual(world.changes, ['added a 01', 'added a 02']);
});

test('a namespace whose list only fails is waited for', async () => {
  const world = new World();
  world.fault = ({ namespace }) => (namespace === 'n2' ? { kind: 'refuse', status: 500 } : undefined);
  const reflector = world.start({ namespaces: ['n1', 'n2'] });
  await world.clock.advance(300_000);
  assert.deepEqual([reflector.isListed('n1'), reflector.isSynced], [true, false]);
});

test('a namespace is listed when all of it has been told, not before', async () => {
  const world = new World();
  world.create('a');
  const told: boolean[] = [];
  const reflector = startReflector({
    cluster: openCluster(world.server.wire(), { timers: world.clock, random: () => 0.5 }),
    ...{ kind: JOBS, namespaces: [NAMESPACE], project: (job: Job) => job, cache: new ObjectCache<Job>() },
    onChange: () => told.push(reflector.isListed(NAMESPACE)),
    timers: world.clock,
  });
  await world.clock.advance(0);
  world.create('b');
  await world.clock.advance(0);
  assert.deepEqual(told, [false, true]);
  await reflector.stop();
});

test('the gate opens with the event that reaches a version, of any length', async () => {
  const world = new World();
  world.server.store.skip(Number.MAX_SAFE_INTEGER - 2 ** 20);
  const reflector = world.start();
  assert.ok(!reflector.reached(NAMESPACE, '1'), 'before the list');
  await world.clock.advance(0);
  world.watch.hold();
  world.create('a');
  const version = `${world.server.store.version}`;
  await world.clock.advance(0);
  assert.ok(!reflector.reached(NAMESPACE, version));
  world.watch.release();
  await world.clock.advance(0);
  assert.ok(reflector.reached(NAMESPACE, version));
  const bookmark = { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9007199254740992' } } };
  world.watch.write(`${JSON.stringify(bookmark)}\n`);
  await world.clock.advance(0);
  assert.ok(reflector.reached(NAMESPACE, '9007199254740992'));
  assert.ok(!reflector.reached(NAMESPACE, '9007199254740993'), 'to a double they are the same');
});

test('a watch that ends is begun again at once from where it ended, without a list', async () => {
  const world = new World();
  await world.follow();
  world.create('a');
  await world.clock.advance(451_000); // timeoutSeconds: the middle of 300..600
  assert.equal(world.verbs, 'list watch watch');
  world.create('b');
  await world.clock.advance(0);
  assert.deepEqual(world.changes, ['added a 01', 'added b 02']);
  assert.equal(world.problems.length, 0);
});

test('a healthy quiet watch lives on its bookmarks', async () => {
  const world = new World();
  const reflector = await world.follow();
  const { watch } = world;
  await world.clock.advance(440_000);
  assert.equal(world.watch, watch);
  assert.ok(reflector.quietMs() < 60_000);
  assert.ok(reflector.silentMs < 60_000);
});

test('a namespace that may not be read any more is quiet, but the API server is not silent', async () => {
  const world = new World();
  const reflector = await world.follow({ namespaces: ['n1', 'n2'] });
  world.fault = ({ namespace }) => (namespace === 'n2' ? { kind: 'refuse', status: 403 } : undefined);
  for (const watch of [...world.server.watches]) watch.cut();
  await world.clock.advance(400_000);
  assert.ok(reflector.quietMs() > 300_000, `${reflector.quietMs()}`);
  assert.ok(reflector.silentMs < 60_000, `${reflector.silentMs}`);
  world.fault = () => ({ kind: 'lost' });
  for (const watch of [...world.server.watches]) watch.cut();
  await world.clock.advance(400_000);
  assert.ok(reflector.silentMs > 300_000, `${reflector.silentMs}`);
});

test('a wait that the API server asks for is no silence', async () => {
  const world = new World();
  const reflector = await world.follow();
  world.fault = ({ verb }) => (verb === 'watch' ? { kind: 'refuse', status: 429, retryAfter: '250' } : undefined);
  for (const watch of [...world.server.watches]) watch.cut();
  await world.clock.advance(240_000);
  assert.ok(reflector.quietMs() > 230_000);
  assert.ok(reflector.silentMs < 60_000, `${reflector.silentMs}`);
});

test('K11: a watch that is cut every second misses nothing, and does not hammer', async () => {
  const world = new World();
  await world.follow();
  for (let second = 0; second < 120; second++) {
    world.create(`j${second}`);
    if (second % 3 === 0) world.delete(`j${second}`);
    world.server.watches[0]?.cut();
    await world.clock.advance(1_000);
  }
  await world.clock.advance(30_000);
  world.assertSame();
  assert.ok(world.seen.length < 60, `${world.seen.length} requests in 150 s`);
});

test('K12: a half-open watch is given up after 75 s and begun anew; what happened meanwhile is seen', async () => {
  const world = new World();
  await world.follow();
  const dead = world.watch;
  dead.hold();
  world.create('a');
  await world.clock.advance(74_999);
  assert.deepEqual(world.changes, []);
  assert.equal(world.watch, dead);
  await world.clock.advance(1);
  assert.deepEqual(world.changes, ['added a 01']);
  assert.ok(world.watch !== dead, 'another connection');
  assert.equal(world.verbs, 'list watch watch');
});

test('K12: an API server whose watches say nothing at all is listed instead', async () => {
  const world = new World();
  await world.follow();
  world.watch.hold();
  await world.clock.advance(75_000);
  world.watch.hold();
  world.create('a');
  await world.clock.advance(75_000);
  assert.equal(world.verbs, 'list watch watch list watch');
  assert.ok(world.cache.get(NAMESPACE, 'a'));
});

test('K13: 410 as an HTTP status when a watch begins: listed anew', async () => {
  const world = new World();
  await world.follow();
  world.fault = ({ verb }) => (verb === 'watch' ? { kind: 'refuse', status: 410, reason: 'Expired' } : undefined);
  world.watch.cut();
  await world.clock.advance(600);
  world.fault = () => undefined;
  await world.clock.advance(3_000);
  assert.equal(world.verbs, 'list watch watch list watch');
});

test('K13: 410 as the first event of a watch: listed anew', async () => {
  const world = new World();
  world.create('a');
  await world.follow();
  world.watch.hold();
  world.create('b');
  world.delete('a');
  world.loseHistory();
  await world.clock.advance(3_000);
  assert.equal(world.verbs, 'list watch watch list watch');
  assert.deepEqual(world.changes, ['added a 01', 'deleted a 01', 'added b 02']);
});

test('K13: 410 in the middle of the pages: all pages are dropped, and the first is asked for again', async () => {
  const world = new World();
  for (let index = 0; index < 7; index++) world.create(`j${index}`);
  let lists = 0;
  world.fault = ({ verb }) => {
    if (verb === 'list' && ++lists === 3) {
      world.delete('j0');
      world.server.store.compact();
    }
    return undefined;
  };
  const reflector = world.start({ kind: { ...JOBS, pageSize: 3 } });
  await world.clock.advance(0);
  assert.deepEqual(world.changes, [], 'nothing of a list that is not whole');
  await world.clock.advance(1_000);
  await reflector.synced;
  assert.equal(world.verbs, 'list list list list list watch');
  assert.equal(world.changes.length, 6);
  world.assertSame();
});

test('K13: an API server that says 410 to everything is asked less and less', async () => {
  const world = new World();
  await world.follow();
  world.fault = ({ verb }) => (verb === 'watch' ? { kind: 'refuse', status: 410, reason: 'Expired' } : undefined);
  world.watch.cut();
  await world.clock.advance(120_000);
  assert.ok(world.seen.length < 40, `${world.seen.length} requests in two minutes`);
});

const event = (type: string, metadata: Record<string, string>) => `${JSON.stringify({ type, object: { metadata } })}\n`;
const garbage: Record<string, (watch: Watch) => void> = {
  'a line that is no JSON': (watch) => watch.write('{"type":"ADD\n'),
  'a line that is cut': (watch) => {
    watch.write('{"type":"ADDED","obj');
    watch.end();
  },
  'a line of 5 MiB': (watch) => watch.write(`"${'x'.repeat(5 * 1024 * 1024)}`),
  'an object without a UID': (watch) => watch.write(event('ADDED', { name: 'x', resourceVersion: '999' })),
  'a version that is no number': (watch) => watch.write(event('ADDED', { name: 'x', uid: 'u', resourceVersion: 'a' })),
  'an unknown type of event': (watch) => watch.write(event('WHAT', { name: 'x', uid: 'u', resourceVersion: '999' })),
  'an error that is not 410': (watch) => watch.fail(500, 'InternalError'),
};
for (const [what, spoil] of Object.entries(garbage)) {
  test(`K18: ${what}: the watch is begun again where it was`, async () => {
    const world = new World();
    await world.follow();
    spoil(world.watch);
    await world.clock.advance(0);
    world.create('a');
    await world.clock.advance(1_000);
    assert.equal(world.verbs, 'list watch watch');
    assert.deepEqual(world.changes, ['added a 01']);
    assert.equal(world.problems.length, 1);
  });
}

test('K18: two failed watches in a row, and the version itself is doubted: listed anew', async () => {
  const world = new World();
  await world.follow();
  world.watch.write('garbage\n');
  await world.clock.advance(1_000);
  world.watch.write('garbage\n');
  await world.clock.advance(3_000);
  assert.equal(world.verbs, 'list watch watch list watch');
});

test('a good line between two failures keeps the version', async () => {
  const world = new World();
  await world.follow();
  for (let round = 0; round < 3; round++) {
    world.watch.write('garbage\n');
    await world.clock.advance(5_000);
    world.create(`j${round}`);
    await world.clock.advance(0);
  }
  assert.equal(world.verbs, 'list watch watch watch watch');
});

test('failures wait a random part of 0.8 s, 1.6 s, 3.2 s, … up to 30 s, anew after 2 min without one', async () => {
  const world = new World();
  await world.follow();
  world.fault = ({ verb }) => (verb === 'watch' ? { kind: 'lost' } : undefined);
  world.watch.cut();
  await world.clock.advance(120_000);
  assert.deepEqual(
    world.problems.slice(0, 7).map(({ waitMs }) => waitMs),
    [400, 800, 1_600, 3_200, 6_400, 12_800, 15_000],
  );
  world.fault = () => undefined;
  await world.clock.advance(200_000);
  const before = world.problems.length;
  world.watch.cut();
  await world.clock.advance(0);
  assert.equal(world.problems[before]?.waitMs, 400);
});

test('K6: a watch that is told to wait by Retry-After waits so long', async () => {
  const world = new World();
  await world.follow();
  world.fault = ({ verb }) =>
    verb === 'watch' ? { kind: 'refuse', status: 429, reason: 'TooManyRequests', retryAfter: '120' } : undefined;
  world.watch.cut();
  await world.clock.advance(120_400);
  assert.equal(world.verbs, 'list watch watch');
  world.fault = () => undefined;
  await world.clock.advance(1_000);
  assert.equal(world.verbs, 'list watch watch list watch');
});

test('a watch that ends at once, again and again, is no hot loop', async () => {
  const world = new World();
  await world.follow();
  for (let round = 0; round < 200; round++) {
    world.server.watches[0]?.end();
    await world.clock.advance(100);
  }
  assert.ok(world.seen.length < 40, `${world.seen.length} requests in 20 s`);
});

test('K14: events that are late come late, and none is lost', async () => {
  const world = new World();
  await world.follow();
  world.watch.hold();
  world.create('a');
  world.create('b');
  world.delete('a');
  await world.clock.advance(70_000);
  assert.deepEqual(world.changes, []);
  world.watch.release();
  await world.clock.advance(0);
  assert.deepEqual(world.changes, ['added a 01', 'added b 02', 'deleted a 01']);
});

test('K15: repeated events are one', async () => {
  const world = new World();
  await world.follow();
  world.watch.spoil = (line) => [line, line];
  world.create('a');
  world.touch('a');
  world.create('b');
  world.delete('b');
  await world.clock.advance(0);
  assert.deepEqual(world.changes, ['added a 01', 'modified a 01', 'added b 02', 'deleted b 02']);
  assert.equal(world.problems.length, 0);
});

test('K15: events in the wrong order are put right by a list', async () => {
  const world = new World();
  await world.follow();
  let kept: string | undefined;
  world.watch.spoil = (line) => {
    if (kept !== undefined) return [line, kept];
    kept = line;
    return [];
  };
  world.create('a');
  world.create('b');
  await world.clock.advance(1_000);
  assert.equal(world.verbs, 'list watch list watch');
  world.assertSame();
});

test('K15: an old event of an object that is gone does not bring it back', async () => {
  const world = new World();
  await world.follow();
  const lines: string[] = [];
  world.watch.spoil = (line) => {
    lines.push(line);
    return [line];
  };
  world.create('a');
  world.delete('a');
  world.watch.write(`${lines[0]}\n`);
  await world.clock.advance(1_000);
  world.assertSame();
});

test('K16: a list that is older than what was seen is caught up with by its watch', async () => {
  const world = new World();
  const reflector = await world.follow();
  world.create('a');
  const { version } = world.server.store;
  world.create('b');
  world.delete('a');
  await world.clock.advance(0);
  world.fault = ({ verb }) => (verb === 'list' ? { kind: 'stale', version } : undefined);
  world.watch.fail(410, 'Expired');
  await world.clock.advance(1_000);
  world.assertSame();
  assert.deepEqual(world.changes.slice(3), ['deleted b 02', 'added a 01', 'added b 02', 'deleted a 01']);
  assert.ok(reflector.reached(NAMESPACE, `${world.server.store.version}`));
});

test('K16: an API server that was put back to an older state is noticed by its bookmark', async () => {
  const world = new World();
  world.create('a');
  await world.follow();
  world.watch.bookmark(5);
  await world.clock.advance(1_000);
  assert.equal(world.verbs, 'list watch list watch');
});

test('K17: deleted and created again in a gap: two changes, told by the UID', async () => {
  const world = new World();
  world.create('a');
  await world.follow();
  world.watch.hold();
  world.delete('a');
  world.create('a');
  world.loseHistory();
  await world.clock.advance(3_000);
  assert.deepEqual(world.changes, ['added a 01', 'deleted a 01', 'added a 02']);
});

test('K17: created again, and the watch never told of the end: two changes as well', async () => {
  const world = new World();
  world.create('a');
  await world.follow();
  world.watch.spoil = (line) => (line.includes('DELETED') ? [] : [line]);
  world.delete('a');
  world.create('a');
  await world.clock.advance(0);
  assert.deepEqual(world.changes, ['added a 01', 'deleted a 01', 'added a 02']);
});

test('an object that disappeared in a gap is deleted; one that stayed as it was is no change', async () => {
  const world = new World();
  world.create('a');
  world.create('b');
  await world.follow();
  const a = world.cache.get(NAMESPACE, 'a');
  world.watch.hold();
  world.delete('b');
  world.loseHistory();
  await world.clock.advance(3_000);
  assert.deepEqual(world.changes, ['added a 01', 'added b 02', 'deleted b 02']);
  assert.equal(world.cache.get(NAMESPACE, 'a'), a, 'the very object: nothing was allocated for it');
});

test('a callback that throws, or an object that cannot be read, stops nothing', async () => {
  const world = new World();
  world.create('bad');
  const names: string[] = [];
  const reflector = startReflector({
    cluster: openCluster(world.server.wire(), { timers: world.clock, random: () => 0.5 }),
    kind: JOBS,
    namespaces: [NAMESPACE],
    project: (object) => {
      if (object.metadata.name === 'bad') throw new Error('cannot read it');
      return object;
    },
    cache: new ObjectCache(),
    onChange: ({ metadata }) => {
      names.push(metadata.name);
      throw new Error('a bug');
    },
    onProblem: (problem) => world.problems.push(problem),
    timers: world.clock,
  });
  await world.clock.advance(0);
  await reflector.synced;
  world.create('a');
  world.create('b');
  await world.clock.advance(0);
  assert.deepEqual(names, ['a', 'b']);
  assert.equal(world.problems.length, 3);
});

test('stopping ends the watch, and nothing is left behind', async () => {
  const world = new World();
  const reflector = await world.follow();
  await reflector.stop();
  assert.equal(world.server.watches.length, 0);
  await world.clock.advance(1_000_000);
  assert.equal(world.verbs, 'list watch');
  assert.equal(world.clock.waiting, 0);
});

test('stopping ends a wait too', async () => {
  const world = new World();
  world.fault = () => ({ kind: 'refuse', status: 503, retryAfter: '300' });
  const reflector = world.start();
  await world.clock.advance(1_000);
  await reflector.stop();
  assert.equal(world.clock.waiting, 0);
});
