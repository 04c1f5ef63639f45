import { runSweep } from '../../src/local/engine.ts';
import { openPool } from '../../src/local/pool.ts';
import { makeSweep } from './trials.ts';

/** A main process to be killed: runs a sweep of fake workers in a folder and prints each event, a line each.
 * Arguments: the folder, and what makeSweep takes, as JSON.
 */
const [, , folder = '', sweep = '{}'] = process.argv;
await runSweep(makeSweep(JSON.parse(sweep)), {
  folder,
  pool: openPool({ entry: new URL('worker.ts', import.meta.url), env: process.env }),
  cacheFolder: folder,
  versions: { 'cnn-sweep': 'test' },
  backoffMs: () => 1,
  onEvent: (event) => console.log(JSON.stringify(event.kind === 'opened' ? { ...event, trials: undefined } : event)),
});
