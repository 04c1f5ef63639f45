// A reporter for the test runner: at the end, one line for each test that failed. TAP says it where it happened, thousands of lines
// above the end, and whoever sees only the end of a log must still learn what failed.
import path from 'node:path';
import type { TestEvent } from 'node:test/reporters';

const MAX_REASON = 2_000;

/** What differs stands at the end of what an assertion says. */
function shorten(reason: string): string {
  return reason.length <= MAX_REASON ? reason : `${reason.slice(0, 300)} … ${reason.slice(300 - MAX_REASON)}`;
}

export default async function* failedTests(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const failed: string[] = [];
  for await (const event of events) {
    if (event.type !== 'test:fail') continue;
    const { name, file, line, todo, details } = event.data;
    const cause = details.error as Error & { failureType?: string; cause?: unknown };
    if (todo !== undefined || cause.failureType === 'subtestsFailed') continue; // the subtest itself is listed
    const message = cause.cause instanceof Error ? cause.cause.message : cause.message;
    const reason = shorten(message.split(/\s+/).join(' '));
    failed.push(`\nFAILED ${file === undefined ? '' : `${path.relative('.', file)}:${line ?? 0} `}${name}: ${reason}`);
  }
  yield* failed;
  if (failed.length > 0) yield '\n';
}
