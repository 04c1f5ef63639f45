import { MAX_SWEEP_NAME } from '../src/sweep/names.ts';
import { withCommas } from '../src/sweep/path.ts';
import { QUANTITY } from '../src/sweep/quantity.ts';
import { RESOURCE_NAME } from '../src/sweep/resources.ts';
import { LABEL } from '../src/sweep/rules.ts';
import { MAX_TRIALS, SWEEP_NAME } from '../src/sweep/schema.ts';
import type { Additions, CelRule } from './structural.ts';

// The API server asks these before it stores a sweep: the rules of src/sweep/rules.ts that need no data set, in the same words.
// What depends on the data set (a map that vanishes, a split that leaves too little) is parseSweep's: Accepted=False.

/** An expression as CEL quotes it. */
const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const matches = (subject: string, pattern: RegExp | string) =>
  `${subject}.matches(${quoted(typeof pattern === 'string' ? pattern : pattern.source)})`;
/** A scalar as our messages show it: text in quotes, a number bare. */
const shown = (value: string) => `(type(${value}) == string ? '"' + string(${value}) + '"' : string(${value}))`;

const immutable = (path: string): CelRule => ({
  rule: `self.${path} == oldSelf.${path}`,
  fieldPath: `.${path}`,
  reason: 'FieldValueForbidden',
  message: 'immutable; create a new Sweep',
});

const NAME = 'self.metadata.name';
const nameRules: readonly CelRule[] = [
  {
    rule: `size(${NAME}) <= ${MAX_SWEEP_NAME}`,
    fieldPath: '.metadata.name',
    messageExpression: `'"%s…": %d characters; at most ${MAX_SWEEP_NAME}'.format([${NAME}.substring(0, 32), size(${NAME})])`,
    message: `over ${MAX_SWEEP_NAME} characters`,
  },
  {
    rule: matches(NAME, SWEEP_NAME),
    fieldPath: '.metadata.name',
    messageExpression: `(${matches(NAME, '^[-a-z0-9]+$')} ? '"%s": expected a letter or digit at both ends' : '"%s": expected a-z 0-9 -').format([${NAME}])`,
    message: 'expected a-z 0-9 -',
  },
];

const OVERRIDABLE = ['batchSize', 'learningRate', 'momentum', 'seed'];
/** Points of all grids, counted and never expanded: at most 64 × 64^8, below 2^63. */
const TRIALS = `self.map(g, ${[
  ...['widths', 'activation', 'pooling', 'depth'].map((axis) => `size(g.${axis})`),
  ...OVERRIDABLE.map((axis) => `(has(g.${axis}) ? size(g.${axis}) : 1)`),
].join(' * ')}).sum()`;
/** `1,000,000` of a number from 1,000 to 10^18, since CEL's format knows no commas: groups of three digits, the first without zeros.
 * Every part is written by `format`: the API server takes the length of any other text of a number for unbounded, and refuses it. */
function commas(number: string): string {
  const groups = [15, 12, 9, 6, 3].map((zeros) => {
    const unit = 10n ** BigInt(zeros);
    return `n / ${unit} >= 1000 ? ${digits(unit, ',')} : n >= ${unit} ? '%d,'.format([n / ${unit}]) : ''`;
  });
  return `[${number}].map(n, '%s%s%s%s%s%s'.format([${[...groups, digits(1n, '')].join(', ')}]))[0]`;
}
/** The three digits of `n` above a unit. */
const digits = (unit: bigint, end: string) =>
  `'%d%d%d${end}'.format([n / ${unit * 100n} % 10, n / ${unit * 10n} % 10, n / ${unit} % 10])`;
const trialRule: CelRule = {
  rule: `${TRIALS} <= ${MAX_TRIALS}`,
  reason: 'FieldValueForbidden',
  messageExpression: `'%s trials; at most ${withCommas(MAX_TRIALS)}'.format([${commas(TRIALS)}])`,
  message: `over ${withCommas(MAX_TRIALS)} trials`,
};

/** A rule on each entry of a mapping; the answer names the first key that breaks it, and what `says` makes of it. */
function eachEntry(ok: (key: string) => string, says: (key: string) => string, message: string, map = 'self'): CelRule {
  const first = `${map}.filter(k, !(${ok('k')}))[0]`;
  return {
    rule: `${map}.all(k, ${ok('k')})`,
    reason: 'FieldValueForbidden',
    messageExpression: `[${first}].map(k, k + ': ' + ${says('k')})[0]`,
    message,
  };
}

const isDevice = (key: string) => `${key}.contains('/')`;
const WHOLE = /^\d{1,15}$/;
const isQuantity = (value: string) => matches(`string(${value})`, QUANTITY);
const isWhole = (value: string) => matches(`string(${value})`, WHOLE);

/** On `limits` and on `requests`. */
const quantityRules: readonly CelRule[] = [
  eachEntry(
    (key) => matches(key, RESOURCE_NAME),
    () => quoted('unknown resource; expected cpu, memory or a name such as nvidia.com/gpu'),
    'unknown resource; expected cpu, memory or a name such as nvidia.com/gpu',
  ),
  eachEntry(
    (key) => `!${isDevice(key)} || ${isWhole(`self[${key}]`)}`,
    (key) => `${shown(`self[${key}]`)} + ': expected a whole number'`,
    'expected a whole number of devices',
  ),
  eachEntry(
    (key) => `${isDevice(key)} || ${isQuantity(`self[${key}]`)}`,
    (key) => `${shown(`self[${key}]`)} + ${quoted(': expected a quantity, as "500m" or "4Gi"')}`,
    'expected a quantity, as "500m" or "4Gi"',
  ),
];

/** What a limit is if nobody says so: one GPU, as in resources.ts. */
const hasLimit = (key: string) => `(has(self.limits) ? ${key} in self.limits : ${key} == 'nvidia.com/gpu')`;
const limit = (key: string) => `(has(self.limits) ? self.limits[${key}] : 1)`;
const request = (key: string) => `self.requests[${key}]`;

/** A rule on each request whose form is right; a wrong form has its own answer. */
function eachRequest(ok: (key: string) => string, says: (key: string) => string, message: string): CelRule {
  const { rule, messageExpression, ...rest } = eachEntry(ok, says, message, 'self.requests');
  return { rule: `!has(self.requests) || ${rule}`, fieldPath: '.requests', messageExpression, ...rest } as CelRule;
}

const resourceRules: readonly CelRule[] = [
  eachRequest(
    (key) => `!${isDevice(key)} || ${hasLimit(key)}`,
    (key) => `${shown(request(key))} + ': a request needs the same limit'`,
    'a request of a device needs the same limit',
  ),
  eachRequest(
    (key) =>
      `!${isDevice(key)} || !${hasLimit(key)} || !${isWhole(request(key))} || !${isWhole(limit(key))} || ` +
      `int(string(${request(key)})) == int(string(${limit(key)}))`,
    (key) => `${shown(request(key))} + ': expected ' + ${shown(limit(key))} + ', as in limits'`,
    'a request of a device equals its limit',
  ),
  eachRequest(
    (key) =>
      `${isDevice(key)} || !${hasLimit(key)} || !${isQuantity(request(key))} || !${isQuantity(limit(key))} || ` +
      `!quantity(string(${request(key)})).isGreaterThan(quantity(string(${limit(key)})))`,
    (key) => `${shown(request(key))} + ': more than the limit, ' + ${shown(limit(key))}`,
    'a request is at most its limit',
  ),
];

const labelRules: readonly CelRule[] = [
  eachEntry(
    (key) => matches(key, LABEL),
    () => quoted('expected a label, as nvidia.com/gpu.product'),
    'expected labels, as nvidia.com/gpu.product',
  ),
  eachEntry(
    (key) => `self[${key}] == '' || ${matches(`('x/' + self[${key}])`, LABEL)}`,
    (key) => `'"' + self[${key}] + ${quoted('": expected a label’s value')}`,
    'expected a label’s value',
  ),
];

/** By path, what a Sweep must keep to beyond its schema. */
export const SWEEP_RULES: Additions = {
  '': { 'x-kubernetes-validations': nameRules },
  // On the parent: a rule on the field itself would not be asked when the field is removed.
  spec: {
    'x-kubernetes-validations': ['grid', 'training', 'selection.checkpoint', 'trainer'].map(immutable),
  },
  'spec.grid': { 'x-kubernetes-validations': [trialRule] },
  'spec.trainer.resources': { 'x-kubernetes-validations': resourceRules },
  'spec.trainer.resources.limits': { 'x-kubernetes-validations': quantityRules },
  'spec.trainer.resources.requests': { 'x-kubernetes-validations': quantityRules },
  'spec.trainer.nodeSelector': { 'x-kubernetes-validations': labelRules },
  // Server-side apply leaves out an empty list, so conditions cannot be required.
  status: { required: ['phase', 'observedGeneration', 'trials', 'message'] },
  'status.conditions': { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
};

const fixed = (path: string): CelRule => ({
  rule: `self.${path} == oldSelf.${path}`,
  fieldPath: `.${path}`,
  reason: 'FieldValueForbidden',
  message: 'immutable',
});

/** By path, what makes a slice append-only. The API server itself refuses a second record of a trial: the list is a map. */
export const SLICE_RULES: Additions = {
  '': { 'x-kubernetes-validations': ['slice', 'sweep'].map(fixed) },
  records: {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['trial'],
    'x-kubernetes-validations': [
      {
        // The trials of the new list are collected once, not once for each old record.
        rule: '[self.map(r, r.trial)].all(trials, oldSelf.all(r, r.trial in trials))',
        reason: 'FieldValueForbidden',
        messageExpression: `'trial %d: a record is never removed'.format([self.map(r, r.trial)].map(trials, oldSelf.filter(r, !(r.trial in trials))[0].trial))`,
        message: 'a record is never removed',
      },
    ],
  },
  'records[]': {
    // One field to whom it belongs, not forty: a full slice would carry as much bookkeeping as results.
    'x-kubernetes-map-type': 'atomic',
    'x-kubernetes-validations': [
      { rule: 'self == oldSelf', reason: 'FieldValueForbidden', message: 'a record is never changed' },
    ],
  },
};
