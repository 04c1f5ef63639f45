import type { FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Client } from './client.ts';
import { post } from './post.ts';
import { useSource } from './source.ts';

export interface Whoami {
  /** Empty where nobody has to say. */
  readonly user: string;
  readonly isLoginNeeded: boolean;
  /** It was good when the page was opened. */
  readonly hasLoginEnded: boolean;
  readonly canLogOut: boolean;
  /** A proxy logs people in, and there alone. */
  readonly isProxied: boolean;
  logOut(): void;
}

interface Answer {
  readonly mode: string;
  readonly user: string;
}

export function useWhoami(client: Client): Whoami {
  const [answer, setAnswer] = useState<Answer>({ mode: '', user: '' });
  const isLoginNeeded = useSource(client.isLoginNeeded);
  useEffect(() => {
    client.get<Answer>('whoami', 'whoami').then(setAnswer, () => {});
  }, [client]);
  return {
    user: answer.mode === 'loopback' ? '' : answer.user,
    isLoginNeeded,
    hasLoginEnded: isLoginNeeded && answer.user !== '',
    canLogOut: answer.mode === 'token' && !isLoginNeeded,
    isProxied: answer.mode === 'proxy',
    logOut: () => void post('logout').finally(() => location.reload()),
  };
}

interface LoginProps {
  readonly hasEnded: boolean;
  readonly isProxied: boolean;
}

/** Its form comes when it is needed: most never see it. */
export function Login(props: LoginProps) {
  const [Form, setForm] = useState<FunctionComponent<LoginProps> | null>(null);
  const [failure, setFailure] = useState('');
  useEffect(() => {
    import('./login-form.tsx').then(
      ({ LoginForm }) => setForm(() => LoginForm),
      () => setFailure('The login could not be loaded: reload the page.'),
    );
  }, []);
  return <main id="main">{Form ? <Form {...props} /> : failure}</main>;
}
