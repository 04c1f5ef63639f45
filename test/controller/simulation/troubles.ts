import type { FakeApiServer, Seen, Watch } from '../../fakes/api-server.ts';
import type { Fault } from '../../fakes/route.ts';
import type { SimulatedClock } from './clock.ts';
import type { CrashPoint, Host } from './host.ts';
import type { Dice } from './random.ts';
import type { Scenario, Trouble, WatchTrouble } from './scenario.ts';

export interface TroublesOptions {
  readonly server: FakeApiServer;
  readonly clock: SimulatedClock;
  readonly dice: Dice;
  /** For what is always slow. */
  readonly slow: Dice;
  readonly scenario: Scenario;
  readonly isFailing: () => boolean;
  readonly hostOf: (client: string) => Host | undefined;
}

/** What goes wrong with requests and watches, as the scenario's dice fall. */
export class Troubles {
  readonly #options: TroublesOptions;
  /** Requests that were delayed and have not arrived. */
  #underWay = 0;

  constructor(options: TroublesOptions) {
    this.#options = options;
  }

  /** Whether something of the bad times is still to come. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  start(): void {
    const { scenario, clock, dice, isFailing } = this.#options;
    if (scenario.watchTroubles.length === 0) return;
    const next = () => {
      if (!isFailing()) return;
      this.#spoilWatch();
      clock.after(dice.between(200, 15_000), next);
    };
    clock.after(dice.between(200, 15_000), next);
  }

  crashAt(): CrashPoint | undefined {
    const { scenario, dice, isFailing } = this.#options;
    if (!isFailing() || !scenario.troubles.includes('crash')) return undefined;
    return dice.chance(0.1) ? dice.pick(['before', 'committed', 'answered']) : undefined;
  }

  of(seen: Seen): Fault | undefined {
    const { scenario, dice, slow, isFailing } = this.#options;
    const [, longest] = scenario.slicesMs;
    if (isFailing() && longest > 0 && seen.verb === 'list' && seen.plural === 'trialresultslices' && !seen.isMetadata) {
      // It is as old as that, too, when it comes.
      const ms = slow.between(...scenario.slicesMs);
      this.#busyFor(ms + 100);
      return { kind: 'slow', ms };
    }
    if (!isFailing() || scenario.troubles.length === 0 || !dice.chance(scenario.troubleRate)) return undefined;
    const trouble = dice.any(scenario.troubles);
    return trouble && this.#fault(trouble, seen);
  }

  #fault(trouble: Trouble, { verb, client }: Seen): Fault | undefined {
    const { dice, hostOf, clock } = this.#options;
    const isWrite = !['get', 'list', 'watch'].includes(verb);
    switch (trouble) {
      case 'refuse':
        return { kind: 'refuse', status: dice.pick([500, 503, 502, 504, 410]) };
      case 'throttle': {
        const retryAfter = dice.pick(['1', '10', '120', 'soon']);
        const isTold = dice.chance(0.8);
        // Whoever was told to wait comes back then (INV-8 counts from there).
        if (isTold) this.#busyFor((Number(retryAfter) || 0) * 1000 + 2_000);
        return { kind: 'refuse', status: 429, ...(isTold && { retryAfter }) };
      }
      case 'conflict':
        return isWrite ? { kind: 'refuse', status: 409, reason: 'Conflict' } : undefined;
      case 'lost':
        return { kind: 'lost' };
      case 'cut':
        return { kind: 'cut' };
      case 'hang':
        return { kind: 'hang', done: dice.chance(0.5) };
      case 'late':
        return this.#late(dice.between(10, 9_000));
      case 'freeze': {
        // The request that had passed the check of the lease, and arrives when nobody expects it any more.
        if (!isWrite) return undefined;
        const host = hostOf(client);
        const ms = dice.between(1_000, 45_000);
        host?.freeze();
        clock.after(ms, () => host?.thaw());
        return this.#late(dice.between(0, ms));
      }
      case 'crash':
        return undefined;
    }
  }

  #late(ms: number): Fault {
    this.#busyFor(ms + 100);
    return { kind: 'late', ms };
  }

  #busyFor(ms: number): void {
    this.#underWay++;
    this.#options.clock.after(ms, () => this.#underWay--);
  }

  #spoilWatch(): void {
    const { server, clock, dice, scenario } = this.#options;
    const watch: Watch | undefined = dice.any(server.watches);
    const trouble = dice.any(scenario.watchTroubles);
    if (!watch || !trouble) return;
    const spoil: Readonly<Record<WatchTrouble, () => void>> = {
      cut: () => watch.cut(),
      end: () => watch.end(),
      hold: () => watch.hold(),
      delay: () => {
        watch.hold();
        clock.after(dice.between(100, 20_000), () => watch.release());
      },
      repeat: () => {
        watch.spoil = (line) => (dice.chance(0.5) ? [line, line] : [line]);
      },
      garbage: () =>
        watch.write(dice.pick(['{"type":"ADDED","object"\n', 'null\n', '{"type":"STRANGE"}\n', '\u0000\n'])),
      expire: () => watch.fail(410, 'Expired'),
    };
    spoil[trouble]();
  }
}
