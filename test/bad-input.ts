/** The table of bad input, reliability.md section 5, as data: used here on the local validator and in test/cluster on the API server. */

/** Values by path, put into VALID; `undefined` removes the field. */
export type Change = Readonly<Record<string, unknown>>;

export interface BadInput {
  readonly id: `B${number}`;
  readonly sentence: string;
  /** A file's text or bytes, or changes to a valid sweep; what is neither cannot be said in a file. */
  readonly text?: string | Uint8Array;
  readonly change?: Change;
  /** Changes to a sweep that exists already. */
  readonly update?: Change;
  /** The lines that `cnn-sweep validate` prints, exactly; none: accepted. */
  readonly want: readonly string[];
  /** What an accepted sweep is told nevertheless. */
  readonly notes?: readonly string[];
  /** Who answers in a cluster (`request`: it is no request for a Sweep, so no field is named): absent where the input never gets there (a text fault, a value that JSON does not have). */
  readonly api?: 'request' | 'schema' | 'cel' | 'policy' | 'accepted';
  /** The field that the API server names. */
  readonly path?: string;
}

/** The smallest valid sweep, as a person writes it. */
export const VALID = {
  apiVersion: 'cnn-sweep.dev/v1alpha1',
  kind: 'Sweep',
  metadata: { name: 'study' },
  spec: { grid: [{ widths: [[3, 8]] }] },
};

/** A copy of VALID (or of what is given) with some values put in or taken out; missing mappings and lists are made on the way. */
export function changed(change: Change, base: unknown = VALID): unknown {
  const root: unknown = structuredClone(base);
  for (const [path, value] of Object.entries(change)) {
    const keys = [...path.matchAll(/\["([^"]+)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(([, quoted, index, name]) =>
      index === undefined ? (quoted ?? name ?? '') : Number(index),
    );
    let at = root as Record<string | number, unknown>;
    for (const [position, key] of keys.slice(0, -1).entries()) {
      at[key] ??= typeof keys[position + 1] === 'number' ? [] : {};
      at = at[key] as Record<string | number, unknown>;
    }
    const last = keys.at(-1) ?? '';
    if (value === undefined) delete at[last];
    // Defined, not assigned: `__proto__` is to be a key, as in a file.
    else Object.defineProperty(at, last, { value, enumerable: true, configurable: true, writable: true });
  }
  return root;
}

const HEAD = 'apiVersion: cnn-sweep.dev/v1alpha1\nkind: Sweep\nmetadata: {name: study}\nspec:\n';
const GRID = '  grid: [{widths: [[3, 8]]}]\n';
const many = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);
const letters = (count: number) => 'a'.repeat(count);

export const BAD_INPUT: readonly BadInput[] = [
  { id: 'B1', sentence: 'an empty file', text: '', want: ['sweep.yaml: empty; expected a Sweep'] },
  { id: 'B1', sentence: 'only comments', text: '# a\n\n# b\n', want: ['sweep.yaml: empty; expected a Sweep'] },
  {
    id: 'B2',
    sentence: 'UTF-16',
    text: Uint8Array.of(0xff, 0xfe, 0x61, 0),
    want: ['sweep.yaml: byte 0xFF at offset 0: not UTF-8'],
  },
  {
    id: 'B2',
    sentence: 'Latin-1 in the middle',
    text: Uint8Array.of(0x61, 0x3a, 0xe9, 0x20),
    want: ['sweep.yaml: byte 0xE9 at offset 2: not UTF-8'],
  },
  {
    id: 'B2',
    sentence: '5 MiB',
    text: new Uint8Array(5 * 1024 * 1024),
    want: ['sweep.yaml: 5.0 MiB; the limit is 1 MiB'],
  },
  {
    id: 'B3',
    sentence: 'a tab as indentation',
    text: `${HEAD}${GRID}  training:\n\tepochs: 3\n`,
    want: ['sweep.yaml:7:1: a tab cannot indent YAML; use spaces'],
  },
  {
    id: 'B3',
    sentence: 'two documents',
    text: `${HEAD}${GRID}---\n${HEAD}${GRID}`,
    want: ['sweep.yaml:6:1: a second document; one Sweep a file'],
  },
  {
    id: 'B4',
    sentence: 'a key given twice',
    text: `${HEAD}${GRID}  training:\n    epochs: 3\n    seed: 1\n    epochs: 4\n`,
    want: ['sweep.yaml:9:5: spec.training.epochs: given twice, first in line 7'],
  },
  {
    id: 'B4',
    sentence: 'aliases of aliases of aliases',
    text: [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      'b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]',
      'c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]',
      'd: [*c,*c]',
    ].join('\n'),
    want: ['sweep.yaml:2:8: over 100 aliases'],
  },
  {
    id: 'B4',
    sentence: '30 levels',
    text: `${'['.repeat(30)}${']'.repeat(30)}`,
    want: ['sweep.yaml:1:21: over 20 levels'],
  },
  {
    id: 'B4',
    sentence: 'a hundred thousand brackets',
    text: '['.repeat(100_000),
    want: ['sweep.yaml:1:201: over 20 levels'],
  },
  { id: 'B5', sentence: 'a list as root', text: '- a\n- b\n', want: ['sweep.yaml: a list; expected a Sweep'] },
  {
    id: 'B5',
    sentence: 'another kind',
    change: { kind: 'Sweeps' },
    want: ['kind: "Sweeps": expected "Sweep"'],
    api: 'schema',
    path: 'kind',
  },
  {
    id: 'B5',
    sentence: 'another apiVersion',
    change: { apiVersion: 'cnn-sweep.dev/v2' },
    want: ['apiVersion: "cnn-sweep.dev/v2": expected "cnn-sweep.dev/v1alpha1"'],
    api: 'request',
  },
  {
    id: 'B6',
    sentence: 'a misspelt field',
    change: { 'spec.paralelism': 2 },
    want: ['spec.paralelism: unknown field; did you mean "parallelism"?'],
    api: 'accepted',
  },
  {
    id: 'B6',
    sentence: 'fields named after prototypes',
    change: { 'spec.__proto__': { suspend: true }, 'spec.training.constructor': 1 },
    want: ['spec.__proto__: unknown field', 'spec.training.constructor: unknown field'],
    api: 'accepted',
  },
  {
    id: 'B7',
    sentence: 'no name',
    change: { 'metadata.name': undefined },
    want: ['metadata.name: missing'],
    api: 'schema',
    path: 'metadata.name',
  },
  {
    id: 'B7',
    sentence: 'a name of 41 characters',
    change: { 'metadata.name': letters(41) },
    want: [`metadata.name: "${letters(32)}…": 41 characters; at most 40`],
    api: 'schema',
    path: 'metadata.name',
  },
  ...['Study', 'a.>', 'a b', ''].map(
    (name): BadInput => ({
      id: 'B7',
      sentence: `the name "${name}"`,
      change: { 'metadata.name': name },
      want: [`metadata.name: "${name}": expected a-z 0-9 -`],
      api: 'schema',
      path: 'metadata.name',
    }),
  ),
  {
    id: 'B7',
    sentence: 'a name that ends in a hyphen',
    change: { 'metadata.name': 'a-' },
    want: ['metadata.name: "a-": expected a letter or digit at both ends'],
    api: 'schema',
    path: 'metadata.name',
  },
  {
    id: 'B8',
    sentence: 'no grid',
    change: { 'spec.grid': undefined },
    want: ['spec.grid: missing'],
    api: 'schema',
    path: 'spec.grid',
  },
  {
    id: 'B8',
    sentence: 'an empty list of grids',
    change: { 'spec.grid': [] },
    want: ['spec.grid: empty; at least 1 grid'],
    api: 'schema',
    path: 'spec.grid',
  },
  {
    id: 'B8',
    sentence: '65 grids',
    change: { 'spec.grid': many(65, { widths: [[3]] }) },
    want: ['spec.grid: 65 grids; at most 64'],
    api: 'schema',
    path: 'spec.grid',
  },
  {
    id: 'B8',
    sentence: 'one grid without its dash',
    change: { 'spec.grid': { widths: [[3]] } },
    want: ['spec.grid: a mapping; expected a list of grids'],
    api: 'schema',
    path: 'spec.grid',
  },
  {
    id: 'B9',
    sentence: 'no network',
    change: { 'spec.grid[0].widths': [] },
    want: ['spec.grid[0].widths: empty; at least 1'],
    api: 'schema',
    path: 'spec.grid[0].widths',
  },
  {
    id: 'B9',
    sentence: 'a network without stages',
    change: { 'spec.grid[0].widths': [[]] },
    want: ['spec.grid[0].widths[0]: empty; at least 1 stage'],
    api: 'schema',
    path: 'spec.grid[0].widths[0]',
  },
  {
    id: 'B9',
    sentence: 'widths without the inner brackets',
    change: { 'spec.grid[0].widths': [3, 8] },
    want: [
      'spec.grid[0].widths[0]: 3: expected a list, as [[3,8]]',
      'spec.grid[0].widths[1]: 8: expected a list, as [[3,8]]',
    ],
    api: 'schema',
    path: 'spec.grid[0].widths[0]',
  },
  {
    id: 'B9',
    sentence: 'an axis without brackets',
    change: { 'spec.grid[0].activation': 'relu', 'spec.grid[0].depth': 2 },
    want: [
      'spec.grid[0].activation: "relu": expected a list, as [relu]',
      'spec.grid[0].depth: 2: expected a list, as [2]',
    ],
    api: 'schema',
    path: 'spec.grid[0].activation',
  },
  {
    id: 'B9',
    sentence: 'an axis of no value',
    change: { 'spec.grid[0].seed': [] },
    want: ['spec.grid[0].seed: empty; at least 1'],
    api: 'schema',
    path: 'spec.grid[0].seed',
  },
  {
    id: 'B9',
    sentence: 'an axis of 65 values',
    change: { 'spec.grid[0].seed': many(65, 1) },
    want: ['spec.grid[0].seed: 65 values; at most 64'],
    api: 'schema',
    path: 'spec.grid[0].seed',
  },
  ...[
    [0, '0: expected an integer from 1 to 1024'],
    [2.5, '2.5: expected an integer from 1 to 1024'],
    ['8', '"8": expected a number, not text'],
    [4096, '4096: expected an integer from 1 to 1024'],
  ].map(
    ([width, message]): BadInput => ({
      id: 'B10',
      sentence: `the width ${JSON.stringify(width)}`,
      change: { 'spec.grid[0].widths': [[3, width]] },
      want: [`spec.grid[0].widths[0][1]: ${message}`],
      api: 'schema',
      path: 'spec.grid[0].widths[0][1]',
    }),
  ),
  {
    id: 'B10',
    sentence: 'nine stages',
    change: { 'spec.grid[0].widths': [many(9, 3)] },
    want: ['spec.grid[0].widths[0]: 9 stages; at most 8'],
    api: 'schema',
    path: 'spec.grid[0].widths[0]',
  },
  {
    id: 'B11',
    sentence: 'a third stage that vanishes',
    change: { 'spec.grid[0].widths': [[3, 8, 16, 32]] },
    want: ['spec.grid[0]: widths [3,8,16,32], depth 1, max: stage 3 leaves a 0×0 map (32→28→14→10→5→1→0)'],
    api: 'accepted',
  },
  {
    id: 'B11',
    sentence: 'one of several networks that vanishes',
    change: { 'spec.grid[0].widths': [[3, 8], [3]], 'spec.grid[0].depth': [1, 8], 'spec.grid[0].pooling': ['none'] },
    want: [
      'spec.grid[0]: widths [3,8], depth 8, no pooling: stage 1 leaves a 0×0 map (32→28→24→20→16→12→8→4→0)',
      'spec.grid[0]: widths [3], depth 8, no pooling: stage 1 leaves a 0×0 map (32→28→24→20→16→12→8→4→0)',
    ],
    api: 'accepted',
  },
  {
    id: 'B12',
    sentence: 'ReLU',
    change: { 'spec.grid[0].activation': ['ReLU'] },
    want: ['spec.grid[0].activation[0]: "ReLU": expected relu or none; did you mean "relu"?'],
    api: 'schema',
    path: 'spec.grid[0].activation[0]',
  },
  {
    id: 'B12',
    sentence: 'pooling by the mean',
    change: { 'spec.grid[0].pooling': ['mean'] },
    want: ['spec.grid[0].pooling[0]: "mean": expected max, avg or none'],
    api: 'schema',
    path: 'spec.grid[0].pooling[0]',
  },
  {
    id: 'B12',
    sentence: 'depth 0 and 9',
    change: { 'spec.grid[0].depth': [0, 9] },
    want: [
      'spec.grid[0].depth[0]: 0: expected an integer from 1 to 8',
      'spec.grid[0].depth[1]: 9: expected an integer from 1 to 8',
    ],
    api: 'schema',
    path: 'spec.grid[0].depth[0]',
  },
  {
    id: 'B13',
    sentence: 'a product of a thousand million',
    change: {
      'spec.grid[0]': {
        widths: many(20, [3, 8]),
        depth: many(10, 1),
        batchSize: many(50, 4),
        learningRate: many(50, 0.1),
        momentum: many(40, 0.5),
        seed: many(50, 0),
      },
    },
    want: ['spec.grid: 1,000,000,000 trials; at most 100,000'],
    api: 'cel',
    path: 'spec.grid',
  },
  ...[
    [0, '0: expected above 0, at most 10', 'schema'],
    [-1, '-1: expected above 0, at most 10', 'schema'],
    [Number.NaN, 'NaN: expected above 0, at most 10', undefined],
    [Number.POSITIVE_INFINITY, 'Infinity: expected above 0, at most 10', undefined],
    ['0.001', '"0.001": expected a number, not text', 'schema'],
  ].map(
    ([rate, message, api]): BadInput => ({
      id: 'B14',
      sentence: `the learning rate ${typeof rate === 'string' ? `"${rate}"` : rate}`,
      change: { 'spec.training.learningRate': rate },
      want: [`spec.training.learningRate: ${message}`],
      ...(api === 'schema' ? { api, path: 'spec.training.learningRate' } : {}),
    }),
  ),
  {
    id: 'B14',
    sentence: 'numbers as only YAML writes them',
    text: `${HEAD}  grid: [{widths: [[0x10]], seed: [1_000], learningRate: [.nan, 1e400]}]\n`,
    want: [
      'spec.grid[0].learningRate[0]: NaN: expected above 0, at most 10',
      'spec.grid[0].learningRate[1]: Infinity: expected above 0, at most 10',
      'spec.grid[0].seed[0]: "1_000": expected a number, not text',
    ],
  },
  ...[0, 1.5, 50_000].map(
    (size): BadInput => ({
      id: 'B15',
      sentence: `a batch of ${size}`,
      change: { 'spec.training.batchSize': size },
      want: [`spec.training.batchSize: ${size}: expected an integer from 1 to 4096`],
      api: 'schema',
      path: 'spec.training.batchSize',
    }),
  ),
  {
    id: 'B15',
    sentence: 'a batch larger than the training set',
    change: { 'spec.training.batchSize': 128, 'spec.training.trainingExamples': 100 },
    want: ['spec.training.batchSize: 128: more than the 100 training examples'],
    api: 'accepted',
  },
  {
    id: 'B15',
    sentence: 'a batch of an axis larger than the training set',
    change: { 'spec.grid[0].batchSize': [4, 4096], 'spec.training.trainingExamples': 4095 },
    want: ['spec.grid[0].batchSize[1]: 4096: more than the 4,095 training examples'],
    api: 'accepted',
  },
  ...[
    ['momentum', 1, '1: expected 0 to below 1'],
    ['momentum', -0.1, '-0.1: expected 0 to below 1'],
    ['seed', -1, '-1: expected an integer from 0 to 4294967295'],
    ['seed', 2 ** 53 + 2, '9007199254740994: expected an integer from 0 to 4294967295'],
  ].map(
    ([field, value, message]): BadInput => ({
      id: 'B16',
      sentence: `${field} ${value}`,
      change: { [`spec.training.${field}`]: value },
      want: [`spec.training.${field}: ${message}`],
      api: 'schema',
      path: `spec.training.${field}`,
    }),
  ),
  {
    id: 'B16',
    sentence: 'a seed of an axis',
    change: { 'spec.grid[0].seed': [0, 1, -1] },
    want: ['spec.grid[0].seed[2]: -1: expected an integer from 0 to 4294967295'],
    api: 'schema',
    path: 'spec.grid[0].seed[2]',
  },
  {
    id: 'B17',
    sentence: 'cifar100',
    change: { 'spec.training.dataset': 'cifar100' },
    want: ['spec.training.dataset: "cifar100": expected cifar10 or mnist; did you mean "cifar10"?'],
    api: 'schema',
    path: 'spec.training.dataset',
  },
  ...[
    [0, '0: expected an integer from 1 to 1000'],
    [-1, '-1: expected an integer from 1 to 1000'],
    [1e6, '1000000: expected an integer from 1 to 1000'],
    ['15', '"15": expected a number, not text'],
    ['many', '"many": expected an integer from 1 to 1000'],
  ].map(
    ([epochs, message]): BadInput => ({
      id: 'B18',
      sentence: `${JSON.stringify(epochs)} epochs`,
      change: { 'spec.training.epochs': epochs },
      want: [`spec.training.epochs: ${message}`],
      api: 'schema',
      path: 'spec.training.epochs',
    }),
  ),
  ...[0, 1].map(
    (fraction): BadInput => ({
      id: 'B19',
      sentence: `a validation fraction of ${fraction}`,
      change: { 'spec.training.validationFraction': fraction },
      want: [`spec.training.validationFraction: ${fraction}: expected 0.01 to 0.5`],
      api: 'schema',
      path: 'spec.training.validationFraction',
    }),
  ),
  {
    id: 'B19',
    sentence: 'more training examples than the split leaves',
    change: { 'spec.training.trainingExamples': 60_000 },
    want: ['spec.training.trainingExamples: 60000: cifar10 leaves 45,000'],
    api: 'accepted',
  },
  {
    id: 'B19',
    sentence: 'two million training examples',
    change: { 'spec.training.trainingExamples': 2_000_000 },
    want: ['spec.training.trainingExamples: 2000000: expected an integer from 1 to 1000000'],
    api: 'schema',
    path: 'spec.training.trainingExamples',
  },
  ...[
    ['maxLossRise', -0.1, '-0.1: expected 0 to 10'],
    ['maxAccuracyGap', -1, '-1: expected 0 to 1'],
    ['maxAccuracyGap', 15, '15: expected 0 to 1'],
  ].map(
    ([field, value, message]): BadInput => ({
      id: 'B20',
      sentence: `${field} ${value}`,
      change: { [`spec.selection.${field}`]: value },
      want: [`spec.selection.${field}: ${message}`],
      api: 'schema',
      path: `spec.selection.${field}`,
    }),
  ),
  {
    id: 'B21',
    sentence: 'an abbreviated checkpoint',
    change: { 'spec.selection.checkpoint': 'Best' },
    want: ['spec.selection.checkpoint: "Best": expected BestEpoch or LastEpoch; did you mean "BestEpoch"?'],
    api: 'schema',
    path: 'spec.selection.checkpoint',
  },
  {
    id: 'B21',
    sentence: 'an unknown parsimony',
    change: { 'spec.selection.parsimony': 'Occam' },
    want: ['spec.selection.parsimony: "Occam": expected OneStandardError or None'],
    api: 'schema',
    path: 'spec.selection.parsimony',
  },
  ...[
    ['parallelism', 0, '0: expected an integer from 1 to 1000'],
    ['parallelism', 1e9, '1000000000: expected an integer from 1 to 1000'],
    ['maxFailedTrials', -1, '-1: expected an integer from 0 to 100000'],
    ['suspend', 'no', '"no": expected true or false'],
  ].map(
    ([field, value, message]): BadInput => ({
      id: 'B22',
      sentence: `${field} ${JSON.stringify(value)}`,
      change: { [`spec.${field}`]: value },
      want: [`spec.${field}: ${message}`],
      api: 'schema',
      path: `spec.${field}`,
    }),
  ),
  {
    id: 'B23',
    sentence: 'a grid that repeats another',
    change: {
      'spec.grid': [
        { widths: [[1], [2], [3]], activation: ['relu', 'none'] },
        { widths: [[4]] },
        { widths: [[3], [2], [1]], activation: ['none', 'relu'] },
      ],
    },
    want: [],
    notes: ['spec.grid[2]: 6 of 6 points are in spec.grid[0]; merged'],
    api: 'accepted',
  },
  {
    id: 'B23',
    sentence: 'a value given twice, and more parallelism than trials',
    change: { 'spec.grid': [{ widths: [[3]], depth: [1, 1] }], 'spec.parallelism': 4 },
    want: [],
    notes: ['spec.grid[0]: 1 of 2 points are in the same grid; merged', 'spec.parallelism: 4: more than the 1 trial'],
    api: 'accepted',
  },
  ...['', 'my image'].map(
    (image): BadInput => ({
      id: 'B24',
      sentence: `the image "${image}"`,
      change: { 'spec.trainer.image': image },
      want: [`spec.trainer.image: "${image}": expected an image reference`],
      api: 'schema',
      path: 'spec.trainer.image',
    }),
  ),
  ...[0, 2_592_001].map(
    (seconds): BadInput => ({
      id: 'B24',
      sentence: `a deadline of ${seconds} seconds`,
      change: { 'spec.trainer.activeDeadlineSeconds': seconds },
      want: [`spec.trainer.activeDeadlineSeconds: ${seconds}: expected an integer from 1 to 2592000`],
      api: 'schema',
      path: 'spec.trainer.activeDeadlineSeconds',
    }),
  ),
  {
    id: 'B25',
    sentence: 'half a GPU',
    change: { 'spec.trainer.resources.limits["nvidia.com/gpu"]': '0.5' },
    want: ['spec.trainer.resources.limits["nvidia.com/gpu"]: "0.5": expected a whole number'],
    api: 'cel',
    path: 'spec.trainer.resources.limits',
  },
  {
    id: 'B25',
    sentence: 'a request for more GPUs than the limit',
    change: {
      'spec.trainer.resources.limits["nvidia.com/gpu"]': '1',
      'spec.trainer.resources.requests["nvidia.com/gpu"]': 2,
    },
    want: ['spec.trainer.resources.requests["nvidia.com/gpu"]: 2: expected "1", as in limits'],
    api: 'cel',
    path: 'spec.trainer.resources.requests',
  },
  ...['-1', 'abc'].map(
    (cpu): BadInput => ({
      id: 'B25',
      sentence: `${cpu} processors`,
      change: { 'spec.trainer.resources.limits.cpu': cpu },
      want: [`spec.trainer.resources.limits.cpu: "${cpu}": expected a quantity, as "500m" or "4Gi"`],
      api: 'cel',
      path: 'spec.trainer.resources.limits',
    }),
  ),
  {
    id: 'B25',
    sentence: 'half a processor without quotes',
    change: { 'spec.trainer.resources.limits.cpu': 0.5 },
    want: ['spec.trainer.resources.limits.cpu: 0.5: expected a whole number or text, as "500m"'],
    api: 'schema',
    path: 'spec.trainer.resources.limits.cpu',
  },
  {
    id: 'B25',
    sentence: 'a number beyond 64 bits',
    change: { 'spec.trainer.resources.limits.memory': 1e20 },
    want: ['spec.trainer.resources.limits.memory: 100000000000000000000: expected a whole number or text, as "500m"'],
    api: 'schema',
    path: 'spec.trainer.resources.limits.memory',
  },
  {
    id: 'B25',
    sentence: 'a resource that Kubernetes does not know',
    change: { 'spec.trainer.resources.limits.gpu': 1 },
    want: ['spec.trainer.resources.limits.gpu: unknown resource; did you mean "nvidia.com/gpu"?'],
    api: 'cel',
    path: 'spec.trainer.resources.limits',
  },
  {
    id: 'B25',
    sentence: 'a request above its limit',
    change: { 'spec.trainer.resources.limits.cpu': '500m', 'spec.trainer.resources.requests.cpu': 1 },
    want: ['spec.trainer.resources.requests.cpu: 1: more than the limit, "500m"'],
    api: 'cel',
    path: 'spec.trainer.resources.requests',
  },
  ...['hostNetwork', 'securityContext', 'volumes', 'command'].map(
    (field): BadInput => ({
      id: 'B26',
      sentence: `${field} in trainer`,
      change: { [`spec.trainer.${field}`]: {} },
      want: [`spec.trainer.${field}: unknown field`],
      api: 'accepted',
    }),
  ),
  {
    id: 'B27',
    sentence: 'a grid that grows',
    update: { 'spec.grid[0].depth': [1, 2] },
    want: ['spec.grid: immutable; create a new Sweep'],
    api: 'cel',
    path: 'spec.grid',
  },
  {
    id: 'B27',
    sentence: 'other training, trainer and checkpoint',
    update: { 'spec.training.epochs': 3, 'spec.trainer.image': 'x', 'spec.selection.checkpoint': 'LastEpoch' },
    want: ['spec.training', 'spec.selection.checkpoint', 'spec.trainer'].map(
      (path) => `${path}: immutable; create a new Sweep`,
    ),
    api: 'cel',
    path: 'spec.training',
  },
  {
    id: 'B27',
    sentence: 'other thresholds, parallelism and suspension',
    update: {
      'spec.selection.maxLossRise': 1,
      'spec.selection.parsimony': 'None',
      'spec.parallelism': 1,
      'spec.suspend': true,
      'spec.maxFailedTrials': 1,
    },
    want: [],
    api: 'accepted',
  },
  {
    id: 'B28',
    sentence: 'a status, labels and a finalizer of the user',
    change: {
      status: { phase: 'Complete', trials: 'x' },
      'metadata.labels': { 'cnn-sweep.dev/sweep': 'x' },
      'metadata.finalizers': ['x.y/z'],
    },
    want: [],
    api: 'accepted',
  },
  { id: 'B29', sentence: 'an author who may not create Jobs', change: {}, want: [], api: 'policy' },
  {
    id: 'B30',
    sentence: 'a claim, a queue and a priority class that do not exist',
    change: {
      'spec.trainer.dataClaim': 'nowhere',
      'spec.trainer.queueName': 'none',
      'spec.trainer.priorityClassName': 'none',
    },
    want: [],
    api: 'accepted',
  },
  {
    id: 'B6',
    sentence: 'null, which is the same as absent',
    change: { 'spec.training': null, 'spec.parallelism': null },
    want: [],
    api: 'accepted',
  },
];
