import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { buildCrdTemplate, buildCrdTemplates, buildPlain, CHART, PLAIN, renderPlain } from '../../k8s/manifests.ts';
import { parseSweep } from '../../src/sweep/sweep.ts';
import { at, helm, namesOf, type Rendered, render, SKIP, sorted, valuesArgs } from './helm.ts';
import { shownSweeps, sweepOfNotes } from './sweeps.ts';

const AGAIN = 'run `node k8s/manifests.ts`';

test('the chart’s kinds are those of k8s/crds', async () => {
  const templates = await buildCrdTemplates();
  assert.ok(templates.size >= 2);
  for (const [file, text] of templates) assert.equal(await readFile(file, 'utf8'), text, AGAIN);
  assert.deepEqual(
    readdirSync(path.join(CHART, 'templates/crds')),
    [...templates.keys()].map((file) => path.basename(file)),
  );
});

test('what looks like a template in a kind is text', () => {
  const text = buildCrdTemplate('# note\nkind: X\nmetadata:\n  name: x\nspec:\n  description: "{{ .Values }}"\n');
  assert.ok(text.includes('description: "{{ "{{" }} .Values }}"'));
  assert.ok(!text.includes('# note'));
});

suite('the plain manifests', { skip: SKIP }, () => {
  test('are the chart’s defaults, but for Secrets, which are nobody’s to publish', async () => {
    assert.equal(await readFile(PLAIN, 'utf8'), await renderPlain(), AGAIN);
  });

  test('have everything but the test, in a namespace of their own, and say nothing of Helm', async () => {
    const text = await readFile(PLAIN, 'utf8');
    const objects = parseAllDocuments(text).map((each) => each.toJS() as Rendered);
    const installed = (await render()).filter(({ metadata }) => !metadata.annotations?.['helm.sh/hook']);
    const public_ = installed.filter(({ kind }) => kind !== 'Secret');
    assert.deepEqual(namesOf(objects), sorted([...namesOf(public_), 'Namespace cnn-sweep']));
    assert.deepEqual(namesOf(installed.filter(({ kind }) => kind === 'Secret')).length, 2);
    assert.equal(objects[0]?.kind, 'Namespace');
    assert.doesNotMatch(text.replace(/^#.*$/gm, ''), /helm/i);
  });
});

test('hooks and empty documents are left out of plain manifests, comments of Helm too', () => {
  const text = buildPlain(`---
# Source: cnn-sweep/templates/a.yaml
kind: A
metadata:
  name: a
  labels: {helm.sh/chart: c, b: d}
---
# Source: cnn-sweep/templates/b.yaml
---
kind: B
metadata: {name: b, annotations: {helm.sh/hook: test}}
`);
  const objects = parseAllDocuments(text).map((each) => each.toJS() as Rendered);
  assert.deepEqual(namesOf(objects), ['A a', 'Namespace cnn-sweep']);
  assert.deepEqual(objects[1]?.metadata.labels, { b: 'd' });
  assert.ok(!text.includes('Source:'));
});

test('every Sweep that we show is valid', async () => {
  const all = await shownSweeps();
  assert.ok(all.size >= 6, `${all.size}`);
  for (const [where, sweep] of all) assert.doesNotThrow(() => parseSweep(sweep), where);
});

// Helm 3 shows no notes without a cluster: install.test.ts looks at its own.
suite('the notes after an installation', { skip: SKIP }, () => {
  const notes = async (values = {}) => {
    const args = ['install', 'cnn-sweep', CHART, '--namespace', 'home', '--dry-run=client', ...valuesArgs(values)];
    return helm('helm4', args);
  };

  test('have a Sweep that is valid, in a namespace that is watched, and every image', async () => {
    const said = await notes({ watchNamespaces: ['team', 'other'] });
    const sweep = sweepOfNotes(said);
    assert.equal(parseSweep(sweep).sweep.metadata.name, 'first');
    assert.equal(at(sweep, 'metadata', 'namespace'), 'team');
    assert.match(said, /^ {2}cnn-sweep:0\.1\.0\n {2}cnn-sweep-trainer:0\.1\.0$/m);
    assert.match(said, /helm test cnn-sweep --namespace home/);
    assert.match(said, /^ {2}nats:2\.14\.9$/m);
  });

  test('warn of trials that share a password, and where it must be', async () => {
    const external = { url: 'nats://nats.test', tls: false, existingSecret: 'theirs', trainerSecret: 'shared' };
    const said = await notes({ watchNamespaces: ['a', 'b'], nats: { enabled: false, external } });
    assert.match(
      said,
      /WARNING: without the callout all trials share what Secret shared holds, which must be in a, b:/,
    );
    assert.doesNotMatch(await notes(), /without the callout/);
  });

  test('warn of what is off', async () => {
    const said = await notes({ admissionPolicy: { enabled: false }, rbac: { aggregate: false } });
    assert.match(said, /admissionPolicy\.enabled +WARNING: whoever may create Sweeps starts Pods/);
    assert.match(said, /rbac\.aggregate +only administrators may create Sweeps/);
    assert.match(said, /`release: <its release>`/);
  });
});
