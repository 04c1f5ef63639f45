import type { Wire, WireRequest } from '../../../src/shared/wire.ts';
import { FakeApiServer } from '../../fakes/api-server.ts';

/** Models of the API server that do one thing otherwise, by what that is: the scripts must tell each from the right one. */
export const WRONG_MODELS: Readonly<Record<string, () => Wire>> = {
  'a create of what is there answers as if it had been made': () => {
    const { server, store } = begin();
    const create = store.create.bind(store);
    store.create = (where, object, options) =>
      store.list(where.plural).find(({ metadata }) => metadata.name === where.name) ?? create(where, object, options);
    return server.wire();
  },
  'a delete asks for no UID': () => {
    const { server, store } = begin();
    const remove = store.delete.bind(store);
    store.delete = (where, { uid: _, ...options } = {}) => remove(where, options);
    return server.wire();
  },
  'a delete in the foreground waits for nobody': () => {
    const { server, store } = begin();
    const remove = store.delete.bind(store);
    store.delete = (where, options = {}) =>
      remove(where, options.propagation === 'Foreground' ? { ...options, propagation: 'Background' } : options);
    return server.wire();
  },
  'a status is applied whatever the version': () => {
    const { server, store } = begin();
    const apply = store.applyStatus.bind(store);
    store.applyStatus = (where, { metadata: _, ...object }) => apply(where, object);
    return server.wire();
  },
  'an append counts although the slice has changed': () => {
    const { server, store } = begin();
    const patch = store.jsonPatch.bind(store);
    store.jsonPatch = (where, steps) =>
      patch(
        where,
        steps.filter(({ path }) => path !== '/metadata/resourceVersion'),
      );
    return server.wire();
  },
  'a list shows what its selector leaves out': () => withQuery((query) => query.delete('labelSelector')),
  'a watch begins at the beginning': () =>
    withQuery((query) => query.has('watch') && query.set('resourceVersion', '0')),
};

function begin() {
  const server = new FakeApiServer();
  return { server, store: server.store };
}

/** Asks something else than what was asked. */
function withQuery(change: (query: URLSearchParams) => void): Wire {
  const wire = new FakeApiServer().wire();
  const changed = (request: WireRequest): WireRequest => {
    const url = new URL(request.path, 'http://model');
    change(url.searchParams);
    return { ...request, path: `${url.pathname}${url.search}` };
  };
  return { ...wire, exchange: (request) => wire.exchange(changed(request)) };
}
