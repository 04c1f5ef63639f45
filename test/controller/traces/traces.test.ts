import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RECORDED, readTrace, traceOf } from './traces.ts';

for (const [name, scenario] of Object.entries(RECORDED)) {
  test(`K35: the controller writes what it wrote when the run was recorded, and comes to the same verdict: ${name}`, async () => {
    assert.deepEqual(JSON.parse(JSON.stringify(await traceOf(scenario))), await readTrace(name));
  });
}
