import { render } from 'preact';
import { decodeAddress, routeOf } from './address.ts';
import { App } from './app.tsx';
import { openClient } from './client.ts';
import { startTelemetry } from './faro.ts';

// The browser's entry: telemetry first, so that it hears of errors; then the page.

/** Written by the build. */
declare const __VERSION__: string;

const base = document.baseURI;
const telemetry = startTelemetry({
  url: new URL('collect', base).href,
  version: __VERSION__,
  route: () => routeOf(decodeAddress(location.search)),
});
const client = openClient(base, telemetry.answered);
const place = document.querySelector('#app');
if (!place) throw new Error('the page has no #app');
render(<App client={client} telemetry={telemetry} />, place);
