import type { Field } from '../src/sweep/field.ts';
import { SweepSchema } from '../src/sweep/schema.ts';
import { TrialResultSliceSchema } from '../src/sweep/slice.ts';
import { SweepStatusSchema } from '../src/sweep/status.ts';
import { SLICE_RULES, SWEEP_RULES } from './rules.ts';
import { type Additions, type Structural, toStructural } from './structural.ts';

export const GROUP = 'cnn-sweep.dev';
export const VERSION = 'v1alpha1';

/** A CustomResourceDefinition, as far as ours go. */
export interface Crd {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: Names;
    readonly scope: 'Namespaced';
    readonly versions: readonly CrdVersion[];
  };
}

interface Names {
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
}

interface CrdVersion {
  readonly name: string;
  readonly served: true;
  readonly storage: true;
  readonly additionalPrinterColumns: readonly Column[];
  readonly subresources?: { readonly status: Record<string, never> };
  readonly schema: { readonly openAPIV3Schema: Structural };
}

interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'date';
  readonly jsonPath: string;
  readonly description?: string;
  /** From 1 on shown only with `-o wide`. */
  readonly priority?: number;
}

const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** The kinds of ours, generated from the schemas of the domain: one source for the type, the local validator and the API server. Pure. */
export function buildCrds(): { sweeps: Crd; trialresultslices: Crd } {
  const sweeps = buildCrd({
    names: { kind: 'Sweep', plural: 'sweeps', singular: 'sweep', shortNames: ['sw'] },
    schema: withStatus(SweepSchema as Field, SweepStatusSchema as Field),
    additions: SWEEP_RULES,
    hasStatus: true,
    columns: [
      { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
      { name: 'Trials', type: 'integer', jsonPath: '.status.trials.total' },
      { name: 'Running', type: 'integer', jsonPath: '.status.trials.running' },
      { name: 'Succeeded', type: 'integer', jsonPath: '.status.trials.succeeded' },
      { name: 'Failed', type: 'integer', jsonPath: '.status.trials.failed' },
      { name: 'Best', type: 'string', jsonPath: '.status.best.network', description: 'Best network so far.' },
      { name: 'Validation loss', type: 'string', jsonPath: '.status.best.loss', description: 'Of the best.' },
      AGE,
      { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    ],
  });
  const trialresultslices = buildCrd({
    names: {
      kind: 'TrialResultSlice',
      plural: 'trialresultslices',
      singular: 'trialresultslice',
      shortNames: ['trs'],
    },
    schema: TrialResultSliceSchema as Field,
    additions: SLICE_RULES,
    hasStatus: false,
    columns: [
      { name: 'Sweep', type: 'string', jsonPath: '.sweep' },
      { name: 'Slice', type: 'integer', jsonPath: '.slice' },
      AGE,
    ],
  });
  return { sweeps, trialresultslices };
}

interface Kind {
  readonly names: Omit<Names, 'listKind' | 'categories'>;
  readonly schema: Field;
  readonly additions: Additions;
  readonly hasStatus: boolean;
  readonly columns: readonly Column[];
}

function buildCrd({ names, schema, additions, hasStatus, columns }: Kind): Crd {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${names.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      names: { ...names, listKind: `${names.kind}List`, categories: ['cnn-sweep'] },
      scope: 'Namespaced',
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          ...(hasStatus && { subresources: { status: {} } }),
          schema: { openAPIV3Schema: rootOf(schema, additions) },
        },
      ],
    },
  };
}

function withStatus(schema: Field, status: Field): Field {
  return { ...schema, properties: { ...schema.properties, status } };
}

/** What every object has; Kubernetes checks it by rules of its own. */
const META: Readonly<Record<string, Structural>> = {
  apiVersion: { type: 'string', description: 'Version of this format.' },
  kind: { type: 'string', description: 'Which kind of object this is.' },
  // The name stands here so that a rule may name it.
  metadata: { type: 'object', properties: { name: { type: 'string' } } },
};

function rootOf(schema: Field, additions: Additions): Structural {
  const { properties, required, ...root } = toStructural(schema, '', additions);
  const own = Object.fromEntries(Object.entries(properties ?? {}).filter(([name]) => !(name in META)));
  return { ...root, required: required?.filter((name) => name in own) ?? [], properties: { ...META, ...own } };
}
