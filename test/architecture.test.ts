import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Source text by path from the root of the repository: `src/sweep/grid.ts`. */
type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly from: string;
  /** A path as in Sources for a relative import, else the name as written. */
  readonly to: string;
}

const TOKEN = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|[\w$]+|\S/g;

/** The words, strings and signs of a source, without its comments: what stands in a string is no word. */
function tokensOf(source: string): string[] {
  return (source.match(TOKEN) ?? []).filter((token) => !/^\/[/*]/.test(token));
}

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`, `import('x')`, `require('x')`; types included. */
function importsOf(from: string, source: string): Import[] {
  const tokens = tokensOf(source);
  return tokens.flatMap((token, at) => {
    const before = tokens[at - 1] === '(' ? tokens[at - 2] : tokens[at - 1];
    if (!/^['"`]/.test(token) || !/^(from|import|require)$/.test(before ?? '')) return [];
    const name = token.slice(1, -1);
    return [{ from, to: name.startsWith('.') ? join(dirname(from), name) : name }];
  });
}

function allImports(sources: Sources): Import[] {
  return [...sources].flatMap(([path, source]) => importsOf(path, source));
}

/** `sweep` of `src/sweep/grid.ts`; undefined for a package. */
function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** Which folders each folder may import, itself aside. Siblings never import each other. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  sweep: [],
  report: ['sweep'],
  shared: ['sweep'],
  trainer: ['sweep', 'shared'],
  local: ['sweep', 'shared', 'report'],
  controller: ['sweep', 'shared'],
  dashboard: ['sweep', 'shared', 'report'],
  cli: ['sweep', 'shared', 'report', 'trainer', 'local', 'controller', 'dashboard'],
};

/** The one file that names each of these; the file is missing as long as nobody needs it. */
const OWNERS: Readonly<Record<string, { pattern: RegExp; owner: string }>> = {
  'a TensorFlow.js package': { pattern: /^@tensorflow\//, owner: 'src/trainer/tf.ts' },
  'the NATS client': { pattern: /^(@nats-io\/|nats(\/|$))/, owner: 'src/shared/nats.ts' },
  '@kubernetes/client-node': { pattern: /^@kubernetes\/client-node/, owner: 'src/shared/cluster.ts' },
  'prom-client': { pattern: /^prom-client/, owner: 'src/shared/telemetry.ts' },
  Faro: { pattern: /^@grafana\/faro/, owner: 'src/dashboard/page/faro.ts' },
};

// Over tokens with a space between any two.
const READS_ENVIRONMENT =
  /\bprocess (\? )?\. env\b|\bprocess \[|\{[^{}]*\benv\b[^{}]*\} = process\b|\{[^{}]*\benv\b[^{}]*\} from '(node:)?process'/;
const IMPURE =
  /\bDate \. now\b|\bnew Date\b|\bMath \. random\b|\bperformance \.|\b(fetch|setTimeout|setInterval) \(|\bprocess \.|\bglobalThis\b/;

/** Every violation of architecture.md section 6, in words. */
function violations(sources: Sources): string[] {
  const found: string[] = [];
  for (const { from, to } of allImports(sources)) {
    const here = folderOf(from) ?? '';
    const there = folderOf(to);
    const allowed = ALLOWED[here];
    if (!allowed) found.push(`${from}: an unknown folder; section 6 does not name it`);
    else if (there !== undefined && there !== here && !allowed.includes(there))
      found.push(`${from} imports ${to}: ${here} may not import ${there}`);
    if (to.startsWith('..')) found.push(`${from} imports ${to}, outside the repository`);
    if (there === undefined && to.startsWith('test/'))
      found.push(`${from} imports ${to}: a program may not import its tests`);
    if (/(^|\/)main\.ts$/.test(to)) found.push(`${from} imports ${to}: nothing imports a main.ts`);
    if (here === 'sweep' && there === undefined && !/^typebox(\/|$)/.test(to))
      found.push(`${from} imports ${to}: src/sweep imports nothing but typebox and itself`);
    for (const [what, { pattern, owner }] of Object.entries(OWNERS)) {
      if (pattern.test(to) && from !== owner) found.push(`${from} names ${what}: only ${owner} may`);
    }
    if (there !== undefined && !sources.has(to)) found.push(`${from} imports ${to}, which does not exist`);
  }
  for (const [path, source] of sources) {
    const code = tokensOf(source).join(' ');
    if (path !== 'src/shared/env.ts' && READS_ENVIRONMENT.test(code)) {
      found.push(`${path} reads the environment: only src/shared/env.ts may`);
    }
    if (folderOf(path) === 'sweep' && IMPURE.test(code)) {
      found.push(`${path} is not pure: no clock, randomness, network or environment in src/sweep`);
    }
  }
  for (const cycle of cyclesOf(sources)) found.push(`import cycle: ${cycle.join(' → ')}`);
  return found;
}

/** Import cycles, each once, types included. */
function cyclesOf(sources: Sources): string[][] {
  const next = new Map(
    [...sources].map(([path, source]) => [
      path,
      importsOf(path, source)
        .map(({ to }) => to)
        .filter((to) => sources.has(to)),
    ]),
  );
  const done = new Set<string>();
  const cycles: string[][] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path]);
    if (at >= 0 || done.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return cycles;
}

function readSources(): Sources {
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.[cm]?[jt]sx?$/.test(name),
  );
  return new Map(
    names.map((name) => [relative(root, join(root, 'src', name)), readFileSync(join(root, 'src', name), 'utf8')]),
  );
}

const sources = readSources();

test('every import keeps to the folders of architecture.md section 6', () => {
  assert.ok(sources.size > 10 && allImports(sources).length > 20, 'the sources were not found');
  assert.deepEqual(violations(sources), []);
});

test('the files that own a package or the environment do name it', () => {
  assert.match(sources.get('src/shared/env.ts') ?? '', /process\.env/);
  for (const { pattern, owner } of Object.values(OWNERS)) {
    const source = sources.get(owner);
    if (source !== undefined)
      assert.ok(
        importsOf(owner, source).some(({ to }) => pattern.test(to)),
        owner,
      );
  }
});

/** A planted violation: the file and what stands in it. Each must be found, or the test above proves nothing. */
const planted: Record<string, { path: string; source: string; want: RegExp }> = {
  'the domain importing Node': {
    path: 'src/sweep/x.ts',
    source: `import { join } from 'node:path';`,
    want: /nothing but typebox/,
  },
  'the domain importing Node for its side effects': {
    path: 'src/sweep/x.ts',
    source: `import "node:path";`,
    want: /nothing but typebox/,
  },
  'the domain importing a type of another folder': {
    path: 'src/sweep/x.ts',
    source: `import type { Environment } from '../shared/env.ts';`,
    want: /sweep may not import shared/,
  },
  'the domain re-exporting another folder': {
    path: 'src/sweep/x.ts',
    source: `export * from '../shared/env.ts';`,
    want: /sweep may not import shared/,
  },
  'the domain loading a module late': {
    path: 'src/sweep/x.ts',
    source: `const fs = await import('node:fs');`,
    want: /nothing but typebox/,
  },
  'the domain naming the type of a package': {
    path: 'src/sweep/x.ts',
    source: `type T = import('yaml').Document;`,
    want: /nothing but typebox/,
  },
  'the domain reading the clock': {
    path: 'src/sweep/x.ts',
    source: 'export const now = () => Date.now();',
    want: /not pure/,
  },
  'the domain throwing dice': { path: 'src/sweep/x.ts', source: 'export const die = Math.random();', want: /not pure/ },
  'an import over several lines': {
    path: 'src/local/x.ts',
    source: `import {\n  a,\n  type B,\n} from\n  "../trainer/tf.ts";`,
    want: /local may not import trainer/,
  },
  'a sibling imported': {
    path: 'src/trainer/x.ts',
    source: `import { pool } from '../local/pool.ts';`,
    want: /trainer may not import local/,
  },
  'the report importing shared': {
    path: 'src/report/x.ts',
    source: `import { readEnvironment } from '../shared/env.ts';`,
    want: /report may not import shared/,
  },
  'shared importing the report': {
    path: 'src/shared/x.ts',
    source: `import '../report/report.ts';`,
    want: /shared may not import report/,
  },
  'a folder that nobody planned': {
    path: 'src/util/x.ts',
    source: `import '../sweep/grid.ts';`,
    want: /unknown folder/,
  },
  'a main.ts imported': {
    path: 'src/cli/x.ts',
    source: `import { main } from '../trainer/main.ts';`,
    want: /nothing imports a main/,
  },
  'a program importing its tests': {
    path: 'src/cli/x.ts',
    source: `import '../../test/sweep/builders.ts';`,
    want: /may not import its tests/,
  },
  'a file that does not exist': {
    path: 'src/cli/x.ts',
    source: `import '../sweep/nowhere.ts';`,
    want: /does not exist/,
  },
  'the environment read': {
    path: 'src/cli/x.ts',
    source: 'const { HOME } = process.env;',
    want: /reads the environment/,
  },
  'the environment taken apart': {
    path: 'src/cli/x.ts',
    source: 'const { env } = process;',
    want: /reads the environment/,
  },
  'the environment read by its name': {
    path: 'src/cli/x.ts',
    source: `const home = process['env'].HOME;`,
    want: /reads the environment/,
  },
  'the environment imported': {
    path: 'src/cli/x.ts',
    source: `import { env } from 'node:process';`,
    want: /reads the environment/,
  },
  'TensorFlow.js named elsewhere': {
    path: 'src/trainer/x.ts',
    source: `import * as tf from '@tensorflow/tfjs-core';`,
    want: /TensorFlow/,
  },
  'TensorFlow.js required elsewhere': {
    path: 'src/trainer/x.ts',
    source: `const tf = require("@tensorflow/tfjs-node-gpu");`,
    want: /TensorFlow/,
  },
  'the NATS client elsewhere': {
    path: 'src/trainer/x.ts',
    source: `import { connect } from '@nats-io/transport-node';`,
    want: /NATS/,
  },
  'client-node elsewhere': {
    path: 'src/controller/x.ts',
    source: `import { KubeConfig } from '@kubernetes/client-node';`,
    want: /client-node/,
  },
  'Faro elsewhere': { path: 'src/dashboard/page/x.ts', source: `import '@grafana/faro-web-sdk';`, want: /Faro/ },
  'a file that imports itself': {
    path: 'src/cli/x.ts',
    source: `import './x.ts';`,
    want: /import cycle: src\/cli\/x\.ts → src\/cli\/x\.ts/,
  },
};

for (const [what, { path, source, want }] of Object.entries(planted))
  test(`planted and found: ${what}`, () => {
    const found = violations(new Map([...sources, [path, source]]));
    assert.ok(
      found.some((violation) => violation.includes(path) && want.test(violation)),
      found.join('\n'),
    );
  });

test('planted and found: a cycle of three, types included', () => {
  const cycle = new Map([
    ['src/cli/a.ts', `import { b } from './b.ts';`],
    ['src/cli/b.ts', `import type { C } from './c.ts';`],
    ['src/cli/c.ts', `export { a } from './a.ts';`],
  ]);
  assert.deepEqual(violations(cycle), ['import cycle: src/cli/a.ts → src/cli/b.ts → src/cli/c.ts → src/cli/a.ts']);
});

test('what only looks like an import is none', () => {
  const innocent = `// import '../local/pool.ts'\n/* from '../local/pool.ts'; process.env */\nconst from = 'a'; const text = "// not a comment"; export const x = from + text;`;
  assert.deepEqual(violations(new Map([['src/trainer/x.ts', innocent]])), []);
});

test('comments end where strings do not', () => {
  assert.deepEqual(importsOf('src/cli/x.ts', `const url = 'http://x'; import('yaml')`), [
    { from: 'src/cli/x.ts', to: 'yaml' },
  ]);
});
