import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const css = readFileSync(new URL('../../src/report/page/style.css', import.meta.url), 'utf8');
const colours = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(([, name, light, dark]) => [
    name,
    { light, dark },
  ]),
);

/** WCAG 2.2 */
function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const hues = [1, 2, 3, 4, 5, 6, 7, 8];
const lines = [...hues.map((hue) => `hue-${hue}`), 'grey', 'highlight', 'control'];
const texts = [...hues.map((hue) => `hue-text-${hue}`), 'ink', 'soft', 'accent', 'highlight'];

for (const theme of ['light', 'dark'] as const) {
  const of = (name: string) => colours.get(name)?.[theme] ?? assert.fail(`no colour ${name}`);
  test(`in the ${theme} theme every line has 3:1 and every text 4.5:1 on panel, page and chosen row`, () => {
    for (const name of lines) assert.ok(contrast(of(name), of('panel')) >= 3, name);
    for (const name of texts) assert.ok(contrast(of(name), of('panel')) >= 4.5, name);
    for (const name of ['ink', 'soft', 'accent'])
      for (const ground of ['page', 'row']) assert.ok(contrast(of(name), of(ground)) >= 4.5, `${name} on ${ground}`);
  });
}
