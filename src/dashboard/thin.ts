/** Positions of the points that stand for a long series, at most `most` of them, ascending: the first, the last, those that must
 * stay, and of the others those that span the largest triangles, so that peaks remain where an average would lose them.
 * @param values null: no number there, drawn at the height of its neighbour
 * @param marked positions that stay, even beyond `most`
 * @see Steinarsson, "Downsampling Time Series for Visual Representation" (2013), LTTB
 */
export function thin(values: readonly (number | null)[], most: number, marked: readonly number[]): number[] {
  const all = values.length;
  if (all <= most) return values.map((_, at) => at);
  const kept = new Set([0, all - 1, ...marked.filter((at) => at >= 0 && at < all)]);
  const room = most - kept.size;
  if (room > 0) for (const at of largestTriangles(withoutHoles(values), room)) kept.add(at);
  return [...kept].sort((a, b) => a - b);
}

/** One position of each of `buckets` equal parts between the first point and the last. */
function* largestTriangles(heights: readonly number[], buckets: number): Generator<number> {
  const last = heights.length - 1;
  const edge = (bucket: number) => 1 + Math.floor((bucket * (last - 1)) / buckets);
  let from = 0;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const next = meanPoint(heights, edge(bucket + 1), Math.min(last + 1, edge(bucket + 2)));
    let largest = -1;
    let chosen = edge(bucket);
    for (let at = edge(bucket); at < edge(bucket + 1); at++) {
      const area = triangle([from, heights[from] ?? 0], [at, heights[at] ?? 0], next);
      if (area <= largest) continue;
      largest = area;
      chosen = at;
    }
    yield chosen;
    from = chosen;
  }
}

type Point = readonly [x: number, y: number];

function triangle([ax, ay]: Point, [bx, by]: Point, [cx, cy]: Point): number {
  return Math.abs((ax - cx) * (by - ay) - (ax - bx) * (cy - ay)) / 2;
}

/** Of the positions from..to-1; beyond the end it is the last point. */
function meanPoint(heights: readonly number[], from: number, to: number): Point {
  if (from >= to) return [heights.length - 1, heights.at(-1) ?? 0];
  let sum = 0;
  for (let at = from; at < to; at++) sum += heights[at] ?? 0;
  return [(from + to - 1) / 2, sum / (to - from)];
}

function withoutHoles(values: readonly (number | null)[]): number[] {
  let height = values.find((value) => value !== null) ?? 0;
  return values.map((value) => {
    height = value ?? height;
    return height;
  });
}
