import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingCluster, needsOwn, openAnyCluster } from './any-cluster.ts';
import { until } from './controller.ts';
import { openMutation } from './mutation.ts';
import { each, LEASE, type Place, Places, TRIALS } from './place.ts';

const missing = await missingCluster();
const options = missing === undefined ? {} : { skip: missing };
const audit = { skip: needsOwn('the audit log of its API server') };
const proxy = { skip: needsOwn('a proxy before its API server') };
const reach = { skip: needsOwn('an API server that reaches this machine') };
const user = { skip: needsOwn('another user of its API server') };
const OVER_MS = 90_000;

const isWrite = (verb: string) => !['get', 'list', 'watch'].includes(verb);

describe('people and other controllers', { ...options, timeout: 420_000, concurrency: 4 }, () => {
  let places: Places;

  before(async () => {
    places = await Places.open(await openAnyCluster());
  });
  after(() => (places as Places | undefined)?.close()); // not there if its start failed

  test('J10: a Job that is deleted before its record is named as lost, and its trial runs again', async () => {
    const place = await places.create('lost');
    await place.start();
    await place.createSweep({ isHeld: true });
    const [job] = await place.jobsOnceThere(2);
    await place.kubectl('delete', 'job', `${job?.metadata.name}`);
    const { message } = await place.degraded('Lost');
    assert.match(message, /^Job study-[0-9a-f]{6}-0: vanished before the result of trial 0 was recorded/);
    await place.letRun();
    await place.isOver();
    await place.degraded('AsExpected');
    assert.deepEqual(await place.created(), ['0', ...each(TRIALS)]);
  });

  test('J11: a Job that is deleted after its record does not run again', async () => {
    const place = await places.create('recorded');
    const controller = await place.start(['--delete-delay-seconds=3600']);
    await place.createSweep();
    await place.isPhase('Complete');
    for (const { metadata } of await place.jobsOnceThere(TRIALS)) await place.kubectl('delete', 'job', metadata.name);
    await sleep(5_000);
    assert.deepEqual(await place.jobs(), []);
    await controller.stop();
    await (await place.start()).line('listed');
    await sleep(3_000);
    await place.isOver();
    assert.deepEqual(await place.created(), each(TRIALS));
  });

  test('K29: a Job that somebody suspends is named, and goes on when it may', async () => {
    const place = await places.create('suspended');
    await place.start();
    await place.createSweep({ isHeld: true });
    const [job] = await place.jobsOnceThere(2);
    const patch = (suspend: boolean) =>
      place.kubectl(
        'patch',
        'job',
        `${job?.metadata.name}`,
        '--type=merge',
        '--patch',
        JSON.stringify({ spec: { suspend } }),
      );
    await patch(true);
    const { message } = await place.degraded('NoProgress');
    assert.match(
      message,
      /^Job study-[0-9a-f]{6}-0: somebody suspended it: set its spec\.suspend to false, or delete it/,
    );
    await patch(false);
    await place.letRun();
    await place.isOver();
    assert.deepEqual(await place.created(), each(TRIALS));
  });

  test('K29: a Job that somebody disowns or relabels is a stranger, left alone, and ours again when it is given back', async () => {
    const place = await places.create('strangers');
    await place.start();
    await place.createSweep({ isHeld: true });
    const [first, second] = await place.jobsOnceThere(2);
    const [disowned, relabelled] = [`${first?.metadata.name}`, `${second?.metadata.name}`];
    await place.kubectl(
      'patch',
      'job',
      disowned,
      '--type=json',
      '--patch',
      '[{"op":"remove","path":"/metadata/ownerReferences"}]',
    );
    await place.kubectl('label', 'job', relabelled, '--overwrite', 'cnn-sweep.dev/trial=3');
    const { message } = await place.degraded('NameCollision');
    assert.match(message, new RegExp(`^Job ${disowned}: has the name that trial 0 needs, and is not ours`));
    await place.kubectl('label', 'job', relabelled, '--overwrite', 'cnn-sweep.dev/trial=1');
    await place.letRun();
    await place.succeeded(TRIALS - 1);
    const left = await place.jobs();
    assert.ok(
      left.some(({ metadata }) => metadata.name === disowned),
      'the stranger is still there',
    );
    await place.kubectl('delete', 'job', disowned);
    await place.isOver();
    assert.deepEqual(await place.created(), ['0', ...each(TRIALS)]);
  });

  test('K25: a namespace that is deleted under a sweep goes, and nobody asks for it any more', audit, async () => {
    const place = await places.create('goes');
    const controller = await place.start();
    await place.createSweep({ isHeld: true });
    await place.jobsOnceThere(2);
    await places.cluster.kubectl('delete', 'namespace', place.namespace, '--timeout=60s');
    await sleep(3_000);
    const before = (await place.audit()).length;
    await sleep(8_000);
    const later = (await place.audit()).slice(before);
    assert.deepEqual(later, []);
    assert.equal(await controller.stop(), 0);
  });

  test('K31: two controllers that both lead do no more than one', async () => {
    const place = await places.create('both');
    await place.createSweep({ trials: 12, parallelism: 3 });
    await Promise.all([place.start(['--no-leader-elect']), place.start(['--no-leader-elect'])]);
    let most = 0;
    const count = async () => {
      const alive = (await place.jobs()).filter(
        ({ status }) => !status?.conditions?.some(({ status }) => status === 'True'),
      );
      most = Math.max(most, alive.length);
      return (await place.status())?.phase === 'Complete' ? true : undefined;
    };
    await until(count, 'the end', OVER_MS, 50);
    await place.isOver(12);
    assert.ok(most <= 3, `${most} Jobs at once`);
    assert.deepEqual(await place.created(), each(12));
  });

  test(
    'K30: a leader that stood still for longer than its lease sends nothing more, and its follower loses nothing',
    proxy,
    async () => {
      const place = await places.create('frozen');
      await place.createSweep({ isHeld: true });
      const { proxy: way, kubeconfig } = await place.openProxy('frozen');
      const leader = await place.start(LEASE, kubeconfig);
      await place.jobsOnceThere(2);
      process.kill(leader.pid, 'SIGSTOP');
      await place.start(LEASE);
      await place.letRun();
      await place.succeeded(2);
      const before = way.requests.length;
      process.kill(leader.pid, 'SIGCONT');
      await leader.line('lease lost');
      assert.equal(await leader.stop('SIGCONT'), 1);
      assert.deepEqual(
        way.requests.slice(before).filter(({ verb, plural }) => isWrite(verb) && plural !== 'leases'),
        [],
      );
      await place.isOver();
      assert.deepEqual(await place.created(), each(TRIALS));
    },
  );

  for (const cascade of ['background', 'foreground', 'orphan'] as const) {
    test(
      `K26: a Sweep that is deleted (${cascade}) while it starts trials leaves nothing but what was to be left`,
      audit,
      async () => {
        const place = await places.create(`deleted-${cascade}`);
        const controller = await place.start();
        await place.createSweep({ trials: 40, parallelism: 40, isHeld: true });
        await until(async () => ((await place.jobs()).length > 5 ? true : undefined), 'some Jobs', 30_000, 20);
        await place.kubectl('delete', 'sweep', 'study', `--cascade=${cascade}`, '--timeout=60s');
        if (cascade !== 'orphan') await place.jobsOnceThere(0);
        await sleep(5_000);
        const left = await place.jobs();
        const before = await place.audit();
        await sleep(5_000);
        assert.deepEqual((await place.audit()).slice(before.length), [], 'nobody asks for it any more');
        assert.equal((await place.jobs()).length, left.length);
        if (cascade === 'orphan') {
          assert.ok(left.length > 0, 'orphans are left alone');
          assert.ok(left.every(({ metadata }) => metadata.ownerReferences === undefined));
        } else assert.deepEqual(await place.pods(), []);
        assert.equal(await controller.stop(), 0);
      },
    );
  }

  test('K27: a Sweep that a foreign finalizer holds is named, and nothing is started any more', async () => {
    const place = await places.create('held');
    await place.start();
    await place.createSweep({ isHeld: true, finalizers: ['example.com/mine'] });
    await place.jobsOnceThere(2);
    await place.kubectl('delete', 'sweep', 'study', '--wait=false');
    const created = await place.created();
    await place.letRun();
    const { message } = await place.degraded('Terminating');
    assert.match(message, /^Sweep study: being deleted, but held by the finalizer example\.com\/mine/);
    assert.deepEqual(await place.created(), created);
    await place.kubectl('patch', 'sweep', 'study', '--type=merge', '--patch', '{"metadata":{"finalizers":null}}');
    await place.jobsOnceThere(0);
  });

  test('K17: a Sweep that is created again under its name has results of its own alone', async () => {
    const place = await places.create('again');
    await place.start();
    await place.createSweep();
    await place.isPhase('Complete');
    const old = new Set((await place.records()).map(({ attemptUID }) => attemptUID));
    await place.kubectl('delete', 'sweep', 'study', '--wait=false');
    await place.createSweep({ trials: 3 });
    await place.isOver(3);
    const attempts = (await place.records()).map(({ attemptUID }) => attemptUID);
    assert.ok(attempts.every((uid) => !old.has(uid)));
    assert.deepEqual(await place.created(), ['0', '0', '1', '1', '2', '2', '3']);
  });

  test('K17: a Job that somebody creates again under its name is a stranger', async () => {
    const place = await places.create('replaced');
    await place.start();
    await place.createSweep({ isHeld: true });
    const [job] = await place.jobsOnceThere(2);
    const name = `${job?.metadata.name}`;
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'x', image: 'x' }] } };
    const mine = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { suspend: true, template } };
    await place.kubectl('delete', 'job', name);
    await place.apply(mine);
    const { message } = await place.degraded('NameCollision');
    assert.match(message, new RegExp(`^Job ${name}: has the name that trial 0 needs, and is not ours`));
    await place.letRun();
    await place.succeeded(TRIALS - 1);
    assert.equal((await place.jobs()).filter(({ metadata }) => metadata.name === name).length, 1);
    await place.kubectl('delete', 'job', name);
    await place.isOver();
    assert.deepEqual(await place.created(), ['0', ...each(TRIALS)]);
  });

  test('K20: rights that are taken away are named, and given back nothing is lost', user, async () => {
    const place = await places.create('no-right');
    await grant(place, MOST);
    await place.start([`--lease-namespace=${place.namespace}`], places.own.api.kubeconfigs.alice);
    await place.createSweep();
    const { message } = await place.degraded('Forbidden');
    assert.match(message, /^Job of trial 0: .*jobs\.batch is forbidden: User "alice" cannot create resource "jobs"/);
    await grant(place, CREATES);
    // Jobs that stay keep nobody from running or being recorded.
    await place.succeeded(TRIALS);
    const { message: undeleted } = await place.degraded('Forbidden');
    assert.match(
      undeleted,
      /^Job study-\S+: cannot be deleted: .*User "alice" cannot delete resource "jobs".*: give the con/,
    );
    await grant(place, DELETES);
    await place.isOver();
    await place.degraded('AsExpected');
    assert.deepEqual(await place.created(), each(TRIALS));
  });

  test(
    'K20: a controller that starts without the rights in one namespace runs the Sweeps of the other',
    user,
    async () => {
      const open = await places.create('open');
      const closed = await places.create('closed');
      await grant(open, MOST, CREATES, DELETES);
      for (const place of [open, closed]) await place.createSweep();
      // The one that may not be read first: whoever stops there never leads.
      const namespaces = `--namespaces=${closed.namespace},${open.namespace}`;
      const args = [namespaces, `--lease-namespace=${open.namespace}`];
      const controller = await open.start(args, places.own.api.kubeconfigs.alice);
      const { fields } = await controller.line('cannot read');
      assert.equal(fields.namespace, closed.namespace);
      await open.isOver();
      assert.deepEqual(await closed.jobs(), []);
      await grant(closed, MOST, CREATES, DELETES);
      await closed.isOver();
      for (const place of [open, closed]) assert.deepEqual(await place.created(), each(TRIALS));
      assert.equal(await controller.stop(), 0);
    },
  );

  // Our own Pods keep to the strictest level: only what others change about them can break it.
  test('K22: pod security is named, and the sweep goes on without what broke it', reach, async () => {
    const place = await places.create('pod-security');
    const level = 'pod-security.kubernetes.io/enforce=restricted';
    await places.cluster.kubectl('label', 'namespace', place.namespace, level);
    const webhook = await openMutation({ op: 'add', path: '/spec/template/spec/hostNetwork', value: true });
    try {
      await place.apply(webhook.configurationFor(place.namespace));
      const isAsked = async () => {
        const probe = await place.kubectl('create', 'job', 'probe', '--image=x', '--dry-run=server', '--output=json');
        return JSON.parse(probe).spec.template.spec.hostNetwork === true || undefined;
      };
      await until(isAsked, 'the API server asks it', 30_000);
      await place.start();
      await place.createSweep();
      const { message } = await place.degraded('PodRefused');
      assert.match(message, /^Job study-\S+: .*violates PodSecurity "restricted:latest": host namespaces/);
      assert.match(message, /: change what it names in a new Sweep, or the policy of the namespace/);
    } finally {
      await places.cluster.kubectl('delete', 'mutatingwebhookconfiguration', 'others', '--ignore-not-found');
      await webhook.close();
    }
    // What was broken stays so: a person takes it away, and its trials get other Jobs.
    await place.kubectl('delete', 'jobs', '--all');
    await place.isOver();
    await place.degraded('AsExpected');
  });
});

const role = (name: string, rules: readonly object[]) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name },
  rules,
});
const MOST = role('most', [
  { apiGroups: ['cnn-sweep.dev', 'coordination.k8s.io'], resources: ['*'], verbs: ['*'] },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['pods', 'events'], verbs: ['*'] },
]);
const CREATES = role('creates', [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['create'] }]);
const DELETES = role('deletes', [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['delete'] }]);

/** Rights in one namespace, for a user who has none. */
async function grant(place: Place, ...roles: readonly (typeof MOST)[]): Promise<void> {
  for (const each of roles) {
    const { name } = each.metadata;
    await place.apply(each);
    await place.kubectl('create', 'rolebinding', name, `--role=${name}`, '--user=alice');
  }
}
