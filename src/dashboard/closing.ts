import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Timers } from '../shared/timers.ts';

/** For answers under way. */
const GRACE_MS = 8_000;

/** Lets a server that closes end in time: sockets that never asked for anything (browsers open some in advance) go at once, all others
 * when their answers are out or the time is over.
 */
export function closeInTime(app: FastifyInstance, timers: Timers): void {
  const silent = new Set<Socket>();
  // Of TLS a request names the socket within, not the one that carries it.
  const arrival = 'setSecureContext' in app.server ? 'secureConnection' : 'connection';
  app.server.on(arrival, (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  let cancel: () => void = () => undefined;
  app.addHook('onRequest', async ({ raw: { socket } }) => {
    silent.delete(socket);
  });
  app.addHook('preClose', async () => {
    for (const socket of silent) socket.destroy();
    cancel = timers.after(GRACE_MS, () => app.server.closeAllConnections());
  });
  app.addHook('onClose', () => cancel());
}
