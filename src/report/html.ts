/** HTML that is safe to insert as it stands: made by `html`, or vouched for by name. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Content = Markup | string | number | null | undefined | false | readonly Content[];

/** Joins HTML; every value is escaped unless it is Markup. Attribute values must stand in double quotes. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(parts.map((part, at) => part + render(values[at])).join(''));
}

function render(value: Content): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'object') return value.map(render).join('');
  return escapeHtml(String(value));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A parser of HTML drops U+0000 from text; what was there should show. */
export function escapeHtml(text: string): string {
  return text.replaceAll('\0', '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** JSON for a `<script type="application/json">`: still the same JSON, but nothing in it can end the element or begin a comment. */
export function embedJson(value: unknown): Markup {
  const json = JSON.stringify(value);
  return new Markup(json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}

/** The text of a script or style element as it stands: its hash in the policy counts every byte.
 * @throws RangeError if it could end its own element
 */
export function inlineText(text: string): Markup {
  if (/<\/(script|style)|<!--/i.test(text)) throw new RangeError('an inlined asset holds a closing tag or a comment');
  return new Markup(text);
}
