import type { RunEvent } from '../local/engine.ts';
import type { Trial } from '../sweep/trial.ts';
import { accuracyOf, clock, gapOf, lossOf } from './run-view.ts';

/** The lines that an event is worth where there is no terminal: a line an epoch, none for progress within one. Pure. */
export function describeEvent(event: RunEvent, trials: readonly Trial[], epochsPlanned: number): string[] {
  const named = (trial: number) => `trial ${trial} ${trials[trial]?.name ?? ''}`.trim();
  switch (event.kind) {
    case 'opened':
      return event.recorded.length > 0
        ? [`${event.recorded.length} of ${count(event.trials.length, 'trial')} recorded already`]
        : [`${count(event.trials.length, 'trial')} of ${count(epochsPlanned, 'epoch')}`];
    case 'started':
      return [`${named(event.trial)}: started${event.attempt > 1 ? `, attempt ${event.attempt}` : ''}`];
    case 'measurement': {
      const { measurement: m, finding } = event;
      const losses = `train loss ${lossOf(m.trainLoss)}, validation loss ${lossOf(m.validationLoss)}`;
      const figures = `${losses}, accuracy ${accuracyOf(m.validationAccuracy)}, gap ${gapOf(m)}`;
      const speed = `${Math.round(m.examplesPerSecond).toLocaleString('en-US')} images/s`;
      return [`${named(m.trial)}: epoch ${m.epoch}/${epochsPlanned}: ${figures}, ${finding.finding}, ${speed}`];
    }
    case 'recorded': {
      const { trial, outcome, reason, seconds } = event.result;
      const finding = event.finding ? `${event.finding.finding}: ${event.finding.reason}` : reason;
      const ended = outcome === 'Succeeded' ? 'done' : outcome.toLowerCase();
      return [`${named(trial)}: ${ended} after ${clock(seconds)}; ${finding}`];
    }
    case 'retrying':
      return [
        `${named(event.trial)}: attempt ${event.attempt} ${event.reason}; runs again in ${event.delayMs / 1000} s`,
      ];
    case 'note':
      return [`note: ${event.message}`];
    case 'progress':
    case 'verdict':
      return [];
  }
}

function count(many: number, noun: string): string {
  return `${many.toLocaleString('en-US')} ${noun}${many === 1 ? '' : 's'}`;
}
