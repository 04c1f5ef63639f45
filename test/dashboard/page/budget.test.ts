import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { local, makeApp, makeStore } from '../builders.ts';
import { type BuiltPage, buildPage } from './served.ts';

/** In bytes, gzip. @see operations.md section 6 */
const FIRST_VIEW = 60_000;
const ALL = 200_000;

describe('the page that is shipped', () => {
  let built: BuiltPage;
  before(async () => {
    built = await buildPage();
  });
  after(() => built.remove());

  const sizeOf = async (name: string) => gzipSync(await readFile(join(built.folder, name)), { level: 9 }).byteLength;

  test('its first view is at most 60 kB, all of it at most 200 kB', async (t) => {
    const html = await readFile(join(built.folder, 'index.html'), 'utf8');
    const first = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name = '']) => name);
    assert.ok(first.some((name) => name.endsWith('.js')) && first.some((name) => name.endsWith('.css')), html);
    const sizes = new Map<string, number>();
    for (const name of [
      'index.html',
      ...(await readdir(join(built.folder, 'assets'))).map((file) => `assets/${file}`),
    ]) {
      sizes.set(name, await sizeOf(name));
    }
    const sum = (names: Iterable<string>) =>
      [...names].reduce((total, name) => total + (sizes.get(name) ?? Number.NaN), 0);
    const [ofFirst, ofAll] = [sum(['index.html', ...first]), sum(sizes.keys())];
    t.diagnostic(`first view ${ofFirst} bytes, all ${ofAll} bytes`);
    assert.ok(ofFirst <= FIRST_VIEW, `first view: ${ofFirst} bytes`);
    assert.ok(ofAll <= ALL, `all: ${ofAll} bytes`);
  });

  test('the server gives it at /, whatever the query, with its policy', async () => {
    const app = await makeApp(makeStore(), { pageFolder: built.folder });
    const page = await app.inject(local('/?sweep=team-a/study.v2'));
    assert.equal(page.statusCode, 200);
    assert.match(page.body, /<div id="app">/);
    assert.match(
      String(page.headers['content-security-policy']),
      /default-src 'none';script-src 'self';style-src 'self';/,
    );
    await app.close();
  });

  test('it names no other host, and nothing in it is inline', async () => {
    const html = await readFile(join(built.folder, 'index.html'), 'utf8');
    assert.doesNotMatch(html, /https?:|<style|style=|onload=|<script(?![^>]* src=)/);
  });
});
