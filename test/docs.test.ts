// What the documentation lists is what the code has, both ways.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../src/shared/package.ts';
import type { MetricDescription } from '../src/shared/telemetry.ts';
import { FAILURE_REASONS, REASONS, RETRY_REASONS, STUCK_REASONS } from '../src/sweep/reasons.ts';
import { controllerMetrics, dashboardMetrics } from './monitoring/registries.ts';

const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

/** The rows of the tables below a heading, up to the next one of its level: cells without their ticks. */
function rowsBelow(file: string, heading: string): string[][] {
  const [, below] = read(file).split(`\n## ${heading}\n`);
  assert.ok(below !== undefined, `${file} has no heading "${heading}"`);
  const [section = ''] = below.split('\n## ');
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && line.includes('`'));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const unquoted = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);

/** The first thing in ticks of each row. */
const namesBelow = (file: string, heading: string, cell = 0) =>
  rowsBelow(file, heading).flatMap((cells) => unquoted(cells[cell]).slice(0, 1));

const sorted = (names: Iterable<string>) => [...names].sort((a, b) => (a < b ? -1 : Number(a > b)));

const REASON_LISTS: Readonly<Record<string, { readonly cell?: number; readonly want: readonly string[] }>> = {
  'How an attempt ends': { want: FAILURE_REASONS },
  'Why another attempt is made': { want: RETRY_REASONS },
  'What keeps a Sweep from getting on': { want: STUCK_REASONS },
  'What conditions give': {
    cell: 1,
    want: REASONS.filter((reason) => !(STUCK_REASONS as readonly string[]).includes(reason)),
  },
};

for (const [heading, { cell, want }] of Object.entries(REASON_LISTS)) {
  test(`reasons: "${heading}" lists those of the code`, () => {
    assert.deepEqual(sorted(namesBelow('docs/reasons.md', heading, cell)), sorted(want));
  });
}

/** As docs/metrics.md has it. */
function documented(heading: string): MetricDescription[] {
  return rowsBelow('docs/metrics.md', heading).map(([name, type, labels]) => ({
    name: unquoted(name)[0] ?? '',
    type: type as MetricDescription['type'],
    labels: sorted(unquoted(labels)),
  }));
}

const byName = (metrics: readonly MetricDescription[]) =>
  metrics
    .map(({ name, type, labels }) => ({ name, type, labels: sorted(labels) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

const REGISTRIES = {
  controller: { declared: controllerMetrics, headings: ['Of the controller', 'Of both', 'Of NATS, by the controller'] },
  dashboard: { declared: dashboardMetrics, headings: ['Of the dashboard', 'Of both'] },
};

for (const [program, { declared, headings }] of Object.entries(REGISTRIES)) {
  test(`metrics: those of the ${program} are documented with their types and labels, and there are no others`, () => {
    assert.deepEqual(byName(declared()), byName(headings.flatMap(documented)));
  });
}

test('metrics: no label is one that a scrape adds', () => {
  const added = ['namespace', 'job', 'instance', 'pod', 'container', 'service', 'endpoint'];
  for (const heading of ['Of the controller', 'Of the dashboard', 'Of both', 'Of NATS, by the controller']) {
    for (const { name, labels } of documented(heading)) {
      assert.deepEqual(
        labels.filter((label) => added.includes(label)),
        [],
        name,
      );
    }
  }
});

/** The flags of a program, from the text of its options. */
function flagsOf(file: string): string[] {
  const [, options] = /(?:const OPTIONS|const options) = \{([\s\S]*?)\}(?: as const)?;\n/.exec(read(file)) ?? [];
  assert.ok(options !== undefined, `${file} has no options`);
  return [...options.matchAll(/(?:^|[,{]|\n)\s*'?([a-z][a-z-]*)'?: (?:text|preset|\{)/g)].map(
    ([, name]) => `--${name}`,
  );
}

const PROGRAMS = { Controller: 'controller/flags.ts', Dashboard: 'dashboard/flags.ts', Trainer: 'trainer/main.ts' };

for (const [heading, file] of Object.entries(PROGRAMS)) {
  test(`flags: those of ${file} are documented, and there are no others`, () => {
    const flags = flagsOf(`src/${file}`);
    assert.ok(flags.length > 3, 'the flags were not found');
    assert.deepEqual(sorted(namesBelow('docs/programs.md', heading)), sorted(flags));
  });
}

test('environment: the variables that are read are documented, and there are no others', () => {
  const variables = [...read('src/shared/env.ts').matchAll(/\b(?:variables|env)\.([A-Z][A-Z_0-9]*)/g)];
  const names = new Set(variables.map(([, name = '']) => name));
  assert.ok(names.size > 0, 'no variable was found');
  assert.deepEqual(sorted(namesBelow('docs/programs.md', 'Environment')), sorted(names));
});

test('commands of ours that are to be copied are those of the command line, with its flags', () => {
  const options = read('src/cli/main.ts');
  let found = 0;
  for (const file of [
    'README.md',
    ...['kubernetes', 'dashboard', 'nats', 'runbooks'].map((name) => `docs/${name}.md`),
  ]) {
    for (const [, block = ''] of read(file).matchAll(/```sh\n([\s\S]*?)```/g)) {
      for (const [line, command] of block.matchAll(/^bin\/cnn-sweep ([a-z]+)[^#\n]*/gm)) {
        const [, ofCommand = ''] = options.split(`\ncommand('${command}`);
        const [own = ''] = ofCommand.split('\ncommand(');
        for (const [, flag = ''] of line.matchAll(/ --([a-z-]+)/g)) {
          assert.match(own, new RegExp(`option\\([^)]*--${flag}[ ']`), `${file}: ${line}`);
          found++;
        }
      }
    }
  }
  assert.ok(found > 6, `${found} flags`);
});

test('links from one page of the documentation to another lead somewhere', () => {
  for (const file of ['metrics', 'reasons', 'programs', 'runbooks', 'kubernetes', 'kinds'].map(
    (name) => `docs/${name}.md`,
  )) {
    if (!existsSync(path.join(ROOT, file))) continue;
    for (const [, to = '', anchor] of read(file).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      const target = to === '' ? file : path.join('docs', to);
      assert.ok(existsSync(path.join(ROOT, target)), `${file}: ${to}`);
      if (anchor !== undefined) assert.ok(anchorsOf(target).includes(anchor), `${file}: ${to}#${anchor}`);
    }
  }
});

/** As a reader of Markdown makes them of headings. */
function anchorsOf(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
