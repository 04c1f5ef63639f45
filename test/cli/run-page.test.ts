import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { openRunPage } from '../../src/cli/run-page.ts';
import type { Sweep } from '../../src/sweep/schema.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { freePort } from '../free-port.ts';
import { makeFolder } from '../local/folders.ts';
import { makeStudy } from '../sweep/builders.ts';

/** The page of a run, which here breaks in one way or another. */
async function openPage(context: TestContext, sweep: Sweep, changes: { port?: number; trials?: never[] } = {}) {
  const notes: string[] = [];
  let noted: () => void = () => undefined;
  const firstNote = new Promise<void>((resolve) => {
    noted = resolve;
  });
  const page = await openRunPage(sweep, {
    folder: await makeFolder(context),
    trials: expandTrials(makeStudy()),
    parallelism: 1,
    backend: 'wasm',
    versions: {},
    port: 0,
    note(line) {
      notes.push(line);
      noted();
    },
    ...changes,
  });
  assert.ok(page, notes.join());
  return { page, notes, firstNote };
}

describe('the page of a run never costs the run', () => {
  test('a mistake that a timer finds is noted', async (context) => {
    const study = makeStudy();
    const broken: { property?: string } = {};
    const spec = new Proxy(study.spec, {
      get(target, property) {
        if (property === broken.property) throw new Error('c4nary');
        return Reflect.get(target, property);
      },
    });
    const { page, notes, firstNote } = await openPage(context, { ...study, spec });
    broken.property = 'selection'; // the store judges a moment later
    await firstNote;
    await page.close();
    assert.deepEqual(notes, ['page: c4nary']);
  });

  test('a run that cannot be shown leaves no server behind', async (context) => {
    const port = await freePort();
    const broken = new Proxy([], {
      get: () => {
        throw new Error('c4nary');
      },
    });
    await assert.rejects(openPage(context, makeStudy(), { port, trials: broken }), /c4nary/);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`), ({ cause }) => cause.code === 'ECONNREFUSED');
  });
});
