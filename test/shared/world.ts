import assert from 'node:assert/strict';
import { openCluster } from '../../src/shared/calls.ts';
import { JOBS, type Kind } from '../../src/shared/kinds.ts';
import { controllerUID, ObjectCache } from '../../src/shared/object-cache.ts';
import type { Job } from '../../src/shared/objects.ts';
import { keepJob } from '../../src/shared/projections.ts';
import { type Reflector, type ReflectorProblem, startReflector } from '../../src/shared/reflector.ts';
import { FakeApiServer, type Seen, type Watch } from '../fakes/api-server.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

export const NAMESPACE = 'default';

/** A reflector of Jobs before an API server in memory. */
export class World {
  readonly clock = new VirtualClock();
  readonly seen: Seen[] = [];
  readonly server = new FakeApiServer({ timers: this.clock });
  readonly cache = new ObjectCache<Job>(controllerUID);
  readonly changes: string[] = [];
  /** What the cache held at each of them. */
  readonly sizes: number[] = [];
  readonly problems: ReflectorProblem[] = [];
  fault: FakeApiServer['fault'] = () => undefined;

  constructor() {
    this.server.fault = (request) => {
      this.seen.push(request);
      return this.fault(request);
    };
  }

  start({
    namespaces = [NAMESPACE],
    kind = JOBS,
  }: {
    namespaces?: readonly string[];
    kind?: Kind<Job>;
  } = {}): Reflector {
    return startReflector({
      cluster: openCluster(this.server.wire(), { timers: this.clock, random: () => 0.5 }),
      kind,
      namespaces,
      project: keepJob,
      cache: this.cache,
      onChange: ({ metadata }, change) => {
        this.changes.push(`${change} ${metadata.name} ${metadata.uid.slice(-2)}`);
        this.sizes.push(this.cache.size);
      },
      onProblem: (problem) => this.problems.push(problem),
      timers: this.clock,
      random: () => 0.5,
    });
  }

  /** A reflector that is watching. */
  async follow(options: { namespaces?: readonly string[]; kind?: Kind<Job> } = {}): Promise<Reflector> {
    const reflector = this.start(options);
    await this.clock.advance(0);
    await reflector.synced;
    return reflector;
  }

  create(name: string, { namespace = NAMESPACE, owner = 'sweep-1' } = {}): void {
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Sweep', name: 's', uid: owner, controller: true }];
    this.server.store.create({ plural: 'jobs', namespace, name }, { metadata: { ownerReferences }, spec: {} });
  }

  touch(name: string): void {
    const status = { startTime: `${this.server.store.version}` };
    this.server.store.edit({ plural: 'jobs', namespace: NAMESPACE, name }, (job) => ({ ...job, status }));
  }

  delete(name: string): void {
    this.server.store.delete({ plural: 'jobs', namespace: NAMESPACE, name });
  }

  /** What was not read yet is forgotten by the server, and the connection breaks. */
  loseHistory(): void {
    this.server.store.compact();
    this.watch.cut();
  }

  get watch(): Watch {
    const [watch] = this.server.watches;
    assert.ok(watch, 'no open watch');
    return watch;
  }

  get verbs(): string {
    return this.seen.map(({ verb }) => verb).join(' ');
  }

  /** What the cache holds is what the server holds. */
  assertSame(): void {
    const there = this.server.store.list('jobs').map(({ metadata }) => `${metadata.uid} ${metadata.resourceVersion}`);
    const here = [...this.cache.values()].map(({ metadata }) => `${metadata.uid} ${metadata.resourceVersion}`);
    assert.deepEqual(new Set(here), new Set(there));
    assert.equal(this.cache.size, there.length);
  }
}
