import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import { hostsQuery } from '../../api/queries';
import { Button } from '../../ui/Button';
import { Notice } from '../../ui/Notice';
import styles from './Models.module.css';

/** Says how to get a model, where there is none. */
export function NoModel({ mayUpload }: { mayUpload: boolean }) {
  const { data: hosts } = useQuery(hostsQuery);
  const online = hosts?.filter(({ state }) => state === 'online' || state === 'degraded').length;
  if (online === 0) {
    return (
      <Notice title="No model yet, and no host can be reached">
        <p>
          Models appear here with the hosts that have them. <Link to="/fleet">To the fleet</Link>
        </p>
        {mayUpload && <p>One that is uploaded, or imported from a storage, is here at once, and hosts get it when they are there.</p>}
      </Notice>
    );
  }
  return (
    <Notice title="No model yet">
      {mayUpload && <p>Upload one, or import one from a storage, and bring it to hosts. Or have hosts fetch one.</p>}
      <p>On a host, this fetches one:</p>
      <pre className={styles.command}>
        <code>ollama pull llama3.2</code>
      </pre>
      <p>From anywhere else, with a key in CORRAL_KEY that may do so:</p>
      <pre className={styles.command}>
        <code>OLLAMA_HOST={window.location.origin}/k/$CORRAL_KEY ollama pull llama3.2</code>
      </pre>
      <p>It appears here by itself.</p>
    </Notice>
  );
}

export function NothingFound({ words, onClear }: { words: string; onClear: () => void }) {
  return (
    <Notice title="No model is like that">
      <p className={styles.words}>None has “{words}” in its name, its quantisation or the names of its hosts.</p>
      <p>
        <Button onClick={onClear}>Show all</Button>
      </p>
    </Notice>
  );
}
