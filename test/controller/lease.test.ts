import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Elector, LeaseLostError, leaseIn, startElector } from '../../src/controller/lease.ts';
import { openCluster } from '../../src/shared/calls.ts';
import { LEASES } from '../../src/shared/kinds.ts';
import { FakeApiServer, type Fault } from '../fakes/api-server.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

const WHERE = { namespace: 'default', name: 'cnn-sweep-controller' };

/** Controllers that run for one lease, each with a monotonic clock of its own. */
class Election {
  readonly clock = new VirtualClock();
  readonly server = new FakeApiServer({ timers: this.clock });
  readonly events: string[] = [];

  start(identity: string, { wallClock = () => new Date(0), clock = this.clock } = {}): Elector {
    const cluster = openCluster(this.server.wire(identity), { timers: clock });
    return startElector({
      store: leaseIn(cluster, WHERE, 5_000),
      identity,
      timers: clock,
      random: () => 0.5,
      wallClock,
      onElected: () => this.events.push(`${identity} leads`),
      onLost: (why) => this.events.push(`${identity} lost: ${why}`),
    });
  }

  /** Until undone every request of a client fares like this. */
  spoil(client: string, fault: Fault): void {
    this.server.fault = (request) => (request.client === client ? fault : undefined);
  }

  heal(): void {
    this.server.fault = () => undefined;
  }

  get holder(): unknown {
    return this.spec.holderIdentity;
  }

  get spec(): Record<string, unknown> {
    return this.server.store.get({ plural: LEASES.plural, ...WHERE }).spec as Record<string, unknown>;
  }
}

test('the first one leads at once, and its lease says since when and for how long', async () => {
  const election = new Election();
  const elector = election.start('a', { wallClock: () => new Date('2026-01-02T03:04:05.678Z') });
  await election.clock.advance(0);
  assert.ok(elector.leads);
  assert.deepEqual(election.spec, {
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    acquireTime: '2026-01-02T03:04:05.678000Z',
    renewTime: '2026-01-02T03:04:05.678000Z',
    leaseTransitions: 0,
  });
  elector.assertLeading();
});

test('the leader renews every 2 to 2.4 s and stays, even if its wall clock stands still; the other one never leads', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(0);
  const other = election.start('b');
  await election.clock.advance(600_000);
  assert.deepEqual(election.events, ['a leads']);
  assert.ok(elector.renewedWithin(2_400) && !other.leads);
  const renewals = election.server.writes.filter(({ client }) => client === 'a').length;
  assert.ok(renewals > 600 / 2.4 && renewals < 600 / 2 + 2, `${renewals} renewals`);
  assert.equal(election.server.writes.filter(({ client }) => client === 'b').length, 0);
});

test('a lease is taken over when its record stood still for 15 s, not sooner', async () => {
  const election = new Election();
  election.start('a');
  await election.clock.advance(1_000);
  election.start('b');
  await election.clock.advance(1_000);
  election.spoil('a', { kind: 'lost' });
  await election.clock.advance(13_000);
  assert.equal(election.holder, 'a');
  await election.clock.advance(6_000);
  assert.deepEqual(election.events, ['a leads', 'a lost: the lease was not renewed in 10 s', 'b leads']);
  assert.equal(election.spec.leaseTransitions, 1);
});

test('K32: clocks that are an hour apart elect one leader', async () => {
  const election = new Election();
  election.start('a', { wallClock: () => new Date('2026-01-01T00:00:00Z') });
  await election.clock.advance(1_000);
  election.start('b', { wallClock: () => new Date('2026-01-01T01:00:00Z') });
  election.start('c', { wallClock: () => new Date('2025-12-31T23:00:00Z') });
  await election.clock.advance(300_000);
  assert.deepEqual(election.events, ['a leads']);
});

test('K30: a leader that was frozen for 12 s may send nothing more', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(5_000);
  elector.assertLeading();
  election.clock.freeze(12_000);
  assert.throws(() => elector.assertLeading(), LeaseLostError);
  assert.ok(!elector.renewedWithin(10_000));
  await election.clock.advance(0);
  assert.match(election.events.at(-1) ?? '', /^a lost: /);
});

test('K31: whoever was overtaken while frozen finds out and writes nothing', async () => {
  const election = new Election();
  const slow = new VirtualClock();
  const elector = election.start('a', { clock: slow });
  await slow.advance(1_000);
  election.start('b');
  await election.clock.advance(30_000); // a's clock stands still: the process is frozen
  assert.equal(election.holder, 'b');
  assert.ok(elector.leads, 'it does not know');
  await slow.advance(3_000);
  assert.deepEqual(election.events, ['a leads', 'b leads', 'a lost: the lease is held by "b"']);
  assert.throws(() => elector.assertLeading(), { name: 'LeaseLostError', message: 'the lease is not held' });
});

test('a renewal whose answer was lost is no loss', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(1_000);
  election.spoil('a', { kind: 'cut' });
  await election.clock.advance(3_000);
  election.heal();
  await election.clock.advance(60_000);
  assert.deepEqual(election.events, ['a leads']);
  assert.ok(elector.renewedWithin(3_000));
});

test('a claim whose answer was lost is taken up again, without waiting', async () => {
  const election = new Election();
  election.server.fault = ({ verb }) => (verb === 'create' ? { kind: 'cut' } : undefined);
  election.start('a');
  await election.clock.advance(0);
  assert.equal(election.holder, 'a');
  assert.deepEqual(election.events, []);
  await election.clock.advance(3_000);
  assert.deepEqual(election.events, ['a leads']);
});

test('an API server that hangs costs the lease after 10 s, counted from when the last renewal was sent', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(100);
  election.spoil('a', { kind: 'hang', done: false });
  await election.clock.advance(9_800);
  elector.assertLeading();
  await election.clock.advance(100);
  assert.deepEqual(election.events, ['a leads', 'a lost: the lease was not renewed in 10 s']);
});

test('an API server that takes 4.9 s for everything costs no lease', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(1_000);
  election.spoil('a', { kind: 'late', ms: 4_900 });
  await election.clock.advance(60_000);
  assert.deepEqual(election.events, ['a leads']);
  assert.ok(elector.leads, 'slow is not lost');
});

test('a renewal is as old as its request, not as its answer', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(1_000);
  election.spoil('a', { kind: 'late', ms: 3_000 });
  await election.clock.advance(4_300); // sent after 2.2 s, answered after 5.2 s
  assert.ok(elector.renewedWithin(3_200));
  assert.ok(!elector.renewedWithin(3_000));
});

test('a released lease is taken at once, and the one who released it never leads again', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(0);
  election.start('b');
  await election.clock.advance(1_000);
  await elector.release();
  assert.equal(election.holder, '');
  assert.throws(() => elector.assertLeading(), LeaseLostError);
  await election.clock.advance(2_400);
  assert.equal(election.holder, 'b');
  await election.clock.advance(60_000);
  assert.deepEqual(election.events, ['a leads', 'b leads']);
});

test('who releases what is another one’s by now leaves it alone', async () => {
  const election = new Election();
  const slow = new VirtualClock();
  const elector = election.start('a', { clock: slow });
  await slow.advance(100);
  election.start('b');
  await election.clock.advance(30_000);
  await elector.release();
  assert.equal(election.holder, 'b');
});

test('a candidate that gives up writes nothing', async () => {
  const election = new Election();
  election.start('a');
  await election.clock.advance(0);
  const other = election.start('b');
  await election.clock.advance(1_000);
  await other.release();
  await election.clock.advance(60_000);
  assert.equal(election.server.writes.filter(({ client }) => client === 'b').length, 0);
});

test('a lease that somebody deleted is made anew by its leader', async () => {
  const election = new Election();
  election.start('a');
  await election.clock.advance(1_000);
  election.server.store.delete({ plural: LEASES.plural, ...WHERE });
  await election.clock.advance(10_000);
  assert.equal(election.holder, 'a');
  assert.deepEqual(election.events, ['a leads']);
});

test('the guard lets nothing out 10 s after the last renewal, retries included', async () => {
  const election = new Election();
  const elector = election.start('a');
  await election.clock.advance(100);
  const cluster = openCluster(election.server.wire('work'), {
    timers: election.clock,
    random: () => 0.5,
    beforeWrite: () => elector.assertLeading(),
  });
  election.server.fault = () => ({ kind: 'lost' });
  const written = cluster.create(LEASES, {
    apiVersion: LEASES.apiVersion,
    kind: LEASES.kind,
    metadata: { namespace: 'default', name: 'other' },
  });
  const refused = assert.rejects(written, LeaseLostError);
  await election.clock.advance(60_000);
  await refused;
  const last = election.server.writes.filter(({ client }) => client === 'work').at(-1);
  assert.ok(last && last.at < 10_000, `sent at ${last?.at}`);
});
