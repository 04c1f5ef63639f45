// The long form of requests.test.ts: node test/dashboard/ask-much.ts [requests] [seed]
import { makeApp, makeInput, makeStore, STUDY, tell } from './builders.ts';
import { askMuch } from './requests.ts';

const [requests = 50_000, seed = 1] = process.argv.slice(2).map(Number);
const store = makeStore();
tell(store, STUDY);
store.putSweep(makeInput({ namespace: 'team-a', name: 'other', uid: 'other' }));
const app = await makeApp(store);
await app.ready();
const began = performance.now();
const { answers, faults } = await askMuch(app, requests, seed);
const seconds = (performance.now() - began) / 1_000;
await app.close();
process.stdout.write(`${requests} requests in ${seconds.toFixed(0)} s, by status: ${JSON.stringify(answers)}\n`);
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`);
process.exitCode = faults.length > 0 ? 1 : 0;
