import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf } from '../../../src/shared/kinds.ts';
import { readLines } from '../../../src/shared/lines.ts';
import { encodeQuery, type Query } from '../../../src/shared/requester.ts';
import type { Method, Wire, WireRequest, WireResponse } from '../../../src/shared/wire.ts';
import { isObject, type Json, type JsonObject } from '../../fakes/patches.ts';
import { OTHER_UID } from '../../shared/objects.ts';
import { describeStep, KIND_NAMES, KINDS, type KindName, kindOf, type Seen, type Step, type Target } from './script.ts';

interface Metadata {
  readonly uid: string;
  readonly resourceVersion: string;
}

interface Answer {
  readonly status: number;
  readonly body: JsonObject;
}

interface OpenWatch {
  readonly kind: KindName;
  readonly what: string;
  readonly lines: AsyncGenerator<string>;
  readonly close: () => void;
}

const JSON_TYPE = 'application/json';
const MERGE = 'application/merge-patch+json';
const STEPS = 'application/json-patch+json';
const APPLY = 'application/apply-patch+yaml';
const FIELD_MANAGER = 'cnn-sweep-controller';
const SENTINEL = 'sentinel';
const PATIENCE_MS = 30_000;
const LONGEST_LINE = 1_000_000;

/** Runs a script against one API server and writes down what it says, in words that are the same for every server that does the same:
 * UIDs and versions by the order in which they appear, no times, and of a refusal its code and its reason.
 */
export class Transcriber {
  readonly lines: string[] = [];
  readonly #wire: Wire;
  readonly #namespace: string;
  readonly #uids = new Names('uid');
  readonly #versions = new Names('version');
  readonly #seen = new Map<string, Metadata[]>();
  readonly #listed = new Map<KindName, string>();
  readonly #watches: OpenWatch[] = [];
  #page:
    | { readonly kind: KindName; readonly query: Query; readonly version: string; readonly token: string }
    | undefined;

  constructor(wire: Wire, namespace: string) {
    this.#wire = wire;
    this.#namespace = namespace;
  }

  /** The script, then the events of its watches, then all that is there. */
  async run(script: readonly Step[]): Promise<void> {
    try {
      for (const step of script) await this.#step(step);
      await this.#readWatches();
      await this.#note('the end', this.snapshot({ hasVersions: true }));
    } finally {
      for (const watch of this.#watches) watch.close();
    }
  }

  /** Once the server has forgotten what was before: pages and watches that go on from there are refused. */
  async afterForgetting(): Promise<void> {
    if (this.#page) await this.#step({ do: 'next' });
    for (const [kind, version] of this.#listed) {
      const watch = await this.#openWatch(kind, undefined, version, 'old watch');
      const { value } = await watch.lines.next();
      watch.close();
      this.lines.push(`${watch.what} → ${typeof value === 'string' ? this.#event(value) : 'ended'}`);
    }
  }

  /** What is there, one object a line. @param hasVersions absent: what others change in an order of their own is told without */
  async snapshot({ hasVersions = false } = {}): Promise<string> {
    const lines: string[] = [];
    for (const kind of KIND_NAMES) {
      const { body } = await this.#ask('GET', pathOf(kindOf(kind), { namespace: this.#namespace }));
      for (const item of itemsOf(body))
        lines.push(`  ${kind} ${this.#object(kind, item, { hasVersion: hasVersions })}`);
    }
    return lines.length === 0 ? 'nothing' : `\n${lines.join('\n')}`;
  }

  async #note(what: string, said: Promise<string>): Promise<void> {
    this.lines.push(`${what} → ${await said}`);
  }

  async #step(step: Step): Promise<void> {
    const what = `${this.lines.length} ${describeStep(step)}`;
    switch (step.do) {
      case 'list':
        return this.#note(what, this.#list(step.kind, { labelSelector: step.selector, limit: step.limit }));
      case 'next':
        return this.#note(what, this.#next());
      case 'watch': {
        const version = this.#listed.get(step.kind);
        if (version !== undefined) this.#watches.push(await this.#openWatch(step.kind, step.selector, version, what));
        return;
      }
      default:
        return this.#note(what, this.#change(step));
    }
  }

  /** A request about one object. */
  async #change(step: Exclude<Step, { do: 'list' | 'next' | 'watch' }>): Promise<string> {
    const { kind, name } = step;
    const ref = { namespace: this.#namespace, name };
    const path = pathOf(kindOf(kind), ref);
    const { apiVersion, kind: type } = KINDS[kind];
    const head = { apiVersion, kind: type };
    switch (step.do) {
      case 'get':
        return this.#say(kind, await this.#ask('GET', path));
      case 'create': {
        const query = encodeQuery({ fieldManager: FIELD_MANAGER, dryRun: step.isDryRun ? 'All' : undefined });
        const all = `${pathOf(kindOf(kind), { namespace: this.#namespace })}${query}`;
        const metadata = { ...ref, labels: step.labels, ...this.#owner(step.owner), finalizers: step.finalizers };
        const body = { ...head, ...step.content, ...about(kind, this.#namespace), metadata };
        return this.#say(kind, await this.#ask('POST', all, body), step.isDryRun);
      }
      case 'replace': {
        const given = { ...this.#version(step, step.version), ...this.#uid(step, step.uid) };
        const metadata = { ...ref, labels: step.labels, finalizers: step.finalizers, ...given };
        const body = { ...head, ...step.content, ...about(kind, this.#namespace), metadata };
        return this.#say(kind, await this.#ask('PUT', path, body));
      }
      case 'merge': {
        const metadata = {
          ...(isObject(step.patch.metadata) ? step.patch.metadata : {}),
          ...this.#version(step, step.version),
        };
        return this.#say(kind, await this.#ask('PATCH', path, { ...step.patch, metadata }, MERGE));
      }
      case 'append': {
        const { resourceVersion } = this.#version(step, step.version);
        const guard =
          resourceVersion === undefined
            ? []
            : [{ op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion }];
        const body = [...guard, ...step.records.map((value) => ({ op: 'add', path: '/records/-', value }))];
        return this.#say(kind, await this.#ask('PATCH', path, body, STEPS));
      }
      case 'apply': {
        const query = encodeQuery({ fieldManager: FIELD_MANAGER, force: true });
        const body = { ...head, status: step.status, metadata: { ...ref, ...this.#version(step, step.version) } };
        const status = pathOf(kindOf(kind), { ...ref, subresource: 'status' });
        return this.#say(kind, await this.#ask('PATCH', `${status}${query}`, body, APPLY));
      }
      case 'delete': {
        const preconditions = { ...this.#uid(step, step.uid), ...this.#version(step, step.version) };
        const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions, propagationPolicy: step.policy };
        const { status, body: said } = await this.#ask('DELETE', path, body);
        // One answers with the object, another with a Status: who deletes reads neither.
        return status < 300 ? `${status}` : `${status} ${said.reason}`;
      }
    }
  }

  #owner(owner: (Target & { readonly blocks: boolean }) | undefined): JsonObject {
    const known = owner && this.#seen.get(`${owner.kind}/${owner.name}`)?.at(-1);
    if (!owner || !known) return {};
    const { apiVersion, kind } = KINDS[owner.kind];
    const reference = { apiVersion, kind, name: owner.name, uid: known.uid, blockOwnerDeletion: owner.blocks };
    return { ownerReferences: [reference] };
  }

  #version(target: Target, which: Seen): { resourceVersion?: string } {
    const seen = this.#seen.get(`${target.kind}/${target.name}`);
    const metadata = which === 'none' ? undefined : which === 'last' ? seen?.at(-1) : seen?.[0];
    return metadata ? { resourceVersion: metadata.resourceVersion } : {};
  }

  #uid(target: Target, which: Seen | 'other'): { uid?: string } {
    if (which === 'other') return { uid: OTHER_UID };
    const seen = this.#seen.get(`${target.kind}/${target.name}`);
    const metadata = which === 'none' ? undefined : which === 'last' ? seen?.at(-1) : seen?.[0];
    return metadata ? { uid: metadata.uid } : {};
  }

  /** One page, from the first on. */
  async #list(kind: KindName, query: Query): Promise<string> {
    const { status, body } = await this.#ask(
      'GET',
      `${pathOf(kindOf(kind), { namespace: this.#namespace })}${encodeQuery(query)}`,
    );
    if (status >= 300) return `${status} ${body.reason}`;
    const { resourceVersion, continue: token } = body.metadata as { resourceVersion: string; continue?: string };
    const isSame = this.#page !== undefined && query.continue !== undefined && this.#page.version === resourceVersion;
    if (query.continue === undefined) this.#listed.set(kind, resourceVersion);
    this.#page = token ? { kind, query, version: resourceVersion, token } : undefined;
    const words = itemsOf(body).map((item) => this.#object(kind, item));
    return [`${status}`, ...(isSame ? ['of the same version'] : []), ...words, ...(token ? ['and more'] : [])].join(
      '; ',
    );
  }

  async #next(): Promise<string> {
    const page = this.#page;
    return page ? this.#list(page.kind, { ...page.query, continue: page.token }) : 'no more';
  }

  async #openWatch(
    kind: KindName,
    labelSelector: string | undefined,
    resourceVersion: string,
    what: string,
  ): Promise<OpenWatch> {
    const aborter = new AbortController();
    const query = { watch: true, allowWatchBookmarks: true, timeoutSeconds: 60, resourceVersion, labelSelector };
    const path = `${pathOf(kindOf(kind), { namespace: this.#namespace })}${encodeQuery(query)}`;
    const { body } = await this.#send({ method: 'GET', path, signal: aborter.signal });
    return { kind, what, lines: readLines(body, LONGEST_LINE), close: () => aborter.abort(new Error('read')) };
  }

  /** Up to an object that is created for that. */
  async #readWatches(): Promise<void> {
    for (const kind of new Set(this.#watches.map((watch) => watch.kind))) {
      const { apiVersion, kind: type } = KINDS[kind];
      const metadata = { namespace: this.#namespace, name: SENTINEL, labels: { team: 'red' } };
      const body = { apiVersion, kind: type, ...sentinelOf(kind), ...about(kind, this.#namespace), metadata };
      const path = pathOf(kindOf(kind), { namespace: this.#namespace });
      await this.#note(
        `${kind} ${SENTINEL}`,
        this.#ask('POST', path, body).then((answer) => this.#say(kind, answer)),
      );
    }
    for (const watch of this.#watches) {
      const timer = setTimeout(watch.close, PATIENCE_MS);
      const events: string[] = [];
      for (;;) {
        const { value, done } = await watch.lines
          .next()
          .catch((error: Error) => ({ value: error.message, done: true }));
        if (done) {
          events.push(`ended: ${value}`);
          break;
        }
        const event = JSON.parse(value) as { type: string; object: JsonObject };
        if (event.type !== 'BOOKMARK') events.push(this.#event(value));
        if (isObject(event.object.metadata) && event.object.metadata.name === SENTINEL) break;
      }
      clearTimeout(timer);
      watch.close();
      this.lines.push(`${watch.what} → ${events.join('; ')}`);
    }
  }

  #event(line: string): string {
    const { type, object } = JSON.parse(line) as { type?: string; object: JsonObject };
    if (type === 'ERROR') return `ERROR ${object.code} ${object.reason}`;
    if (type === undefined) return `no watch: ${line}`;
    const kind = KIND_NAMES.find((name) => KINDS[name].kind === object.kind) ?? 'sweeps';
    return `${type} ${this.#object(kind, object)}`;
  }

  #say(kind: KindName, { status, body }: Answer, isDry = false): string {
    if (status >= 300) return `${status} ${body.reason}`;
    return `${status} ${this.#object(kind, body, { isDry })}`;
  }

  /** What a program of ours reads of an object. */
  #object(kind: KindName, object: JsonObject, { isDry = false, hasVersion = true } = {}): string {
    const metadata = object.metadata as JsonObject & Metadata & { name: string };
    const { name, uid, resourceVersion, generation, labels, annotations, ownerReferences, finalizers } = metadata;
    if (!isDry) {
      const key = `${kind}/${name}`;
      const seen = this.#seen.get(key) ?? [];
      if (seen.at(-1)?.resourceVersion !== resourceVersion) this.#seen.set(key, [...seen, { uid, resourceVersion }]);
    }
    const owners = Array.isArray(ownerReferences) ? ownerReferences.filter(isObject) : [];
    const kept = {
      ...{ labels, annotations, finalizers },
      owners: owners.map((owner) => `${owner.kind} ${this.#uids.of(`${owner.uid}`)} ${owner.blockOwnerDeletion}`),
      created: isTime(metadata.creationTimestamp),
      ...(metadata.deletionTimestamp !== undefined && { deleted: isTime(metadata.deletionTimestamp) }),
      // Leases and Events have none.
      ...(hasVersion && kind !== 'leases' && kind !== 'events' && { generation }),
      ...contentOf(kind, object),
    };
    const version = hasVersion ? ` ${this.#versions.of(resourceVersion)}` : '';
    const who = isDry ? '' : ` ${this.#uids.of(uid)}${version}`;
    return `${name}${who} ${JSON.stringify(sorted(kept))}`;
  }

  /** As every client: again, when it is told to come again. A server that has just started says so for a while. */
  async #send(request: WireRequest): Promise<WireResponse> {
    for (let tries = 0; ; tries++) {
      const response = await this.#wire.exchange(request);
      if (response.status !== 429 || tries > 100) return response;
      for await (const _ of response.body);
      await sleep(200);
    }
  }

  async #ask(method: Method, path: string, body?: Json | object, contentType = JSON_TYPE): Promise<Answer> {
    const response = await this.#send({
      ...{ method, path, signal: AbortSignal.timeout(PATIENCE_MS) },
      ...(body !== undefined && { body: JSON.stringify(body), contentType }),
    });
    const parts: Uint8Array[] = [];
    for await (const part of response.body) parts.push(part);
    return { status: response.status, body: JSON.parse(Buffer.concat(parts).toString('utf8')) as JsonObject };
  }
}

/** Numbers things by the order of their coming. */
class Names {
  readonly #prefix: string;
  readonly #known = new Map<string, string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  of(thing: string): string {
    const name = this.#known.get(thing) ?? `${this.#prefix}${this.#known.size}`;
    this.#known.set(thing, name);
    return name;
  }
}

/** What else an object of that kind must have. */
function about(kind: KindName, namespace: string): JsonObject {
  if (kind !== 'events') return {};
  return { involvedObject: { kind: 'Sweep', name: 'a', namespace, uid: OTHER_UID } };
}

function sentinelOf(kind: KindName): JsonObject {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'trainer', image: 'none' }] } };
  const contents: Readonly<Record<KindName, JsonObject>> = {
    sweeps: { spec: { grid: [{ widths: [[3, 8]] }] } },
    slices: { slice: 0, sweep: 'study', records: [] },
    jobs: { spec: { suspend: true, template } },
    leases: { spec: {} },
    events: { reason: 'Why', message: 'one', type: 'Warning' },
  };
  return contents[kind];
}

/** Without what the API server fills in and we never read. */
function contentOf(kind: KindName, object: JsonObject): JsonObject {
  const { spec, status, slice, sweep, records, message, count } = object as Record<string, Json>;
  const isSentinel = isObject(object.metadata) && object.metadata.name === SENTINEL;
  switch (kind) {
    case 'sweeps':
      return isSentinel ? {} : withoutUndefined({ spec, status });
    case 'jobs':
      return { suspend: (isObject(spec) ? spec.suspend : undefined) ?? false };
    case 'slices':
      return withoutUndefined({ slice, sweep, records });
    case 'leases':
      return { holder: (isObject(spec) ? spec.holderIdentity : undefined) ?? '' };
    case 'events':
      return withoutUndefined({ message, count });
  }
}

function withoutUndefined(object: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as JsonObject;
}

/** Keys in one order, and nothing that is empty: an API server leaves out what a client wrote as empty. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .map(([key, each]) => [key, sorted(each)] as const)
    .filter(
      ([, each]) =>
        each !== undefined && !(typeof each === 'object' && each !== null && Object.keys(each).length === 0),
    );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isTime(value: Json | undefined): boolean {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value);
}

function itemsOf({ items }: JsonObject): readonly JsonObject[] {
  return Array.isArray(items) ? items.filter(isObject) : [];
}
