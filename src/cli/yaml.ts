import {
  type Alias,
  CST,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLError,
} from 'yaml';
import { MAX_LEVELS } from '../sweep/data.ts';
import { messageOf } from '../sweep/errors.ts';
import { formatPath, type Path, quote } from '../sweep/path.ts';

/** Something wrong in the text itself. Lines and columns count from 1. */
export interface TextViolation {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What a text says. Violations that leave no doubt about the data (a key given twice, a second document) come beside it. */
export type ParsedYaml =
  | { readonly kind: 'Empty' }
  | {
      readonly kind: 'Data';
      readonly data: unknown;
      readonly violations: readonly TextViolation[];
      /** The line of what stands at a path (`spec.grid[0].seed`); of what is not there, that of the nearest thing around it. */
      readonly lineOf: (path: string) => number;
    }
  | { readonly kind: 'Unreadable'; readonly violations: readonly TextViolation[] };

/** Most aliases, counted as they unfold: ten aliases of ten aliases are a hundred ("billion laughs"). */
const MAX_ALIASES = 100;
/** Most syntax errors shown: one forgotten bracket makes many. */
const MAX_SYNTAX_ERRORS = 10;
/** Nesting beyond this is refused from the tokens alone: the parser below is recursive, and 100,000 brackets exhaust it. */
const MAX_PARSED_LEVELS = 10 * MAX_LEVELS;

/** Parses YAML 1.2 (and so JSON) with merge keys, as kubectl takes them. Pure and total: every text gives one of the three answers. */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const at = (offset: number, message: string): TextViolation => {
    const { line, col } = lines.linePos(offset);
    return { line, column: Math.max(1, col), message };
  };
  const tooDeep = offsetBeyondLevels(text, MAX_PARSED_LEVELS, lines);
  if (tooDeep !== undefined) return { kind: 'Unreadable', violations: [at(tooDeep, OVER_LEVELS)] };

  // Keys are compared below, so that the message can name the field and the line of the first.
  const options = {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    merge: true,
    resolveKnownTags: false,
    logLevel: 'silent',
  } as const;
  const documents: Document.Parsed[] = [...parseAllDocuments(text, options)];
  const broken = documents.flatMap(({ errors }) => errors);
  if (broken.length > 0) return { kind: 'Unreadable', violations: syntaxViolations(broken, text, at) };

  const [document, second] = documents.filter(({ contents }) => !isScalar(contents) || contents.value !== null);
  if (!document?.contents) return { kind: 'Empty' };
  const { fatal, harmless, firstAlias } = inspect(document, lines, at);
  for (const { pos, message } of document.warnings) harmless.push(at(pos[0], lowerFirst(message)));
  if (second) harmless.push(at(second.range[0], 'a second document; one Sweep a file'));
  if (fatal.length > 0) return { kind: 'Unreadable', violations: inOrder([...fatal, ...harmless]) };
  try {
    // The library counts the anchor too.
    const data: unknown = document.toJS({ maxAliasCount: MAX_ALIASES + 1 });
    const places = placesOf(document);
    const lineOf = (path: string) => lines.linePos(places(path)).line;
    return { kind: 'Data', data, violations: inOrder(harmless), lineOf };
  } catch (error) {
    // What is left can only come from aliases and merge keys: too many in each other, or not of mappings.
    const message = error instanceof ReferenceError ? OVER_ALIASES : lowerFirst(messageOf(error));
    return { kind: 'Unreadable', violations: inOrder([at(firstAlias, message), ...harmless]) };
  }
}

const OVER_LEVELS = `over ${MAX_LEVELS} levels`;
const OVER_ALIASES = `over ${MAX_ALIASES} aliases`;

type At = (offset: number, message: string) => TextViolation;

/** Looks at every node for what the parser lets pass: equal keys, keys that are no text, deep nesting, bad aliases. */
function inspect(
  document: Document.Parsed,
  lines: LineCounter,
  at: At,
): { fatal: TextViolation[]; harmless: TextViolation[]; firstAlias: number } {
  const fatal: TextViolation[] = [];
  const harmless: TextViolation[] = [];
  let aliases = 0;
  let firstAlias = 0;

  function visit(node: unknown, path: Path): void {
    if (isAlias(node)) visitAlias(node);
    else if (isCollection(node) && path.length >= MAX_LEVELS) fatal.push(at(startOf(node), OVER_LEVELS));
    else if (isSeq(node)) for (const [index, item] of node.items.entries()) visit(item, [...path, index]);
    else if (isMap(node)) {
      const first = new Map<string, number>();
      for (const { key, value } of node.items) {
        const offset = startOf(key);
        if (!isScalar(key)) {
          fatal.push(at(offset, 'a key must be text'));
          continue;
        }
        const merge = typeof key.value === 'symbol'; // the library's mark of `<<`, which may stand several times
        const name = merge ? '<<' : String(key.value);
        const place = [...path, name];
        const earlier = first.get(name);
        if (earlier === undefined) first.set(name, offset);
        else if (!merge)
          harmless.push(at(offset, `${formatPath(place)}: given twice, first in line ${lines.linePos(earlier).line}`));
        visit(value, place);
      }
    }
  }

  function visitAlias(alias: Alias): void {
    aliases++;
    if (aliases === 1) firstAlias = startOf(alias);
    if (aliases === MAX_ALIASES + 1) fatal.push(at(startOf(alias), OVER_ALIASES));
    if (aliases <= MAX_ALIASES && !alias.resolve(document))
      fatal.push(at(startOf(alias), `*${quote(alias.source).slice(1, -1)}: no anchor of that name stands before it`));
  }

  visit(document.contents, []);
  return { fatal, harmless, firstAlias };
}

/** Where the key or the item of each path begins, found when first asked for. What an alias or a merge brings in has no place of its own. */
function placesOf(document: Document.Parsed): (path: string) => number {
  let places: Map<string, number> | undefined;
  const visit = (node: unknown, path: Path, found: Map<string, number>): Map<string, number> => {
    const children: (readonly [string | number, unknown, unknown])[] = isSeq(node)
      ? node.items.map((item, index) => [index, item, item] as const)
      : isMap(node)
        ? node.items.map(({ key, value }) => [String(isScalar(key) ? key.value : ''), key, value] as const)
        : [];
    for (const [name, begin, value] of children) {
      const place = [...path, name];
      found.set(formatPath(place), startOf(begin));
      visit(value, place, found);
    }
    return found;
  };
  return (path) => {
    places ??= visit(document.contents, [], new Map());
    for (let around = path; around !== ''; around = around.replace(/(?:^|\.)[^.[\]]+$|\[[^[]*\]$/, '')) {
      const offset = places.get(around);
      if (offset !== undefined) return offset;
      if (!/[.[]/.test(around)) break;
    }
    return startOf(document.contents);
  };
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

/** Where brackets, or dashes of one line, nest more deeply than `limit`; also tells `lines` where every line begins. */
function offsetBeyondLevels(text: string, limit: number, lines: LineCounter): number | undefined {
  let offset = 0;
  let brackets = 0;
  let dashes = 0;
  const newLines: number[] = [0];
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    if (type === 'flow-seq-start' || type === 'flow-map-start') brackets++;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') brackets = Math.max(0, brackets - 1);
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind') dashes++;
    else if (type === 'newline') dashes = 0;
    if (brackets + dashes > limit) {
      for (const start of newLines) lines.addNewLine(start);
      return offset;
    }
    // Three of the lexer's tokens are marks of its own that stand for nothing in the text.
    if (type !== 'doc-mode' && type !== 'flow-error-end' && token !== CST.SCALAR) offset += token.length;
    if (type === 'newline') newLines.push(offset);
  }
  return undefined;
}

/** The parser's errors in plain words, one a line of the file: one mistake often trips it several times in the same place. */
function syntaxViolations(errors: readonly YAMLError[], text: string, at: At): TextViolation[] {
  const byLine = new Map<number, TextViolation>();
  const textLines = text.split('\n');
  for (const error of errors) {
    const violation = at(error.pos[0], plainWords(error));
    const tab = /^ *\t/.exec(textLines[violation.line - 1] ?? '');
    const found = tab ? { line: violation.line, column: tab[0].length, message: TAB } : violation;
    if (!byLine.has(found.line)) byLine.set(found.line, found);
  }
  return inOrder([...byLine.values()]).slice(0, MAX_SYNTAX_ERRORS);
}

const TAB = 'a tab cannot indent YAML; use spaces';

function plainWords({ code, message }: YAMLError): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return TAB;
    case 'BAD_SCALAR_START':
      return `a value cannot begin with ${message.at(-1)}; put it in quotes`;
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'a mapping cannot begin here; check the indentation, or put text that contains ": " in quotes';
    case 'MULTILINE_IMPLICIT_KEY':
      return 'expected a colon after the key, in the same line';
    case 'UNEXPECTED_TOKEN':
      return 'unexpected here; check the indentation';
    case 'RESOURCE_EXHAUSTION':
      return OVER_LEVELS;
    default:
      return OPEN_ENDS.find(([said]) => said.test(message))?.[1] ?? lowerFirst(message);
  }
}

/** The library's words for what was opened and not closed, and ours. */
const OPEN_ENDS: readonly (readonly [RegExp, string])[] = [
  [/closing.*quote/, 'a quote is not closed'],
  [/^Flow.*\]/, 'a list that begins with [ needs its ], and every line of it more indentation'],
  [/^Flow.*\}/, 'a mapping that begins with { needs its }, and every line of it more indentation'],
  [/^Implicit map keys/, 'expected a colon after the key'],
];

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function inOrder(violations: readonly TextViolation[]): TextViolation[] {
  return [...violations].sort((a, b) => a.line - b.line || a.column - b.column);
}
