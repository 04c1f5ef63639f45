import { FakeApiServer } from '../fakes/api-server.ts';
import { clusterKeepsItsPromises } from './cluster.contract.ts';

const server = new FakeApiServer({ bookmarkMs: 500 });
server.store.skip(100);
server.store.compact();
clusterKeepsItsPromises({ name: 'in memory', wire: () => server.wire() });
