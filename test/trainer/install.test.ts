import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeDurably } from '../../src/shared/durable.ts';
import { installFolder } from '../../src/trainer/install.ts';
import { watchDisk } from '../fakes/disk.ts';
import { makeFolder } from '../local/folders.ts';

test('an installed folder has its files and their names on the disk before its own name, and that before it is said to be there', async (context) => {
  const path = await makeFolder(context);
  const log = watchDisk(context, path);
  await installFolder(join(path, 'mnist'), ({ content }) => writeDurably(join(content, 'labels'), 'x'));
  const plain = log.map((entry) => entry.replaceAll(/\.installing-[^/ ]+/g, 'new'));
  assert.deepEqual(plain, [
    'writeFile new/mnist/labels',
    'sync new/mnist/labels',
    'sync new/mnist',
    'rename new/mnist mnist',
    'sync .',
  ]);
});
