import { describe } from 'node:test';
import { InProcessBus } from '../../src/shared/bus.ts';
import { busKeepsItsPromises } from './bus.contract.ts';

describe('the bus within a process', () => {
  busKeepsItsPromises(async () => {
    const bus = new InProcessBus();
    return { bus, append: async (subject, payload) => bus.append(subject, payload) };
  });
});
