import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect, headers, type NatsConnection, type NatsError } from 'nats';
import { CALLOUT_REFUSALS, type CalloutRules, type TokenReview } from '../../src/controller/callout.ts';
import { deriveAccountKey } from '../../src/controller/callout-account.ts';
import type { CalloutCluster } from '../../src/controller/callout-facts.ts';
import {
  answerCallout,
  CALLOUT_QUEUE,
  CALLOUT_SUBJECT,
  type CalloutDeps,
  type CalloutOutcome,
} from '../../src/controller/callout-responder.ts';
import { Turns } from '../../src/controller/callout-turns.ts';
import { readContents } from '../../src/controller/nats-contents.ts';
import { openLog } from '../../src/shared/log.ts';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { readModel, uploadModel } from '../../src/shared/nats-models.ts';
import { ensureStreams, purgeModel, readFill, streamSettings } from '../../src/shared/nats-streams.ts';
import { encodeMeasurements } from '../../src/sweep/message.ts';
import { type ChartNats, startChartNats } from '../cluster/nats-server.ts';
import { makeClusterSweep, makeJob, makePod, makeSweepObject, SWEEP_UID } from '../controller/builders.ts';
import { makeMeasurement } from '../sweep/builders.ts';
import { CHART, SKIP } from './helm.ts';

const RULES: CalloutRules = { audience: 'nats', serviceAccountName: 'cnn-sweep-trainer', namespaces: ['team'] };
const POD = 'aaaaaaaa-0000-4000-8000-000000000003';
const OTHER_POD = 'bbbbbbbb-0000-4000-8000-000000000004';
const ACCOUNT = 'system:serviceaccount:team:cnn-sweep-trainer';
const STREAMS = ['CNN_SWEEP', 'OBJ_CNN_SWEEP_MODELS'] as const;

const metaSubject = (trial: number, pod: string) =>
  `$O.CNN_SWEEP_MODELS.M.${Buffer.from(`${SWEEP_UID}/${trial}/${pod}`).toString('base64url')}`;

/** A cluster with two trials that run; tokens are words. */
function makeCluster(): CalloutCluster & { readonly dead: Set<string> } {
  const sweep = makeClusterSweep();
  const jobs = [3, 4].map((trial) => makeJob(sweep, trial));
  const pods = jobs.map((job, at) => makePod(job, { uid: [POD, OTHER_POD][at] ?? '', state: { running: {} } }));
  const bound = (at: number, changes: Partial<TokenReview> = {}): TokenReview => ({
    authenticated: true,
    audiences: ['nats'],
    username: ACCOUNT,
    podName: pods[at]?.metadata.name,
    podUID: pods[at]?.metadata.uid,
    error: undefined,
    ...changes,
  });
  const tokens: Readonly<Record<string, TokenReview>> = {
    three: bound(0),
    four: bound(1),
    audience: bound(0, { audiences: [] }),
    foreign: bound(0, { username: 'system:serviceaccount:team:default' }),
    rejected: bound(0, { authenticated: false, error: 'token expired' }),
  };
  const dead = new Set<string>();
  return {
    dead,
    review: async (token) => tokens[token] ?? bound(0, { authenticated: false, error: 'unknown' }),
    getPod: async ({ name }) => pods.find(({ metadata }) => metadata.name === name && !dead.has(metadata.uid)),
    getJob: async ({ name }) => jobs.find(({ metadata }) => metadata.name === name),
    getSweep: async () => makeSweepObject(),
  };
}

describe('a server configured by the chart', { skip: SKIP, timeout: 120_000 }, () => {
  let nats: ChartNats;
  let ca: string;
  let controller: NatsConnection;
  const cluster = makeCluster();
  const open: NatsConnection[] = [];
  const programs: Nats[] = [];
  const outcomes: CalloutOutcome[] = [];
  const lines: string[] = [];
  let stopFirst = () => {};

  before(async () => {
    nats = await startChartNats();
    ca = await readFile(nats.caFile, 'utf8');
    controller = await connectUser('controller');
    stopFirst = await answer();
    const maker = programOf('controller', { password: nats.passwords.controller });
    await maker.connected(AbortSignal.timeout(10_000));
    const made = await ensureStreams(maker);
    assert.deepEqual(
      made.map(({ outcome }) => outcome),
      ['Created', 'Created'],
    );
  });
  after(async () => {
    for (const connection of open) await connection.close();
    for (const program of programs) await program.close();
    await (nats as ChartNats | undefined)?.stop(); // not there if its start failed
  });

  const join = async (options: ConnectionOptions) => {
    const connection = await connect({
      servers: nats.url,
      tls: { ca },
      reconnect: false,
      timeout: 8_000,
      ...options,
    });
    open.push(connection);
    return connection;
  };
  /** As our programs connect. */
  function programOf(user: string, who: { readonly password: string } | { readonly token: string }): Nats {
    const credentials = () => ('token' in who ? who : { user, password: who.password });
    const program = new Nats({ url: nats.url, name: user, ca, inboxPrefix: `_INBOX_${user}`, credentials });
    programs.push(program);
    return program;
  }
  const connectUser = (user: 'controller' | 'dashboard' | 'sys') =>
    join({ user, pass: nats.passwords[user], inboxPrefix: `_INBOX_${user}` });
  const connectTrial = (token: string, options: ConnectionOptions = {}) =>
    join({ token, inboxPrefix: `_INBOX_${token === 'four' ? OTHER_POD : POD}`, ...options });

  /** @returns what stops it */
  async function answer(from: NatsConnection = controller, changes: Partial<CalloutDeps> = {}): Promise<() => void> {
    const deps = {
      account: deriveAccountKey(await readFile(nats.calloutFile, 'utf8')),
      cluster,
      turns: new Turns(),
      rules: RULES,
      log: openLog((line) => lines.push(line)),
      count: (outcome: CalloutOutcome) => outcomes.push(outcome),
      ...changes,
    };
    const subscription = from.subscribe(CALLOUT_SUBJECT, {
      queue: CALLOUT_QUEUE,
      callback: (_, message) => void answerCallout(message.data, deps).then((said) => message.respond(said)),
    });
    await from.flush();
    return () => subscription.unsubscribe();
  }

  /** Whether the server takes it: a refusal is told to the connection, and there is no acknowledgement. */
  async function publish(connection: NatsConnection, subject: string, payload = '[]', rollup = false): Promise<string> {
    const refused = refusalOf(connection);
    const rolledUp = headers();
    rolledUp.set('Nats-Rollup', 'all');
    const options = { timeout: 3_000, ...(rollup && { headers: rolledUp }) };
    const acknowledged = connection.request(subject, payload, options).then(
      (message) => {
        const { error } = JSON.parse(message.string()) as { error?: { description: string } };
        return error ? `stream: ${error.description}` : 'stored';
      },
      (error: NatsError) => new Promise<string>((resolve) => setTimeout(resolve, 3_000, `no answer: ${error.code}`)),
    );
    return Promise.race([acknowledged, refused]);
  }

  async function refusalOf(connection: NatsConnection): Promise<string> {
    for await (const { type, data, permissionContext } of connection.status()) {
      const context = permissionContext as { operation: string; subject: string } | undefined;
      if (type === 'error') return context ? `refused: ${context.operation}` : `${data}`;
    }
    return 'closed';
  }

  /** The server's word comes before its answer to the flush. */
  const subscribe = async (connection: NatsConnection, subject: string) => {
    let error: NatsError | null = null;
    connection.subscribe(subject, {
      callback: (problem) => {
        error = problem;
      },
    });
    await connection.flush();
    return error === null ? 'subscribed' : `refused: ${(error as NatsError).permissionContext?.operation}`;
  };

  const last = () => outcomes.at(-1);

  test('a trial publishes what it measures and its model, and hears that they arrived', async () => {
    const trial = await connectTrial('three');
    assert.equal(last(), 'Admitted');
    assert.equal(await publish(trial, `cs.v1.${SWEEP_UID}.3.${POD}.epoch`), 'stored');
    assert.equal(await publish(trial, `cs.v1.${SWEEP_UID}.3.${POD}.progress`), 'stored');
    assert.equal(await publish(trial, `$O.CNN_SWEEP_MODELS.C.${POD}`, 'x'.repeat(61_440)), 'stored');
    assert.equal(await publish(trial, metaSubject(3, POD), '{}'), 'stored');
    // Of its own subject, too: it would delete the models of all.
    assert.match(await publish(trial, metaSubject(3, POD), '{}', true), /^stream: .*rollup/);
  });

  test('all that a trial and the dashboard do is within what they may', async () => {
    const { signal } = new AbortController();
    const trial = programOf(OTHER_POD, { token: 'four' });
    await trial.connected(signal);
    const measurement = makeMeasurement({ trial: 4, attemptUID: OTHER_POD });
    assert.equal(await new NatsBus(trial).publish(encodeMeasurements(SWEEP_UID, [measurement])), 'stored');
    const address = { sweepUID: SWEEP_UID, trial: 4, attemptUID: OTHER_POD };
    const model = randomBytes(150_000);
    await uploadModel(trial, address, model, { signal, patienceMs: 5_000 });

    const dashboard = programOf('dashboard', { password: nats.passwords.dashboard });
    await dashboard.connected(signal);
    assert.deepEqual(Buffer.from(await readModel(dashboard, address, signal)), model);
    const enough = new AbortController();
    for await (const entry of new NatsBus(dashboard).read(enough.signal)) {
      if (entry.kind === 'epoch' && entry.address.trial === 4) {
        assert.deepEqual(entry.measurements, [measurement]);
        enough.abort();
      }
    }
    const controller = programOf('controller', { password: nats.passwords.controller });
    await controller.connected(signal);
    assert.ok((await readFill(controller)).every(({ bytes }) => bytes > 0));
    const { sweeps, models, unfinished } = await readContents(controller);
    assert.deepEqual([[...sweeps], unfinished], [[SWEEP_UID], []]);
    assert.ok(models.some((each) => each.attemptUID === OTHER_POD));
    await purgeModel(controller, address);
    assert.equal(await readModel(dashboard, address, signal), 'missing');
  });

  const FORBIDDEN: Readonly<Record<string, string>> = {
    'another trial’s subject': `cs.v1.${SWEEP_UID}.4.${OTHER_POD}.epoch`,
    'a subject of its own that nobody reads': `cs.v1.${SWEEP_UID}.3.${POD}.junk`,
    'its own subject under another trial': `cs.v1.${SWEEP_UID}.4.${POD}.epoch`,
    'its own subject under another Pod': `cs.v1.${SWEEP_UID}.3.${OTHER_POD}.epoch`,
    'its own subject under another Sweep': `cs.v1.${POD}.3.${POD}.epoch`,
    'parts of another’s model': `$O.CNN_SWEEP_MODELS.C.${OTHER_POD}`,
    'another’s model': metaSubject(4, OTHER_POD),
    'a stream’s messages': '$JS.API.STREAM.MSG.GET.CNN_SWEEP',
    'a stream’s end': '$JS.API.STREAM.DELETE.CNN_SWEEP',
    'a stream’s account': '$JS.API.INFO',
    'who may connect': CALLOUT_SUBJECT,
    'another’s inbox': `_INBOX_${OTHER_POD}.x`,
  };
  for (const [what, subject] of Object.entries(FORBIDDEN)) {
    test(`a trial may not publish: ${what}`, async () => {
      const trial = await connectTrial('three');
      assert.equal(await publish(trial, subject), 'refused: publish');
      await trial.close();
    });
  }

  test('an acknowledgement that a trial has sent to the server’s API is no request: nothing is purged or changed', async () => {
    const trial = await connectTrial('three');
    const controller = await connectUser('controller');
    const infoOf = async () => JSON.parse((await controller.request('$JS.API.STREAM.INFO.CNN_SWEEP')).string());
    assert.equal(await publish(trial, `cs.v1.${SWEEP_UID}.3.${POD}.epoch`), 'stored');
    const before = await infoOf();
    const verbs = ['PURGE', 'UPDATE', 'CREATE', 'DELETE', 'MSG.DELETE'];
    for (const verb of verbs) {
      trial.publish(`cs.v1.${SWEEP_UID}.3.${POD}.epoch`, 'x', { reply: `$JS.API.STREAM.${verb}.CNN_SWEEP` });
    }
    await trial.flush();
    assert.equal(await publish(trial, `cs.v1.${SWEEP_UID}.3.${POD}.epoch`), 'stored'); // after them
    const { config, state } = await infoOf();
    assert.deepEqual(config, before.config);
    assert.equal(state.messages, before.state.messages + verbs.length + 1);
    await trial.close();
  });

  for (const subject of ['cs.v1.>', '>', `_INBOX_${OTHER_POD}.>`, '_INBOX.>', '$SYS.>', CALLOUT_SUBJECT, '$JS.API.>']) {
    test(`a trial may not subscribe to ${subject}`, async () => {
      const trial = await connectTrial('three');
      assert.equal(await subscribe(trial, subject), 'refused: subscription');
      await trial.close();
    });
  }

  const TOKENS: Readonly<Record<string, { token?: string; want: CalloutOutcome }>> = {
    'a token of another audience': { token: 'audience', want: 'WrongAudience' },
    'a token of another ServiceAccount': { token: 'foreign', want: 'ForeignServiceAccount' },
    'a token that the API server refuses': { token: 'rejected', want: 'TokenRejected' },
    'no token': { want: 'NoToken' },
  };
  for (const [what, { token, want }] of Object.entries(TOKENS)) {
    test(`not admitted: ${what}`, async () => {
      await assert.rejects(join(token === undefined ? {} : { token }), { code: 'AUTHORIZATION_VIOLATION' });
      assert.equal(last(), want);
      assert.ok(lines.at(-1)?.includes(`"reason":"${want}"`), lines.at(-1));
    });
  }

  test('a Pod that is dead is not admitted, and its model is its own for ever', async () => {
    cluster.dead.add(OTHER_POD);
    await assert.rejects(connectTrial('four'), { code: 'AUTHORIZATION_VIOLATION' });
    assert.equal(last(), 'PodGone');
    cluster.dead.clear();
    const four = await connectTrial('four');
    assert.equal(await publish(four, `cs.v1.${SWEEP_UID}.4.${OTHER_POD}.epoch`), 'stored');
  });

  test('no token is in the log', () => {
    for (const token of ['"three"', '"rejected"']) assert.ok(!lines.join('').includes(token));
  });

  test('while nobody answers, who is connected goes on, others wait, and come in afterwards', async () => {
    const running = await connectTrial('three');
    stopFirst();
    await controller.flush();
    const began = performance.now();
    await assert.rejects(connectTrial('four'), /authorization|closed|timeout/i);
    assert.equal(await publish(running, `cs.v1.${SWEEP_UID}.3.${POD}.epoch`), 'stored');
    assert.ok(performance.now() - began > 1_000, 'the server did not wait');
    stopFirst = await answer();
    assert.equal(await publish(await connectTrial('four'), `cs.v1.${SWEEP_UID}.4.${OTHER_POD}.epoch`), 'stored');
  });

  test('two controllers share the work: each request is answered once', async () => {
    const second = await connectUser('controller');
    let taken = 0;
    const stopSecond = await answer(second, { count: () => taken++ });
    const before = outcomes.length;
    const began = performance.now();
    await Promise.all(Array.from({ length: 64 }, () => connectTrial('three')));
    console.log(`64 trials connected at once in ${Math.round(performance.now() - began)} ms`);
    assert.equal(taken + outcomes.length - before, 64);
    assert.ok(taken > 0 && taken < 64, `${taken} of 64`);
    stopSecond();
  });

  test('who trusts another authority, or speaks plain text, does not get in', async () => {
    const wrong = await readFile(nats.wrongCaFile, 'utf8');
    await assert.rejects(connectTrial('three', { tls: { ca: wrong } }), /self.signed|unable to verify|certificate/i);
    // The client refuses by itself what the server demands; without its help the server closes.
    assert.match(await speakPlainly(nats.url), /"tls_required":true/);
  });

  test('the dashboard reads both streams and writes nothing', async () => {
    const dashboard = await connectUser('dashboard');
    const info = await dashboard.request('$JS.API.STREAM.INFO.CNN_SWEEP');
    assert.ok((JSON.parse(info.string()) as { state: { messages: number } }).state.messages >= 4);
    const consumer = { stream_name: 'CNN_SWEEP', config: { deliver_policy: 'all', ack_policy: 'none', name: 'one' } };
    const made = await dashboard.request('$JS.API.CONSUMER.CREATE.CNN_SWEEP.one', JSON.stringify(consumer));
    assert.equal((JSON.parse(made.string()) as { name?: string }).name, 'one', made.string());
    for (const subject of [
      `cs.v1.${SWEEP_UID}.3.${POD}.epoch`,
      '$JS.API.STREAM.PURGE.CNN_SWEEP',
      '$JS.API.STREAM.UPDATE.CNN_SWEEP',
    ]) {
      const other = await connectUser('dashboard');
      assert.equal(await publish(other, subject), 'refused: publish', subject);
    }
    assert.equal(await subscribe(dashboard, CALLOUT_SUBJECT), 'refused: subscription');
  });

  test('the controller makes, changes, reads and purges both streams, and no others', async () => {
    for (const stream of STREAMS) {
      for (const verb of ['INFO', 'PURGE']) {
        const { error } = JSON.parse((await controller.request(`$JS.API.STREAM.${verb}.${stream}`)).string());
        assert.equal(error, undefined, `${verb} ${stream}`);
      }
    }
    for (const subject of ['$JS.API.STREAM.DELETE.CNN_SWEEP', '$JS.API.STREAM.CREATE.OTHER', 'cs.v1.a.0.b.epoch']) {
      const other = await connectUser('controller');
      assert.equal(await publish(other, subject), 'refused: publish', subject);
    }
  });

  test('a wrong password does not get in', async () => {
    await assert.rejects(join({ user: 'controller', pass: 'x' }), { code: 'AUTHORIZATION_VIOLATION' });
  });

  test('a connection is cut when its hour is over, and comes back by itself', async () => {
    stopFirst();
    // An hour ago but for three seconds.
    const stop = await answer(controller, { now: () => Math.floor(Date.now() / 1000) - 3_597 });
    const trial = await connectTrial('three', { reconnect: true, reconnectTimeWait: 100, ignoreAuthErrorAbort: true });
    const seen: string[] = [];
    for await (const { type } of trial.status()) {
      seen.push(type);
      if (type === 'reconnect') break;
    }
    assert.ok(seen.includes('disconnect'), seen.join());
    stop();
  });
});

/** What a server says first to who does not encrypt, and that it then hangs up on a client that goes on so. */
async function speakPlainly(url: string): Promise<string> {
  const { connect: open } = await import('node:net');
  const { hostname, port } = new URL(url);
  const socket = open(Number(port), hostname);
  let said = '';
  socket.on('data', (data) => {
    if (said === '') socket.write('CONNECT {"verbose":false,"auth_token":"three"}\r\nPING\r\n');
    said += data;
  });
  await new Promise((resolve) => socket.once('close', resolve).once('error', resolve));
  assert.doesNotMatch(said, /PONG/);
  return said;
}

test('the streams that the documentation has are those that the controller makes', async () => {
  const guide = await readFile(path.join(CHART, '../docs/nats.md'), 'utf8');
  const blocks = [...guide.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block = '']) => JSON.parse(block));
  assert.deepEqual(blocks, streamSettings({ replicas: 3 }));
});

test('the documentation names every reason to refuse a client', async () => {
  const guide = await readFile(path.join(CHART, '../docs/nats.md'), 'utf8');
  for (const reason of CALLOUT_REFUSALS) assert.ok(guide.includes(`\`${reason}\``), reason);
});

describe('a server of one’s own without the callout, configured by the documentation', {
  skip: SKIP,
  timeout: 60_000,
}, () => {
  let nats: ChartNats;
  before(async () => {
    const guide = await readFile(path.join(CHART, '../docs/nats.md'), 'utf8');
    const [, trainer = ''] = /```\n(\{\n {2}user: trainer[\s\S]*?)```/.exec(guide) ?? [];
    assert.notEqual(trainer, '');
    nats = await startChartNats({
      env: { TRAINER_PASSWORD: 'shared' },
      change: (text) => {
        const [before = '', others = ''] = text.split('# Everybody else is a trial');
        assert.match(others, /auth_callout/);
        // A variable that nobody uses is a mistake to the server.
        return `${before}\nserver_tags: [$account_key]\n`.replace(/users: \[\n\s*\{\n\s*user: controller/, (users) =>
          users.replace('[', `[\n${trainer}`),
        );
      },
    });
  });
  after(() => nats.stop());

  test('a trial publishes and hears that it arrived, and neither reads what others say nor answers for the server', async () => {
    const tls = { ca: await readFile(nats.caFile, 'utf8') };
    const join = (user: string, pass: string, inbox: string) =>
      connect({ servers: nats.url, tls, user, pass, inboxPrefix: inbox, reconnect: false });
    const controller = await join('controller', nats.passwords.controller, '_INBOX_controller');
    const config = { name: 'CNN_SWEEP', storage: 'file', subjects: ['cs.v1.*.*.*.*'] };
    await controller.request('$JS.API.STREAM.CREATE.CNN_SWEEP', JSON.stringify(config));
    const trial = await join('trainer', 'shared', `_INBOX_${POD}`);
    const answer = await trial.request(`cs.v1.${SWEEP_UID}.3.${POD}.epoch`, '[]');
    assert.equal((JSON.parse(answer.string()) as { stream?: string }).stream, 'CNN_SWEEP');
    for (const subject of ['cs.v1.>', '$O.>', '$SYS.REQ.USER.AUTH', '$JS.API.>', '_INBOX_controller.>', '>']) {
      let refused = false;
      trial.subscribe(subject, { callback: (error) => (refused ||= error !== null) });
      await trial.flush();
      assert.ok(refused, subject);
    }
    await trial.close();
    await controller.close();
  });
});
