// Writes src/dashboard/openapi.json, the description of the dashboard's API; a test says when it is out of date.
import { writeFileSync } from 'node:fs';
import { describeApi } from '../src/dashboard/describe-api.ts';

writeFileSync(new URL('../src/dashboard/openapi.json', import.meta.url), await describeApi());
