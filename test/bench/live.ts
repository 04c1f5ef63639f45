// Measures what is live: the bus, the dashboard's server and its page. Prints a table and writes bench/results-live.json. Exit 1: a bar was missed.
import { measureDurableRate, measureReplay } from './live-bus.ts';
import { measureLatency } from './live-latency.ts';
import { measurePage } from './live-page.ts';
import { measureCurves, measureFolding, measureMetricsPage, measureStreams } from './live-server.ts';
import { measureAll } from './print.ts';

const parts = {
  'from an epoch’s end to the page': measureLatency,
  'measurements that are durable': measureDurableRate,
  'a stream read from its beginning': measureReplay,
  'clients of the event stream': measureStreams,
  '/metrics with 10,000 trials': measureMetricsPage,
  'curves as an answer': measureCurves,
  'folding and judging': measureFolding,
  'the page': measurePage,
};

process.exitCode = (await measureAll(parts, 'results-live.json')) ? 0 : 1;
