import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../src/shared/package.ts';

const MAIN = path.join(ROOT, 'src/controller/nats-account-main.ts');
const CALLOUT = 'n1234567890123456789012345678901234567890';

test('what our own server includes has the same key as the issuer that one writes down for a server of one’s own', async (context) => {
  const folder = await folderFor(context, { callout: CALLOUT, controller: 'a', dashboard: 'b"', sys: 'c' });
  const out = path.join(folder, 'secrets.conf');
  assert.deepEqual(run(`--auth-folder=${folder}`, `--out=${out}`), { status: 0, stdout: '', stderr: '' });
  const [key = '', ...passwords] = (await readFile(out, 'utf8')).split('\n');
  assert.match(key, /^account_key: "A[A-Z2-7]{55}"$/);
  assert.deepEqual(passwords, ['controller_password: "a"', 'dashboard_password: "b\\""', 'sys_password: "c"', '']);
  const printed = run(`--callout-file=${path.join(folder, 'callout')}`);
  assert.deepEqual(printed, { status: 0, stdout: `${key.slice('account_key: "'.length, -1)}\n`, stderr: '' });
});

test('what is missing or empty is named', async (context) => {
  const folder = await folderFor(context, { callout: '\n', controller: 'a', dashboard: 'b' });
  const file = path.join(folder, 'callout');
  assert.deepEqual(run(`--callout-file=${file}`), { status: 2, stdout: '', stderr: `${file}: empty\n` });
  await writeFile(file, CALLOUT);
  assert.match(run(`--auth-folder=${folder}`, `--out=${folder}/out`).stderr, /no such file.*\/sys'/);
  assert.match(run(`--auth-folder=${folder}`).stderr, /^--auth-folder and --out, or --callout-file: one is missing\n$/);
});

async function folderFor(context: { after: (then: () => Promise<void>) => void }, files: Record<string, string>) {
  const folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-account-'));
  context.after(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  return folder;
}

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}
