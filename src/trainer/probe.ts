// Says which backend a worker would open here, without a worker: one line of JSON. Exit 2: the one asked for does not work here.
import { readEnvironment } from '../shared/env.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { type BackendName, nativeBindingFile, openBackend } from './backend.ts';

const wanted = process.argv[2] as BackendName | 'auto' | undefined;
try {
  const nativeBinding = nativeBindingFile(readEnvironment().cacheFolder);
  const warnings: string[] = [];
  const { name, description } = await openBackend(wanted ?? 'auto', {
    nativeBinding,
    warn: (line) => warnings.push(line),
  });
  process.stdout.write(`${JSON.stringify({ name, description, warnings })}\n`);
} catch (error) {
  if (!(error instanceof InvalidConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
