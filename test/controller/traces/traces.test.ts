import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RECORDED, readTrace, traceOf } from './traces.ts';

for (const [name, scenario] of Object.entries(RECORDED)) {
  test(`K35: the controller writes what it wrote when the run was recorded, and comes to the same verdict: ${name}`, async () => {
    assert.deepEqual(JSON.parse(JSON.stringify(await traceOf(scenario))), await readTrace(name));
  });
}

// A run that is recorded anew may have taken another course, and would no longer show what it is named after.
test('K35: the runs that were recorded are what they are named after', async () => {
  const writesOf = async (name: string) => (await readTrace(name)).writes.join('\n');
  assert.match(await writesOf('tried-again'), /^create jobs \S+-r2$/m);
  const tried = JSON.stringify((await readTrace('tried-again')).end);
  assert.match(tried, /"attempt":2,"outcome":"Succeeded"/);
  assert.match(tried, /"outcome":"Failed","reason":"Crashed \(in 3 attempts\)/);
  assert.match(JSON.stringify((await readTrace('failed')).end), /MaxFailedTrialsExceeded/);
  assert.match(JSON.stringify((await readTrace('succeeded')).end), /"phase":"Complete"/);
});
