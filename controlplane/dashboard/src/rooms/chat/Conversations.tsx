import { Link, useNavigate } from '@tanstack/react-router';
import { useDeferredValue, useMemo, useState } from 'react';

import { withVisibleBidi } from '../../markdown/bidi';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Ago } from '../../ui/Time';
import { type Conversation, mentions } from './conversation';
import { ConversationMenu } from './ConversationMenu';
import styles from './Conversations.module.css';
import { removeAll } from './library';
import { stop, useRuns } from './runs';

interface Props {
  list: readonly Conversation[];
  /** The id of the one that is open. */
  open: string;
}

/** The conversations that this browser keeps. */
export function Conversations({ list, open }: Props) {
  const [words, setWords] = useState('');
  const [clearing, setClearing] = useState(false);
  const navigate = useNavigate();
  const wanted = useDeferredValue(words.trim());
  const found = useMemo(() => (wanted === '' ? list : list.filter((one) => mentions(one, wanted))), [list, wanted]);
  if (list.length === 0) return <p className="quiet">No conversation yet. They are kept in this browser alone.</p>;
  return (
    <>
      <input type="search" className={styles.search} aria-label="Search in the conversations" placeholder="Search" value={words} onChange={(event) => setWords(event.target.value)} />
      <ul className={styles.list}>
        {found.map((one) => (
          <Entry key={one.id} conversation={one} here={one.id === open} />
        ))}
      </ul>
      {found.length === 0 && <p className="quiet">None has these words.</p>}
      <p className="quiet">They are kept in this browser alone, the newest 50.</p>
      <Button kind="danger" onClick={() => setClearing(true)}>
        Delete all
      </Button>
      {clearing && (
        <Dialog
          title="Delete all conversations?"
          onClose={() => setClearing(false)}
          closeLabel="Keep them"
          actions={
            <Button
              kind="danger"
              onClick={() => {
                for (const { id } of list) stop(id);
                setClearing(false);
                void navigate({ to: '/chat' }).then(removeAll);
              }}
            >
              Delete all {list.length}
            </Button>
          }
        >
          <p>They are kept nowhere else, so they cannot be brought back.</p>
        </Dialog>
      )}
    </>
  );
}

function Entry({ conversation, here }: { conversation: Conversation; here: boolean }) {
  const { id, title, updatedAt } = conversation;
  const running = useRuns((runs) => runs[id] !== undefined);
  return (
    <li className={`${styles.entry} ${here ? styles.here : ''}`}>
      <Link to="/chat" search={{ chat: id }} className={styles.link} aria-current={here ? 'page' : undefined} title={title}>
        <span className={styles.title}>{withVisibleBidi(title)}</span>
        <span className={styles.age}>{running ? 'answering…' : <Ago at={new Date(updatedAt).toISOString()} />}</span>
      </Link>
      <ConversationMenu conversation={conversation} here={here} />
    </li>
  );
}
