import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer, fromPublic } from 'nkeys.js';
import { deriveAccountKey } from '../../src/controller/callout-account.ts';
import { decodeCalloutRequest, encodeCalloutAnswer } from '../../src/controller/callout-token.ts';
import { account, makeRequest, server, USER } from './callout-request.ts';

const claimsOf = (token: string) => JSON.parse(Buffer.from(`${token.split('.')[1]}`, 'base64url').toString());

test('the same random value gives the same account key, another one another', () => {
  assert.equal(deriveAccountKey('n0123456789').publicKey, account.publicKey);
  assert.equal(deriveAccountKey('n0123456789\n').publicKey, account.publicKey);
  assert.notEqual(deriveAccountKey('n0123456788').publicKey, account.publicKey);
  // What stands in a running server's configuration must never change with a version of ours.
  assert.equal(account.publicKey, 'ADOU2IJYKQJ267GA6PYYAEZEKADF3DCXIB2HOAYM5XSNACKRSLCZGXTO');
});

test('what it signs, the library that servers are written with verifies', () => {
  const token = encodeCalloutAnswer(decodeCalloutRequest(makeRequest(), account), { refused: 'PodGone' }, account, 1);
  const [header, body, signature] = token.split('.');
  const bytes = Buffer.from(`${signature}`, 'base64url');
  assert.ok(fromPublic(account.publicKey).verify(Buffer.from(`${header}.${body}`), bytes));
});

test('a request says who asks, for which connection', () => {
  assert.deepEqual(decodeCalloutRequest(makeRequest(), account), {
    userKey: USER,
    serverId: server.getPublicKey(),
    host: '10.0.0.7',
    token: 'secret',
  });
});

const REFUSED: Readonly<Record<string, { text: string; want: RegExp }>> = {
  'signed by somebody else': { text: makeRequest({}, createServer()), want: /not signed by the server/ },
  'of a server without a key': { text: makeRequest({ iss: 'me' }), want: /not signed by the server/ },
  'for another account': { text: makeRequest({ sub: 'AOTHER' }), want: /for account "AOTHER"/ },
  'for another purpose': { text: makeRequest({ aud: 'x' }), want: /audience "x"/ },
  'without a connection': { text: makeRequest({ nats: {} }), want: /incomplete/ },
  'no token at all': { text: 'hello', want: /no token of JSON/ },
  empty: { text: '', want: /no token of JSON/ },
};
for (const [sentence, { text, want }] of Object.entries(REFUSED))
  test(`a request is refused: ${sentence}`, () => {
    assert.throws(() => decodeCalloutRequest(text, account), { name: 'InvalidMessageError', message: want });
  });

test('the answer is for that connection and that server, and holds the user or why there is none', () => {
  const request = decodeCalloutRequest(makeRequest(), account);
  const refused = claimsOf(encodeCalloutAnswer(request, { refused: 'PodGone' }, account, 7));
  assert.deepEqual(refused.nats, { error: 'PodGone', type: 'authorization_response', version: 2 });
  assert.deepEqual([refused.sub, refused.aud, refused.iat], [USER, server.getPublicKey(), 7]);
  const admitted = {
    account: 'CNN_SWEEP',
    name: 'team/pod',
    permissions: { publish: ['a.>'], subscribe: ['b.>'] },
    expires: 99,
  };
  const user = claimsOf(claimsOf(encodeCalloutAnswer(request, admitted, account, 7)).nats.jwt);
  assert.deepEqual([user.sub, user.aud, user.exp, user.name], [USER, 'CNN_SWEEP', 99, 'team/pod']);
  assert.deepEqual([user.nats.pub, user.nats.sub], [{ allow: ['a.>'] }, { allow: ['b.>'] }]);
});
