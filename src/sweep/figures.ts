/** How losses and accuracies are written for people, wherever they stand. A figure that is absent is an en dash. */
const ABSENT = '–';

type Figure = number | null | undefined;

/** `1.003`, in nats; very large ones as `4.1e+9`, so that a column has a bound. */
export function formatLoss(loss: Figure): string {
  if (loss === null || loss === undefined) return ABSENT;
  return Math.abs(loss) < 1e4 ? loss.toFixed(3) : loss.toExponential(1);
}

/** `65.2 %` */
export function formatAccuracy(accuracy: Figure): string {
  return accuracy === null || accuracy === undefined ? ABSENT : `${(100 * accuracy).toFixed(1)} %`;
}
