import type { ClusterSweep } from './cluster-sweep.ts';

/** GPUs that one trial asks for: one, unless its limits say otherwise. */
export function gpusOf({ sweep }: Pick<ClusterSweep, 'sweep'>): number {
  const limits = sweep.spec.trainer.resources?.limits;
  return limits ? Number(limits['nvidia.com/gpu'] ?? 0) : 1;
}
