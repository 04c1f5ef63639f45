// The long forms of the tests that have one, one after the other: a night's work. Shorter: --seeds 2000 --scripts 100 --outage-seconds 10
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../../src/shared/package.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100000' },
    from: { type: 'string', default: '0' },
    scripts: { type: 'string', default: '500' },
    'outage-seconds': { type: 'string', default: '300' },
  },
});

const { seeds, from, scripts, 'outage-seconds': outageSeconds } = values;
/** What each part is, and how it is run alone. */
const PARTS: Readonly<
  Record<string, { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>> }>
> = {
  [`${seeds} seeds of the simulation, from ${from}`]: {
    args: ['test/controller/simulation/main.ts', '--seeds', seeds, '--from', from],
  },
  [`${scripts} scripts on the model of the API server and on the real one, from ${from}`]: {
    args: ['test/cluster/fidelity/main.ts', '--scripts', scripts, '--from', from],
  },
  'a crash at every write, simulated and on a real API server': {
    args: ['--test', 'test/controller/crash.test.ts', 'test/cluster/crash.test.ts'],
  },
  [`outages of ${outageSeconds} s, and nodes that come and go`]: {
    args: ['--test', ...['outages', 'dashboard-outage', 'nodes'].map((name) => `test/cluster/${name}.test.ts`)],
    env: { CNN_SWEEP_TEST_OUTAGE_SECONDS: outageSeconds },
  },
  'people and other controllers': { args: ['--test', 'test/cluster/interference.test.ts'] },
};

const said: string[] = [];
for (const [what, { args, env = {} }] of Object.entries(PARTS)) {
  console.log(`campaign: ${what}`);
  const begun = performance.now();
  const { status } = spawnSync(process.execPath, args, {
    cwd: path.resolve(ROOT),
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  said.push(
    `${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s: ${what}${status === 0 ? '' : `\n  alone: node ${args.join(' ')}`}`,
  );
  if (status !== 0) process.exitCode = 1;
}
console.log(said.join('\n'));
