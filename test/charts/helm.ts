import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { CHART } from '../../k8s/manifests.ts';
import { buildPrograms, programPath } from '../cluster/programs.ts';

export { CHART };

const execute = promisify(execFile);

/** Both that people have; the chart is the same to them. */
export const HELMS = ['helm', 'helm4'] as const;
export type Helm = (typeof HELMS)[number];

/** Values as a person would write them in a file. */
export type Values = Readonly<Record<string, unknown>>;

/** A Kubernetes object as rendered. */
export interface Rendered {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [key: string]: unknown;
}

/** Why the chart cannot be rendered here, or false. On CI that is a failure. */
export const SKIP: string | false =
  process.env.CI === undefined &&
  (await execute('go', ['version']).then(
    () => false,
    () => 'Go is not installed: Helm is built with it',
  ));

// Helm's own folders: nobody's configuration, plugins or repositories are read.
const home = mkdtempSync(path.join(tmpdir(), 'cnn-sweep-helm-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

/** Longer than anything that we ask of it, its own waits included: what stands still is named. */
const HELM_TIMEOUT_MS = 240_000;

/** Runs a helm. @throws an error with the command and what it says */
export async function helm(program: Helm, args: readonly string[], env: Values = {}): Promise<string> {
  await buildPrograms([program]);
  const options = {
    maxBuffer: 64 * 1024 * 1024,
    timeout: HELM_TIMEOUT_MS,
    env: { HOME: home, PATH: process.env.PATH, ...env },
  };
  return (await execute(await programPath(program), args, options as { env: NodeJS.ProcessEnv })).stdout;
}

let files = 0;

/** Arguments that give a chart these values. */
export function valuesArgs(values: Values): string[] {
  const file = path.join(home, `values-${files++}.json`);
  writeFileSync(file, JSON.stringify(values));
  return ['--values', file];
}

export interface RenderOptions {
  readonly program?: Helm;
  readonly release?: string;
  readonly namespace?: string;
}

/** What would be installed, hooks included, as objects in the order of Helm. */
export async function render(values: Values = {}, options: RenderOptions = {}): Promise<Rendered[]> {
  const { program = 'helm', release = 'cnn-sweep', namespace = 'cnn-sweep' } = options;
  const args = ['template', release, CHART, '--namespace', namespace, '--kube-version', '1.34', ...valuesArgs(values)];
  const text = await helm(program, args);
  // Kubernetes reads YAML 1.1, in which `no` is no word and 0123 no word either.
  return parseAllDocuments(text, { version: '1.1' })
    .map((document) => {
      if (document.errors[0]) throw document.errors[0]; // a key that stands twice, too
      return document.toJS() as Rendered | null;
    })
    .filter((object) => object !== null);
}

/** The only object of a kind and name. */
export function find(objects: readonly Rendered[], kind: string, name: string, namespace?: string): Rendered {
  const found = objects.filter(
    (each) =>
      each.kind === kind &&
      each.metadata.name === name &&
      (namespace === undefined || each.metadata.namespace === namespace),
  );
  const [only, ...others] = found;
  if (!only || others.length > 0) throw new Error(`${found.length} objects ${kind} ${name}`);
  return only;
}

/** What stands at a path, or undefined. */
export function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown> | undefined)?.[key], value);
}

/** The list at a path; absent: empty. */
export function listAt(value: unknown, ...keys: readonly (string | number)[]): unknown[] {
  return (at(value, ...keys) ?? []) as unknown[];
}

/** A copy in one order, whatever the language of the machine. */
export function sorted(words: readonly string[]): string[] {
  return words.toSorted((a, b) => (a < b ? -1 : Number(a > b)));
}

/** `Deployment cnn-sweep/cnn-sweep-controller`, sorted. */
export function namesOf(objects: readonly Rendered[]): string[] {
  return sorted(
    objects.map(({ kind, metadata: { name, namespace } }) => `${kind} ${namespace ? `${namespace}/` : ''}${name}`),
  );
}

/** The Pod of everything that has one. */
export function podsOf(objects: readonly Rendered[]): { name: string; pod: unknown; labels: unknown }[] {
  return objects
    .filter(({ kind }) => ['Deployment', 'StatefulSet', 'Pod'].includes(kind))
    .map((object) => ({
      name: `${object.kind} ${object.metadata.name}`,
      pod: object.kind === 'Pod' ? object.spec : at(object, 'spec', 'template', 'spec'),
      labels: object.kind === 'Pod' ? object.metadata.labels : at(object, 'spec', 'template', 'metadata', 'labels'),
    }));
}

/** Those of a Pod, the ones that run first included. */
export function containersOf(pod: unknown): unknown[] {
  return [...listAt(pod, 'initContainers'), ...listAt(pod, 'containers')];
}

/** Secrets are made anew at each rendering: without their contents. */
export function withoutSecrets(objects: readonly Rendered[]): Rendered[] {
  return objects.map((object) =>
    object.kind === 'Secret' ? { ...object, data: Object.keys(object.data ?? {}) } : object,
  );
}

const PATIENCE_MS = 60_000;

/** Waits until it holds: rights and policies reach the API server's own caches a moment after they were written. */
export async function eventually<Result>(holds: () => Promise<Result>): Promise<Result> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await holds();
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
