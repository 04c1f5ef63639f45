import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { PROMETHEUS } from './promtool.ts';

/** One series of an answer: its labels, and its finite values in time. */
export interface SeriesFound {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface RuleFound {
  readonly name: string;
  readonly health: string;
  readonly state?: string;
  readonly lastError?: string;
}

/** A real Prometheus, for as long as a test takes. */
export interface RunningPrometheus {
  /** Every series of an expression since the start. @throws an error with its own words */
  range(expr: string): Promise<SeriesFound[]>;
  /** At this moment. */
  now(expr: string): Promise<SeriesFound[]>;
  rules(): Promise<RuleFound[]>;
  stop(): Promise<void>;
}

const EVERY = '1s';

/** Scrapes these addresses each second under the job `cnn-sweep`. */
export async function startPrometheus(
  targets: readonly string[],
  { rules = [] }: { readonly rules?: readonly string[] } = {},
): Promise<RunningPrometheus> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-prometheus-'));
  const config = {
    global: { scrape_interval: EVERY, scrape_timeout: EVERY, evaluation_interval: EVERY },
    rule_files: rules,
    scrape_configs: [{ job_name: 'cnn-sweep', static_configs: [{ targets }] }],
  };
  await writeFile(path.join(folder, 'prometheus.yml'), stringify(config));
  const child = spawn(
    PROMETHEUS,
    [
      '--config.file=prometheus.yml',
      '--storage.tsdb.path=data',
      '--web.listen-address=127.0.0.1:0',
      '--log.format=json',
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const lines: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line);
      const { msg, address } = JSON.parse(line) as { msg?: string; address?: string };
      if (msg === 'Listening on' && address) resolve(address);
    });
    ended.then(() => reject(new Error(`prometheus ended: ${lines.slice(-3).join('\n')}`)));
  });
  const began = Date.now() / 1000;
  const ask = async (question: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> => {
    const answer = await fetch(`http://${address}/api/v1/${question}?${new URLSearchParams(parameters)}`);
    const { status, error, data } = (await answer.json()) as { status: string; error?: string; data: unknown };
    if (status !== 'success') throw new Error(`${parameters.query}: ${error}`);
    return data;
  };
  return {
    range: async (query) => {
      const end = Date.now() / 1000;
      return seriesOf(await ask('query_range', { query, start: `${began}`, end: `${end}`, step: EVERY }));
    },
    now: async (query) => seriesOf(await ask('query', { query })),
    rules: async () => {
      const { groups } = (await ask('rules')) as { groups: readonly { readonly rules: readonly RuleFound[] }[] };
      return groups.flatMap((group) => group.rules);
    },
    stop,
  };
}

type Sample = readonly [seconds: number, value: string];

function seriesOf(data: unknown): SeriesFound[] {
  const { result } = data as {
    result: readonly { metric: Record<string, string>; values?: readonly Sample[]; value?: Sample }[];
  };
  return result.map(({ metric, values, value }) => ({
    labels: metric,
    values: (values ?? (value ? [value] : [])).map(([, text]) => Number(text)).filter(Number.isFinite),
  }));
}
