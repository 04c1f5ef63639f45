import type { KubernetesObject } from './objects.ts';

/** What became of an object. */
export type Change = 'added' | 'modified' | 'deleted';

/** The objects of one kind as last seen, by namespace and name, and by an index such as the UID of the Sweep. */
export class ObjectCache<T extends KubernetesObject> {
  readonly #byNamespace = new Map<string, Map<string, T>>();
  readonly #index = new Map<string, Set<T>>();
  readonly #indexOf: (object: T) => string | undefined;
  #size = 0;

  /** @param indexOf the key under which `byIndex` finds an object; undefined: under none */
  constructor(indexOf: (object: T) => string | undefined = () => undefined) {
    this.#indexOf = indexOf;
  }

  get size(): number {
    return this.#size;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#byNamespace.get(namespace)?.get(name);
  }

  /** The objects under a key, in no order. */
  byIndex(key: string): readonly T[] {
    return [...(this.#index.get(key) ?? [])];
  }

  /** All of one namespace, or of all. */
  *values(namespace?: string): Iterable<T> {
    if (namespace !== undefined) yield* this.#byNamespace.get(namespace)?.values() ?? [];
    else for (const names of this.#byNamespace.values()) yield* names.values();
  }

  set(object: T): void {
    const { namespace, name } = object.metadata;
    this.remove(namespace, name);
    let names = this.#byNamespace.get(namespace);
    if (!names) {
      names = new Map();
      this.#byNamespace.set(namespace, names);
    }
    names.set(name, object);
    this.#size++;
    const key = this.#indexOf(object);
    if (key === undefined) return;
    const same = this.#index.get(key);
    if (same) same.add(object);
    else this.#index.set(key, new Set([object]));
  }

  remove(namespace: string, name: string): T | undefined {
    const names = this.#byNamespace.get(namespace);
    const object = names?.get(name);
    if (!names || !object) return undefined;
    names.delete(name);
    if (names.size === 0) this.#byNamespace.delete(namespace);
    this.#size--;
    const key = this.#indexOf(object);
    const same = key === undefined ? undefined : this.#index.get(key);
    same?.delete(object);
    if (key !== undefined && same?.size === 0) this.#index.delete(key);
    return object;
  }
}

/** UID of the owner that controls an object: an index for what a Sweep owns. */
export function controllerUID({ metadata }: KubernetesObject): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
}
