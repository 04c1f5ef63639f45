import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Address, decodeAddress, encodeAddress, HOME, routeOf } from './address.ts';
import { Announcer } from './announcer.tsx';
import type { Client } from './client.ts';
import { Page, type PageContext, usePage } from './context.ts';
import type { Telemetry } from './faro.ts';
import { Link } from './link.tsx';
import { Login, useWhoami, type Whoami } from './login.tsx';
import { useSource } from './source.ts';
import type { Connection } from './stream.ts';
import { isServed } from './sweep-data.ts';
import { openSweepFeed } from './sweep-feed.ts';
import { SweepPage } from './sweep-page.tsx';
import { openSweepsFeed } from './sweeps-feed.ts';
import { SweepsView } from './sweeps-view.tsx';
import { ThemeSwitch, useTheme } from './theme.tsx';
import { describeProgress, explainVerdict, formatTime } from './words.ts';

export interface AppProps {
  readonly client: Client;
  readonly telemetry: Telemetry;
}

/** The whole page. */
export function App({ client, telemetry }: AppProps) {
  const [address, go] = useAddress(telemetry);
  const theme = useTheme();
  const whoami = useWhoami(client);
  const page = useMemo<PageContext>(
    () => ({ client, address, go, linkTo: (changes) => linkOf({ ...address, ...changes }), theme: theme.version }),
    [client, address, go, theme.version],
  );
  return (
    <Page.Provider value={page}>
      {whoami.isLoginNeeded ? (
        <Shell connection={null} theme={theme} whoami={whoami}>
          <Login hasEnded={whoami.hasLoginEnded} isProxied={whoami.isProxied} />
        </Shell>
      ) : address.sweep === null ? (
        <Sweeps theme={theme} whoami={whoami} />
      ) : (
        <Sweep key={address.sweep} sweep={address.sweep} theme={theme} whoami={whoami} />
      )}
    </Page.Provider>
  );
}

const linkOf = (address: Address) => location.pathname + encodeAddress(address);

/** The address of the browser as state. Another view, sweep or trial is a step that Back undoes; filters change in place. */
function useAddress(telemetry: Telemetry): readonly [Address, PageContext['go']] {
  const [address, setAddress] = useState(() => decodeAddress(location.search));
  const now = useRef(address);
  const show = (next: Address) => {
    const [from, to] = [routeOf(now.current), routeOf(next)];
    if (from !== to) telemetry.routeChanged(from, to);
    now.current = next;
    setAddress(next);
  };
  useEffect(() => {
    const moved = () => show(decodeAddress(location.search));
    addEventListener('popstate', moved);
    return () => removeEventListener('popstate', moved);
  }, []);
  const go = useMemo<PageContext['go']>(
    () => (changes) => {
      const before = now.current;
      const next =
        changes.sweep !== undefined && changes.sweep !== before.sweep
          ? { ...HOME, ...changes }
          : { ...before, ...changes };
      const isStep = next.sweep !== before.sweep || next.view !== before.view;
      history[isStep ? 'pushState' : 'replaceState'](null, '', linkOf(next));
      show(next);
      if (isStep) scrollTo({ top: 0 });
    },
    [],
  );
  return [address, go];
}

interface ShellProps {
  readonly connection: Connection | null;
  readonly theme: ReturnType<typeof useTheme>;
  readonly whoami: Whoami;
  /** Of the open sweep. */
  readonly sweep?: string;
  /** Its run took the server along: nothing will be live again. */
  readonly isOver?: boolean;
  readonly children: ComponentChildren;
}

function Shell({ connection, theme, whoami, sweep, isOver = false, children }: ShellProps) {
  const [namespace, name] = sweep?.split('/') ?? [];
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <nav aria-label="Where you are">
          <Link to={{ sweep: null, view: 'curves', trial: null }} class="brand" current={sweep === undefined}>
            cnn-sweep
          </Link>
          {name !== undefined && (
            <>
              <span aria-hidden="true">/</span>
              <span>{namespace}</span>
              <span aria-hidden="true">/</span>
              <strong>{name}</strong>
            </>
          )}
        </nav>
        <div class="right">
          {connection && <ConnectionState connection={connection} isOver={isOver} />}
          {whoami.user !== '' && <span class="user">{whoami.user}</span>}
          {whoami.canLogOut && (
            <button type="button" onClick={whoami.logOut}>
              Log out
            </button>
          )}
          <ThemeSwitch theme={theme} />
        </div>
      </header>
      {children}
    </>
  );
}

function ConnectionState({ connection, isOver }: { readonly connection: Connection; readonly isOver: boolean }) {
  const isLive = connection.status === 'live';
  const words =
    connection.status === 'reconnecting'
      ? isOver
        ? 'the run is over'
        : `not live since ${formatTime(connection.since)}, connecting again`
      : connection.status;
  return (
    <span class={`connection ${connection.status}`}>
      <span aria-hidden="true">{isLive ? '●' : '○'}</span> {words}
    </span>
  );
}

type PartProps = Pick<ShellProps, 'theme' | 'whoami'>;

function Sweeps(props: PartProps) {
  const { client } = usePage();
  const feed = useMemo(() => openSweepsFeed(client), [client]);
  useEffect(() => () => feed.close(), [feed]);
  const { sweeps, connection, error } = useSource(feed);
  useTitle('Sweeps');
  return (
    <Shell {...props} connection={connection}>
      <SweepsView sweeps={sweeps} error={error} />
    </Shell>
  );
}

function Sweep({ sweep, ...props }: PartProps & { readonly sweep: string }) {
  const { client } = usePage();
  const feed = useMemo(() => openSweepFeed(client, sweep), [client, sweep]);
  useEffect(() => () => feed.close(), [feed]);
  const view = useSource(feed);
  const { state } = view;
  const words = state ? `${describeProgress(state.detail)}. ${explainVerdict(state).headline}.` : '';
  useTitle(state ? `${state.detail.name}: ${explainVerdict(state).headline}` : (sweep.split('/').at(-1) ?? ''));
  return (
    <Shell
      {...props}
      connection={view.connection}
      sweep={sweep}
      isOver={state !== null && !isServed(state.detail, view.connection)}
    >
      <SweepPage feed={feed} view={view} />
      <Announcer words={words} />
    </Shell>
  );
}

function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · cnn-sweep`;
  }, [title]);
}
