import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import type { InlineAsset, ReportAssets } from '../report/report.ts';

/** Reads what a report carries within itself: d3 and Observable Plot as their packages ship them, our page's script and style. */
export async function readReportAssets(): Promise<ReportAssets> {
  const page = new URL('../report/page/', import.meta.url);
  const [d3, plot, script, style] = await Promise.all([
    readText(new URL('../dist/d3.min.js', import.meta.resolve('d3'))),
    readText(new URL('../dist/plot.umd.min.js', import.meta.resolve('@observablehq/plot'))),
    joinModules(new URL('page.ts', page)),
    readText(new URL('style.css', page)),
  ]);
  return { scripts: [d3, plot, script].map(withHash), styles: [style].map(withHash) };
}

function withHash(text: string): InlineAsset {
  return { text, hash: `sha256-${createHash('sha256').update(text).digest('base64')}` };
}

/** A parser of HTML turns CR LF into LF before it hashes. */
async function readText(url: URL): Promise<string> {
  return (await readFile(url, 'utf8')).replaceAll('\r\n', '\n');
}

const IMPORT = /^import\s+\{([^}]*)\}\s+from\s+'(\.[^']+)';$/gm;
const EXPORT = /^export (?=(?:async )?function\*? (\w+)|const (\w+)|class (\w+))/gm;

/** One classic script of a TypeScript module and all it imports: each becomes a function that runs once, dependencies first.
 * Enough for our own code (named imports, exported declarations), and no bundler.
 * @see docs/adr/0010-the-report-is-joined-not-bundled.md
 * @throws Error if an import or export remains, that is, if a module uses another form
 */
async function joinModules(entry: URL): Promise<string> {
  const names = new Map<string, string>();
  const parts: string[] = [];

  async function add(url: URL): Promise<string> {
    const known = names.get(url.href);
    if (known !== undefined) return known;
    const name = `module${names.size}`;
    names.set(url.href, name);
    let source = stripTypes(await readText(url));
    for (const [statement, imported = '', path = ''] of source.matchAll(IMPORT)) {
      const from = await add(new URL(path, url));
      source = source.replace(statement, `const {${imported.replaceAll(/ as /g, ': ')}} = ${from};`);
    }
    const exported = [...source.matchAll(EXPORT)].map(([, ...groups]) => groups.find((group) => group !== undefined));
    source = source.replaceAll(EXPORT, '');
    if (/^(import|export)\b/m.test(source))
      throw new Error(`${url.pathname}: this form of import or export is not joined`);
    parts.push(`const ${name} = (() => {\n${source.trim()}\nreturn { ${exported.join(', ')} };\n})();`);
    return name;
  }

  await add(entry);
  return `'use strict';\n(() => {\n${parts.join('\n')}\n})();\n`;
}

/** Node 22 warns once that this function is experimental; the reader of a report's command line need not know. */
function stripTypes(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source)
      .replaceAll(/^[^\S\n]+$/gm, '')
      .replaceAll(/\n{3,}/g, '\n\n');
  } finally {
    process.emitWarning = emitWarning;
  }
}
