import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFlags } from '../../src/dashboard/flags.ts';
import { InvalidConfigError } from '../../src/sweep/errors.ts';

test('without flags the page is for whoever reaches the loopback address, and there is no NATS', () => {
  assert.deepEqual(parseFlags([]), {
    namespaces: undefined,
    authMode: 'loopback',
    host: '127.0.0.1',
    port: 8080,
    opsHost: '0.0.0.0',
    opsPort: 9090,
    pageFolder: undefined,
    nats: undefined,
    tls: undefined,
    faro: { enabled: true, forwardUrl: undefined, keyFile: undefined },
  });
});

test('every flag is read', () => {
  const flags = parseFlags([
    '--namespaces=a,b',
    '--auth-mode=proxy',
    '--host=0.0.0.0',
    '--port=8443',
    '--ops-host=::',
    '--ops-port=0',
    '--page-folder=/page',
    '--nats-url=tls://nats:4222',
    '--nats-user=dashboard',
    '--nats-password-file=/nats/password',
    '--nats-ca-file=/nats/ca.crt',
    '--tls-cert-file=/tls/tls.crt',
    '--tls-key-file=/tls/tls.key',
    '--client-ca-file=/tls/ca.crt',
    '--no-faro',
    '--faro-forward-url=http://alloy:12347/collect',
    '--faro-key-file=/faro/key',
  ]);
  assert.deepEqual(flags, {
    namespaces: ['a', 'b'],
    authMode: 'proxy',
    host: '0.0.0.0',
    port: 8443,
    opsHost: '::',
    opsPort: 0,
    pageFolder: '/page',
    nats: {
      url: 'tls://nats:4222',
      user: 'dashboard',
      passwordFile: '/nats/password',
      caFile: '/nats/ca.crt',
    },
    tls: { certFile: '/tls/tls.crt', keyFile: '/tls/tls.key', clientCaFile: '/tls/ca.crt' },
    faro: { enabled: false, forwardUrl: 'http://alloy:12347/collect', keyFile: '/faro/key' },
  });
});

const refused: Record<string, { args: string[]; want: string }> = {
  'an unknown mode': {
    args: ['--auth-mode=open'],
    want: '--auth-mode: "open": expected loopback, token, proxy',
  },
  'loopback for all to reach': {
    args: ['--host=0.0.0.0'],
    want: '--host: "0.0.0.0": with --auth-mode=loopback expected 127.0.0.1, ::1, localhost',
  },
  'a port that is none': { args: ['--port=web'], want: '--port: "web": expected a number, 0 or above' },
  'a proxy without mTLS': {
    args: ['--auth-mode=proxy', '--host=0.0.0.0', '--tls-cert-file=a', '--tls-key-file=b'],
    want: '--client-ca-file: missing; a proxy is believed over mTLS only',
  },
  'a key without its certificate': { args: ['--tls-key-file=b'], want: '--tls-cert-file: missing' },
  'a certificate without its key': { args: ['--tls-cert-file=a'], want: '--tls-key-file: missing' },
};
for (const [sentence, { args, want }] of Object.entries(refused)) {
  test(sentence, () =>
    assert.throws(
      () => parseFlags(args),
      (error) => error instanceof InvalidConfigError && error.message === want,
    ),
  );
}
