import { parser } from '@prometheus-io/lezer-promql';

/** A vector selector: the metric, and the labels that are asked of it. */
export interface Selector {
  readonly metric: string;
  /** `job=~"$job"`, as written. */
  readonly matchers: readonly string[];
  readonly labels: readonly string[];
  /** Names of the functions and aggregations around it, from the inside. */
  readonly within: readonly string[];
  /** Of a range: `[5m]`, without the brackets. */
  readonly range: string | undefined;
}

export interface Expression {
  readonly selectors: readonly Selector[];
  /** Labels of `by`, `on`, `ignoring`, `group_left`. */
  readonly grouping: readonly string[];
}

/** What a person or a Grafana would have chosen. */
const VALUES: Readonly<Record<string, string>> = {
  $__rate_interval: '2m',
  $__interval: '1m',
  $job: '.+',
  $instance: '.+',
  $sweep_namespace: '.+',
  $sweep: '.+',
};

/** An expression of the dashboard as Grafana would send it. */
export function fillIn(expr: string, values: Readonly<Record<string, string>> = {}): string {
  const all = { ...VALUES, ...values };
  // Longest first: $sweep is the beginning of another.
  const names = Object.keys(all).sort((a, b) => b.length - a.length);
  const filled = names.reduce((text, name) => text.replaceAll(name, all[name] ?? ''), expr);
  if (filled.includes('$')) throw new Error(`a variable without a value: ${filled}`);
  return filled;
}

/** @throws an error with what does not parse */
export function parsePromql(expr: string): Expression {
  const selectors: Selector[] = [];
  const grouping: string[] = [];
  const text = ({ from, to }: { from: number; to: number }) => expr.slice(from, to);
  parser.parse(expr).iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`does not parse at ${node.from}: ${expr}`);
      if (node.name === 'GroupingLabels') grouping.push(...node.node.getChildren('LabelName').map(text));
      if (node.name !== 'VectorSelector') return;
      const metric = node.node.getChild('Identifier');
      const matchers = node.node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
      const within: string[] = [];
      let range: string | undefined;
      for (let up = node.node.parent; up; up = up.parent) {
        if (up.name === 'MatrixSelector') range = text(up).replace(/^.*\[|\]$/gs, '');
        const name = up.getChild('FunctionIdentifier') ?? up.getChild('AggregateOp');
        if (name) within.push(text(name));
      }
      selectors.push({
        metric: metric ? text(metric) : '',
        matchers: matchers.map(text),
        labels: matchers.flatMap((matcher) => matcher.getChildren('LabelName').map(text)),
        within,
        range,
      });
    },
  });
  return { selectors, grouping };
}
