import { useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type SubmitEvent, useEffect, useRef, useState } from 'react';

import { messageOf } from '../../api/client';
import { login, sessionQuery } from '../../api/session';
import { Button } from '../../ui/Button';
import styles from './Login.module.css';

/** Lets somebody in by a key, or by the one-time link that brought them here. */
export function Login() {
  const { to, ended } = useSearch({ from: '/login' });
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [key, setKey] = useState('');
  const [problem, setProblem] = useState(ended ? 'You were signed out: the key was revoked, or the session is over.' : '');
  const [busy, setBusy] = useState(false);
  const followed = useRef(false);

  const enter = async (proof: Parameters<typeof login>[0]) => {
    setBusy(true);
    setProblem('');
    try {
      queries.setQueryData(sessionQuery.queryKey, await login(proof));
      await navigate({ href: to ?? '/fleet', replace: true });
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };

  useEffect(() => {
    const secret = window.location.hash.slice(1);
    if (secret === '' || followed.current) return;
    followed.current = true; // it is good once
    window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search);
    void enter({ link: secret });
  });

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void enter({ key: key.trim() });
  };

  return (
    <main className={styles.page}>
      <form className={styles.card} onSubmit={submit}>
        <h1>Corral</h1>
        <p className="quiet">Sign in with an API key. It begins with crl_.</p>
        {/* Keeps password managers from guessing what else belongs to the key. */}
        <input type="text" autoComplete="username" value="corral" readOnly hidden />
        <label className={styles.field}>
          Key
          <input
            type="password"
            autoComplete="current-password"
            autoFocus
            required
            value={key}
            onChange={(event) => setKey(event.target.value)}
            aria-describedby="login-problem"
            aria-invalid={problem !== ''}
          />
        </label>
        <p id="login-problem" role="alert" className={styles.problem}>
          {problem}
        </p>
        <Button kind="primary" type="submit" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </Button>
        <details className={styles.help}>
          <summary>No key at hand?</summary>
          <p>On the machine of the control plane, this prints a link that signs you in once:</p>
          <pre>
            <code>corral-controlplane key create --name me --role admin --link</code>
          </pre>
        </details>
      </form>
    </main>
  );
}
