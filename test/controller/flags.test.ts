import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags } from '../../src/controller/flags.ts';

const IMAGE = '--trainer-image=x';

test('an image alone is enough', () => {
  const flags = parseFlags([IMAGE]);
  assert.deepEqual(flags.trainer, {
    image: 'x',
    pullPolicy: 'IfNotPresent',
    serviceAccountName: 'cnn-sweep-trainer',
    limits: {},
    requests: {},
  });
  assert.equal(flags.kueue, false);
  const { leaseMs, renewMs, retryMs, deleteDelayMs, port, namespaces, leaderElect } = flags;
  assert.deepEqual(
    { leaseMs, renewMs, retryMs, deleteDelayMs, port, namespaces, leaderElect },
    {
      leaseMs: 15_000,
      renewMs: 10_000,
      retryMs: 2_000,
      deleteDelayMs: 30_000,
      port: 9090,
      namespaces: undefined,
      leaderElect: true,
    },
  );
});

test('without NATS there is none', () => assert.equal(parseFlags([IMAGE]).nats, undefined));

test('NATS is a url, and who we are there', () => {
  const nats = ['--nats-url=tls://nats.team.svc:4222', '--nats-user=controller', '--nats-password-file=/p'];
  assert.deepEqual(parseFlags([IMAGE, ...nats, '--nats-ca-file=/ca', '--nats-callout-file=/c']).nats, {
    url: 'tls://nats.team.svc:4222',
    user: 'controller',
    passwordFile: '/p',
    caFile: '/ca',
    calloutFile: '/c',
    replicas: 1,
    streamBytes: 4 * 1024 ** 3,
    trainerSecret: undefined,
    purgeDelayMs: 600_000,
  });
});

test('--kueue asks for queues', () => assert.equal(parseFlags([IMAGE, '--kueue']).kueue, true));

const NAMESPACES: Record<string, readonly string[] | '*' | undefined> = {
  '': undefined,
  'a,b,a': ['a', 'b'],
  '*': '*',
  'a,*': '*',
};
for (const [value, want] of Object.entries(NAMESPACES)) {
  test(`--namespaces=${value} watches ${want ?? 'its own'}`, () => {
    assert.deepEqual(parseFlags([IMAGE, `--namespaces=${value}`]).namespaces, want);
  });
}

const REFUSED: Record<string, { args: readonly string[]; want: string | RegExp }> = {
  'no image': { args: [], want: '--trainer-image: missing' },
  'an empty image': { args: ['--trainer-image='], want: '--trainer-image: missing' },
  'an unknown flag': { args: [IMAGE, '--trainer-img=x'], want: /Unknown option '--trainer-img'/ },
  'a port in words': { args: [IMAGE, '--port=http'], want: '--port: "http": expected a number, 0 or above' },
  'an empty number': { args: [IMAGE, '--lease-seconds='], want: '--lease-seconds: "": expected a number, 0 or above' },
  'a negative delay': {
    args: [IMAGE, '--delete-delay-seconds=-1'],
    want: '--delete-delay-seconds: "-1": expected a number, 0 or above',
  },
  'a renew deadline as long as the lease': {
    args: [IMAGE, '--renew-seconds=15'],
    want: '--retry-seconds must be below --renew-seconds, and that below --lease-seconds',
  },
  'an unknown pull policy': {
    args: [IMAGE, '--trainer-pull-policy=always'],
    want: '--trainer-pull-policy: "always": expected Always, IfNotPresent, Never',
  },
  'limits that are no JSON': {
    args: [IMAGE, '--trainer-limits=memory=2Gi'],
    want: '--trainer-limits: "memory=2Gi": expected quantities as JSON, {"memory": "2Gi"}',
  },
  'a NATS server that is no url': {
    args: [IMAGE, '--nats-url=nats.team.svc'],
    want: '--nats-url: "nats.team.svc": expected tls://host:4222 or nats://host:4222',
  },
  'a stream of half a byte': {
    args: [IMAGE, '--nats-url=tls://a', '--nats-stream-bytes=0.5'],
    want: '--nats-stream-bytes: 0.5: expected whole bytes, 1 or more',
  },
  'a callout without a server': {
    args: [IMAGE, '--nats-callout-file=/c'],
    want: '--nats-callout-file: needs --nats-url',
  },
  'a callout, and a Secret that makes it needless': {
    args: [IMAGE, '--nats-url=tls://a', '--nats-callout-file=/c', '--trainer-nats-secret=s'],
    want: '--nats-callout-file and --trainer-nats-secret: trials use one of the two',
  },
  'requests that are a list': {
    args: [IMAGE, '--trainer-requests=["1"]'],
    want: '--trainer-requests: "[\\"1\\"]": expected quantities as JSON, {"memory": "2Gi"}',
  },
};
for (const [sentence, { args, want }] of Object.entries(REFUSED)) {
  test(`refused: ${sentence}`, () => {
    assert.throws(() => parseFlags(args), { name: 'InvalidConfigError', message: want });
  });
}
