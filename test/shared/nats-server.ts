import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { exists, programPath } from '../cluster/programs.ts';

/** Why tests that need a NATS server are left out here; nothing if they are not. */
export const needsNats = {
  skip:
    process.env.CI !== 'true' && !(await isBuilt()) ? 'no nats-server: `npm run test:tools` builds it with Go' : false,
};

function isBuilt(): Promise<boolean> {
  return programPath('nats-server').then(exists, () => false);
}

export interface ServerOptions {
  /** More lines of its configuration, in the place of these. */
  readonly config?: string;
  readonly jetstream?: boolean;
  readonly syncAlways?: boolean;
  /** Folder of its store; absent: one of its own. */
  readonly store?: string;
}

/** A nats-server process with a store of its own, which may die and come back at the same port. */
export class NatsServer {
  readonly folder: string;
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;
  #port = -1;

  /** A test that failed ends the process before it stops its servers. */
  readonly #leaveNobody = () => void this.#child?.kill('SIGKILL');

  private constructor(folder: string, options: ServerOptions) {
    this.folder = folder;
    this.#options = options;
    process.once('exit', this.#leaveNobody);
  }

  static async start(options: ServerOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(await mkdtemp(join(tmpdir(), 'cnn-sweep-nats-')), options);
    await server.restart();
    return server;
  }

  get url(): string {
    return `nats://localhost:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it where it is not running, on the store that it left. */
  async restart(options: ServerOptions = this.#options): Promise<void> {
    const { config = '', jetstream = true, syncAlways = true, store: kept = this.folder } = options;
    const store = `jetstream { store_dir: "${kept}", max_file_store: 20GB${syncAlways ? ', sync_interval: always' : ''} }`;
    const file = join(this.folder, 'nats.conf');
    await writeFile(
      file,
      `server_name: test\nhost: localhost\nport: ${this.#port}\n${jetstream ? store : ''}\n${config}\n`,
    );
    const child = spawn(await programPath('nats-server'), ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    await this.#ready(child);
  }

  async #ready(child: ChildProcess): Promise<void> {
    const lines: string[] = [];
    if (!child.stderr) throw new Error('no pipe');
    const reader = createInterface(child.stderr);
    await new Promise<void>((resolve, reject) => {
      reader.on('line', (line) => {
        lines.push(line);
        const [, port] = /Listening for client connections on .*:(\d+)/.exec(line) ?? [];
        if (port !== undefined) this.#port = Number(port);
        if (line.includes('Server is ready')) resolve();
      });
      child.once('exit', (code) => reject(new Error(`nats-server ended with ${code}:\n${lines.join('\n')}`)));
    });
  }

  /** As a power cut or an out-of-memory kill: nothing is flushed. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Holds it still; resolves once every thread of it stands. */
  async freeze(): Promise<void> {
    this.#child?.kill('SIGSTOP');
    const tasks = `/proc/${this.pid}/task`;
    const isStill = async (task: string) => /\) T /.test(await readFile(`${tasks}/${task}/stat`, 'utf8'));
    while (!(await Promise.all((await readdir(tasks)).map(isStill))).every(Boolean)) await sleep(1);
  }

  /** Lets it go on. */
  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    process.off('exit', this.#leaveNobody);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A certificate for localhost that signs itself. @returns both as PEM, with their files */
export async function makeCertificate(folder: string) {
  const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await promisify(execFile)('openssl', [
    ...args,
    ...['-subj', '/CN=localhost', '-addext', names],
    ...['-out', certFile, '-keyout', keyFile],
  ]);
  return { certFile, keyFile, cert: await readFile(certFile, 'utf8') };
}
