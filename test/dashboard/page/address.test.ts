import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Address, decodeAddress, encodeAddress, HOME, routeOf } from '../../../src/dashboard/page/address.ts';
import { PAYLOADS } from './payloads.ts';

const views: Record<string, { address: Partial<Address>; want: string }> = {
  'the list of sweeps has a bare address': { address: {}, want: '' },
  'a sweep is named by namespace and name': { address: { sweep: 'team-a/study' }, want: '?sweep=team-a/study' },
  'a view, a trial and what the curves show': {
    address: { sweep: 'local/study', view: 'curves', trial: 3, quantity: 'accuracy', x: 'time', smooth: true },
    want: '?sweep=local/study&trial=3&show=accuracy&x=time&smooth=1',
  },
  'the part of the curves that is shown': {
    address: { sweep: 'local/study', zoomX: [4.5, 8], zoomY: [-0.1, 1e-3] },
    want: '?sweep=local/study&zoomX=4.5~8&zoomY=-0.1~0.001',
  },
  'filters and sorting of the table': {
    address: { sweep: 'a/b', view: 'trials', q: 'relu & max', sort: '-gap', finding: 'Overfit', phase: 'Running' },
    want: '?sweep=a/b&view=trials&q=relu%20%26%20max&sort=-gap&finding=Overfit&phase=Running',
  },
  'axes of the heat map': {
    address: {
      sweep: 'a/b',
      view: 'heatmap',
      cell: 'gap',
      across: 'seed',
      down: 'widths',
      facetAcross: 'depth',
      facetDown: 'pooling',
    },
    want: '?sweep=a/b&view=heatmap&cell=gap&across=seed&down=widths&facetAcross=depth&facetDown=pooling',
  },
  'brushes of axes and figures': {
    address: {
      sweep: 'a/b',
      view: 'parallel',
      brush: new Map([
        ['widths', [1, 3]],
        ['gap', [-0.01, 1e-3]],
      ]),
    },
    want: '?sweep=a/b&view=parallel&brush=widths:1~3;gap:-0.01~0.001',
  },
  'filters of the list': {
    address: { namespace: 'team-a', sweepPhase: 'Running' },
    want: '?namespace=team-a&sweepPhase=Running',
  },
};
for (const [sentence, { address, want }] of Object.entries(views)) {
  test(`${sentence}, and the address gives it back`, () => {
    const whole = { ...HOME, ...address };
    assert.equal(encodeAddress(whole), want);
    assert.deepEqual(decodeAddress(want), whole);
  });
}

test('what an address says wrongly is as at first', () => {
  const wrong =
    '?sweep=a&view=x&trial=-1&show=y&x=z&smooth=2&cell=w&zoomX=3~3&zoomY=2~1&brush=widths:3~1;gap:NaN~2;x:1~';
  assert.deepEqual(decodeAddress(wrong), HOME);
  for (const payload of PAYLOADS) {
    const text = encodeURIComponent(payload.toWellFormed());
    const decoded = decodeAddress(`?view=${text}&brush=${text}&trial=${text}`);
    assert.deepEqual(decoded, HOME);
    assert.equal(decodeAddress(encodeAddress({ ...HOME, q: payload })).q, payload.toWellFormed().slice(0, 200));
  }
});

test('a route holds no names', () => {
  assert.equal(routeOf({ ...HOME, sweep: 'team-a/secret', view: 'trials' }), 'sweep/trials');
  assert.equal(routeOf(HOME), 'sweeps');
});
