import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below those that Linux gives to connections (net.ipv4.ip_local_port_range): one of them would take it before its server does. And
// below those of Kubernetes' NodePorts.
const FROM = 20_000;
const TO = 30_000;

/** A port of this machine that nothing listens at now, and that no connection will be given. */
export async function freePort(): Promise<number> {
  for (let tries = 0; ; tries++) {
    const port = randomInt(FROM, TO);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (tries === 20) throw error;
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
