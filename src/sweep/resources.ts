import type { Violation } from './errors.ts';
import { nearest } from './nearest.ts';
import { formatPath, type Path, show } from './path.ts';
import { parseQuantity } from './quantity.ts';
import type { Sweep } from './schema.ts';

type Quantities = Readonly<Record<string, string | number>>;

const RESOURCES = ['cpu', 'memory', 'ephemeral-storage', 'nvidia.com/gpu'];
/** A resource of Kubernetes' own, or a device named with its domain. */
export const RESOURCE_NAME =
  /^(cpu|memory|ephemeral-storage|hugepages-\w+|[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)$/;
/** A trial takes one GPU unless it says otherwise. */
const DEFAULT_LIMITS: Quantities = { 'nvidia.com/gpu': 1 };

/** What Kubernetes would refuse in the resources of a Pod, said before any Pod is made.
 * @see kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus: whole numbers, and a request equals its limit */
export function resourceViolations(resources: NonNullable<Sweep['spec']['trainer']['resources']>): Violation[] {
  const limits: Quantities = resources.limits ?? DEFAULT_LIMITS;
  return (['limits', 'requests'] as const).flatMap((side) =>
    Object.entries(resources[side] ?? {}).flatMap(([name, quantity]) => {
      const limit = Object.hasOwn(limits, name) ? limits[name] : undefined;
      const message =
        badName(name) ?? badQuantity(name, quantity) ?? (side === 'requests' && badRequest(name, quantity, limit));
      return message ? [{ path: formatPath([...PLACE, side, name]), message }] : [];
    }),
  );
}

const PLACE: Path = ['spec', 'trainer', 'resources'];

/** A GPU or another device: a resource that cannot be shared, named with a domain. */
function isDevice(name: string): boolean {
  return name.includes('/');
}

function badName(name: string): string | undefined {
  if (RESOURCE_NAME.test(name)) return undefined;
  const meant = /gpu/i.test(name) ? 'nvidia.com/gpu' : nearest(name, RESOURCES); // `gpu` is one letter from `cpu`
  return `unknown resource; ${meant ? `did you mean "${meant}"?` : 'expected cpu, memory or a name such as nvidia.com/gpu'}`;
}

function badQuantity(name: string, quantity: string | number): string | undefined {
  if (isDevice(name))
    return /^\d{1,15}$/.test(String(quantity)) ? undefined : `${show(quantity)}: expected a whole number`;
  return parseQuantity(quantity) === undefined
    ? `${show(quantity)}: expected a quantity, as "500m" or "4Gi"`
    : undefined;
}

function badRequest(name: string, quantity: string | number, limit: string | number | undefined): string | undefined {
  if (limit === undefined) return isDevice(name) ? `${show(quantity)}: a request needs the same limit` : undefined;
  if (badQuantity(name, limit)) return undefined; // the limit has its own violation
  const [asked = 0, allowed = 0] = [parseQuantity(quantity), parseQuantity(limit)];
  if (isDevice(name)) return asked === allowed ? undefined : `${show(quantity)}: expected ${show(limit)}, as in limits`;
  return asked <= allowed ? undefined : `${show(quantity)}: more than the limit, ${show(limit)}`;
}
