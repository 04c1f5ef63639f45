import { render } from 'preact';
import { decodeAddress, routeOf } from './address.ts';
import { App } from './app.tsx';
import { openClient } from './client.ts';
import { openTelemetry } from './telemetry.ts';

// The browser's entry: telemetry first, so that it hears of errors; then the page.

/** Written by the build. */
declare const __VERSION__: string;

const base = document.baseURI;
const telemetry = openTelemetry();
const client = openClient(base, telemetry.answered);
const place = document.querySelector('#app');
if (!place) throw new Error('the page has no #app');
render(<App client={client} telemetry={telemetry} />, place);
addEventListener('load', () => {
  const route = () => routeOf(decodeAddress(location.search));
  // Without it the page works as well.
  telemetry.start(new URL('collect', base).href, __VERSION__, route).catch(() => {});
});
