import { useState } from 'preact/hooks';
import { post } from './post.ts';

const FAILURES: Readonly<Record<number, string>> = {
  401: 'The token is not, or no longer, good.',
  404: 'No token is taken here: a proxy logs people in. Open the page through it.',
  429: 'Too many tries: wait a moment.',
};

/** A Secure cookie, from an address that the browser does not trust with one. */
const DROPPED =
  'The token is good, but this browser keeps a login only over HTTPS, or from the machine itself: open the page at an address with https, or through kubectl port-forward.';

const isKept = () =>
  fetch(new URL('api/v1/whoami', document.baseURI)).then(
    ({ status }) => status !== 401,
    () => true,
  );

/** Trades a token for a cookie that no script can read; then the page is where it was. */
export function LoginForm({ hasEnded, isProxied }: { readonly hasEnded: boolean; readonly isProxied: boolean }) {
  const [failure, setFailure] = useState('');
  const logIn = async (token: string) => {
    const response = await post('login', { token }).catch(() => undefined);
    if (response?.ok) return (await isKept()) ? location.reload() : setFailure(DROPPED);
    setFailure(FAILURES[response?.status ?? 0] ?? 'The server did not answer: try again.');
  };
  if (isProxied) return <LoginElsewhere />;
  return (
    <>
      <h1 class="plain">Log in</h1>
      <section class="login">
        {hasEnded && <p role="status">Your login has ended. With a new token you are back where you were.</p>}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            logIn(String(new FormData(event.currentTarget).get('token') ?? '').trim());
          }}
        >
          <label for="token">A token of Kubernetes for the audience cnn-sweep</label>
          <input id="token" name="token" type="password" autocomplete="off" required />
          <button type="submit">Log in</button>
          <p class="problem" role="alert">
            {failure}
          </p>
        </form>
        <h2>Where it comes from</h2>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
        <pre tabIndex={0}>
          <code>kubectl create token SERVICE-ACCOUNT --audience cnn-sweep --duration 8h</code>
        </pre>
      </section>
    </>
  );
}

function LoginElsewhere() {
  return (
    <>
      <h1 class="plain">Log in</h1>
      <section class="login">
        <p role="status">
          The proxy before this page does not say any more who you are. Reload the page to log in there.
        </p>
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      </section>
    </>
  );
}
