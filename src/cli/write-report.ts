import { join } from 'node:path';

export async function writeReport(folder: string, _options: object): Promise<string> {
  return join(folder, 'report.html');
}
