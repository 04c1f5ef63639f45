import type { ReportInput } from '../../src/report/report.ts';
import type { Curve } from '../../src/sweep/curve.ts';
import { makeStudyReport } from '../builders.ts';

/** Of these trials only, with these validation losses. */
export function withLosses(losses: Record<number, readonly number[]>) {
  return (curves: Map<number, Curve>): Map<number, Curve> =>
    new Map(
      Object.entries(losses).flatMap(([trial, wanted]) => {
        const curve = curves.get(Number(trial));
        if (!curve) return [];
        const epochs = curve.epochs.slice(0, wanted.length).map((figures, at) => {
          const validationLoss = wanted[at] ?? null;
          return { ...figures, validationLoss, trainLoss: validationLoss, validationLossStandardError: 0.014 };
        });
        return [[Number(trial), { ...curve, epochs }] as const];
      }),
    );
}

/** Two networks of the study that can hardly be told apart: 1.812 and 1.802, each ± 0.014. */
export function makeCloseReport(): ReportInput {
  const flat = (loss: number) => Array.from({ length: 15 }, () => loss);
  return makeStudyReport({ curves: withLosses({ 0: flat(1.812), 1: flat(1.802) }) });
}

/** A run in which one trial has four epochs and none has ended. */
export function makeBegunReport(): ReportInput {
  const input = makeStudyReport({ curves: () => new Map(), results: () => [] });
  const { curves } = makeStudyReport({ curves: withLosses({ 0: [2.1, 2, 1.9, 1.85] }) });
  return { ...input, curves };
}
