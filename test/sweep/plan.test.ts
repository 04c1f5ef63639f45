import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Plan, type PlanLimits, planSweep } from '../../src/sweep/plan.ts';
import type { Outcome } from '../../src/sweep/result.ts';

function makeLimits(limits: Partial<PlanLimits> = {}): PlanLimits {
  return { trials: 5, parallelism: 2, suspend: false, ...limits };
}

function makeState({ running = [], delayed = [], ...outcomes }: Shorthand = {}) {
  const recorded = new Set(OUTCOMES.flatMap((outcome) => outcomes[outcome] ?? []));
  return { running: new Set(running), recorded, failures: outcomes.Failed?.length ?? 0, delayed: new Set(delayed) };
}

const OUTCOMES = ['Succeeded', 'Failed', 'Stopped'] as const;
type Shorthand = { running?: number[]; delayed?: number[] } & { [O in Outcome]?: number[] };

const cases: Record<string, { limits?: Partial<PlanLimits>; state?: Shorthand; want: Partial<Plan> }> = {
  'at the start the lowest trials start, as many as there is room for': { want: { start: [0, 1], done: false } },
  'a running trial takes one place': { state: { running: [0] }, want: { start: [1], done: false } },
  'a recorded trial never starts again, whatever its outcome': {
    state: { Succeeded: [0], Failed: [1], Stopped: [2] },
    want: { start: [3, 4], done: false, failed: false },
  },
  'a gap that a lost attempt left is filled before higher trials': {
    state: { running: [0, 2], Succeeded: [3] },
    limits: { parallelism: 3 },
    want: { start: [1] },
  },
  'a delayed trial waits and the next one starts instead': { state: { delayed: [0] }, want: { start: [1, 2] } },
  'only delayed trials left: nothing starts, and the sweep is not done': {
    state: { delayed: [4], Succeeded: [0, 1, 2, 3] },
    want: { start: [], done: false },
  },
  'parallelism lowered below what runs: nothing starts and nothing stops': {
    state: { running: [0, 1, 2] },
    want: { start: [], stop: [], done: false },
  },
  'suspended: nothing starts, running trials finish': {
    limits: { suspend: true },
    state: { running: [0] },
    want: { start: [], stop: [], done: false },
  },
  'suspended and nothing runs: done until it is resumed': {
    limits: { suspend: true },
    want: { start: [], done: true },
  },
  'all recorded and none runs: done': { state: { Succeeded: [0, 1, 2, 3, 4] }, want: { start: [], done: true } },
  'all recorded but one still alive: not done': {
    state: { Succeeded: [0, 1, 2, 3, 4], running: [4] },
    want: { start: [], stop: [], done: false },
  },
  'as many failures as allowed are allowed': {
    limits: { maxFailedTrials: 2 },
    state: { Failed: [0, 1] },
    want: { start: [2, 3], failed: false },
  },
  'one failure more fails the sweep: running trials stop, lowest first': {
    limits: { maxFailedTrials: 1, parallelism: 4 },
    state: { Failed: [0, 1], running: [3, 2] },
    want: { start: [], stop: [2, 3], done: false, failed: true },
  },
  'with maxFailedTrials 0 the first failure fails the sweep': {
    limits: { maxFailedTrials: 0 },
    state: { Failed: [0] },
    want: { start: [], stop: [], done: true, failed: true },
  },
  'a stopped trial is not a failure': {
    limits: { maxFailedTrials: 0 },
    state: { Stopped: [0] },
    want: { start: [1, 2], failed: false },
  },
  'without maxFailedTrials any number may fail': {
    state: { Failed: [0, 1, 2, 3, 4] },
    want: { done: true, failed: false },
  },
  'a recorded trial that is still alive is not stopped a second time': {
    limits: { maxFailedTrials: 0 },
    state: { Failed: [0], running: [0, 1] },
    want: { stop: [1], done: false, failed: true },
  },
};

for (const [sentence, { limits, state, want }] of Object.entries(cases))
  test(sentence, () =>
    assert.deepEqual(
      { ...planSweep(makeLimits(limits), makeState(state)), ...want },
      planSweep(makeLimits(limits), makeState(state)),
    ),
  );

const inputs = fc
  .record({
    trials: fc.integer({ min: 1, max: 12 }),
    parallelism: fc.integer({ min: 1, max: 6 }),
    maxFailedTrials: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
    suspend: fc.boolean(),
    fates: fc.array(fc.constantFrom('waiting', 'delayed', 'running', 'Succeeded', 'Failed', 'Stopped'), {
      minLength: 12,
      maxLength: 12,
    }),
  })
  .map(({ fates, ...limits }) => {
    const of = (fate: string) =>
      fates.flatMap((each, trial) => (each === fate && trial < limits.trials ? [trial] : []));
    const state = {
      running: of('running'),
      delayed: of('delayed'),
      Succeeded: of('Succeeded'),
      Failed: of('Failed'),
      Stopped: of('Stopped'),
    };
    return {
      limits,
      state: makeState(state),
      waiting: of('waiting'),
      unfinished: [...of('waiting'), ...of('delayed'), ...of('running')],
    };
  });

test('whatever the state: never above parallelism, only waiting trials, lowest first, as many as fit', () => {
  fc.assert(
    fc.property(inputs, ({ limits, state, waiting }) => {
      const { start, stop, failed } = planSweep(limits, state);
      const room = failed || limits.suspend ? 0 : Math.max(0, limits.parallelism - state.running.size);
      assert.deepEqual(start, waiting.slice(0, room));
      assert.ok(start.length === 0 || state.running.size + start.length <= limits.parallelism);
      assert.deepEqual(stop, failed ? [...state.running].sort((a, b) => a - b) : []);
    }),
  );
});

test('whatever the state: done means that none runs, and none is left unless the sweep is suspended or failed', () => {
  fc.assert(
    fc.property(inputs, ({ limits, state, unfinished }) => {
      const { done, failed } = planSweep(limits, state);
      assert.equal(done, state.running.size === 0 && (unfinished.length === 0 || limits.suspend || failed));
    }),
  );
});

test('the same input gives the same plan, in whatever order its sets were filled, and is left as it was', () => {
  fc.assert(
    fc.property(inputs, ({ limits, state }) => {
      const before = structuredClone(state);
      const backwards = {
        ...state,
        running: new Set([...state.running].reverse()),
        recorded: new Set([...state.recorded].reverse()),
        delayed: new Set([...(state.delayed ?? [])].reverse()),
      };
      assert.deepEqual(planSweep(limits, backwards), planSweep(limits, state));
      assert.deepEqual(state, before);
    }),
  );
});

test('a planner that repeats itself until done runs every trial once, the lowest first', () => {
  const state = { running: new Set<number>(), recorded: new Set<number>(), failures: 0 };
  const started: number[] = [];
  for (let plan = planSweep(makeLimits({ trials: 40, parallelism: 3 }), state); !plan.done; ) {
    for (const trial of plan.start) {
      started.push(trial);
      state.running.add(trial);
    }
    const [oldest] = state.running;
    assert.ok(oldest !== undefined && state.running.size <= 3);
    state.running.delete(oldest);
    state.recorded.add(oldest);
    plan = planSweep(makeLimits({ trials: 40, parallelism: 3 }), state);
  }
  assert.deepEqual(
    started,
    Array.from({ length: 40 }, (_, trial) => trial),
  );
});
