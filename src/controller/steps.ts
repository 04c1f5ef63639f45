/** Waits for all of them, then throws what the first one threw: a turn that ends while its requests go on would not be the only one.
 * @throws what one of them threw
 */
export async function all<T>(steps: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(steps);
  return Promise.all(steps);
}
