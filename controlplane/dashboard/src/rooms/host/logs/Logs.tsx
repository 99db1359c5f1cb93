import { useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';

import { may, sessionQuery } from '../../../api/session';
import type { Host } from '../../../api/types.gen';
import { Notice } from '../../../ui/Notice';
import { LogTail } from './LogTail';

/** What the Ollamas of a host print, to who may read it. */
export function Logs({ host }: { host: Host }) {
  const { instance: wanted } = useSearch({ from: '/inside/hosts/$host' });
  const session = useQuery(sessionQuery);
  if (session.data === undefined) return null;
  if (!may(session.data.role, 'operator')) {
    return (
      <Notice title="For operators">
        <p>Logs may hold what people asked, so they are shown to operators. Ask one to look, or for a key of that role.</p>
      </Notice>
    );
  }
  const names = host.instances.map(({ name }) => name);
  const instance = names.find((name) => name === wanted) ?? names[0];
  if (instance === undefined) {
    return (
      <Notice title="No Ollama is known here">
        <p>Logs can be read once the host's agent has told of an Ollama.</p>
      </Notice>
    );
  }
  return <LogTail key={instance} host={host} instance={instance} />;
}
