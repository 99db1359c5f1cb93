import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';

import { modelsQuery } from '../../api/queries';
import { may, sessionQuery } from '../../api/session';
import { Button } from '../../ui/Button';
import styles from './Chat.module.css';
import { choiceOf, choicesOf } from './choices';
import { Composer } from './Composer';
import { type Conversation, withoutLastAnswer, withQuestion } from './conversation';
import { Conversations } from './Conversations';
import { useLibrary } from './library';
import { ModelPicker } from './ModelPicker';
import { ask, stop, useRuns } from './runs';
import { problemsOf } from './settings';
import { SettingsPanel } from './SettingsPanel';
import { Thread } from './Thread';
import { useEscape } from './useEscape';

interface Props {
  conversation: Conversation;
  list: readonly Conversation[];
  /** Makes the conversation the one of the address, before its first question is kept. */
  onBegin: (model: string) => Promise<void>;
}

/** One conversation, with the others and the settings beside it. */
export function Talk({ conversation, list, onBegin }: Props) {
  const { id } = conversation;
  const [settings, setSettings] = useState(conversation.settings);
  const [side, setSide] = useState(() => ({ list: wide('60rem'), settings: wide('85rem') }));
  const running = useRuns((runs) => runs[id] !== undefined);
  const trouble = useLibrary((library) => library.trouble);
  const allowed = useMayAsk();
  const { model, known, pick } = useModel(conversation);
  const problems = problemsOf(settings);
  const hindrance = !allowed
    ? 'Your key may look at the fleet, and not ask its models. A key with the role inference may.'
    : Object.keys(problems).length > 0
      ? 'A setting is not right yet.'
      : model === ''
        ? 'Pick a model first.'
        : '';

  const go = useCallback(
    async (next: Conversation) => {
      if (next.turns.length === 1) await onBegin(model);
      void ask({ ...next, model, settings });
    },
    [model, settings, onBegin],
  );
  const resend = useCallback((at: number, content: string) => void go(withQuestion(conversation, content, at)), [go, conversation]);
  const regenerate = useCallback(() => void go(withoutLastAnswer(conversation)), [go, conversation]);
  useEscape(running, () => stop(id));

  return (
    <div className={`${styles.room} ${side.list ? styles.withList : ''} ${side.settings ? styles.withSettings : ''}`}>
      <h1 className="visually-hidden">Chat</h1>
      <div className={styles.bar}>
        <Button aria-expanded={side.list} onClick={() => setSide({ ...side, list: !side.list })}>
          Conversations
        </Button>
        <ModelPicker model={model} onPick={pick} />
        <Link to="/chat" search={model === '' ? {} : { model }} className={styles.fresh}>
          New
        </Link>
        <Button aria-expanded={side.settings} onClick={() => setSide({ ...side, settings: !side.settings })}>
          Settings
        </Button>
      </div>
      {side.list && (
        <nav className={styles.list} aria-label="Conversations">
          <Conversations list={list} open={id} />
        </nav>
      )}
      {side.settings && (
        <aside className={styles.settings} aria-label="Settings">
          <SettingsPanel settings={settings} problems={problems} onChange={setSettings} />
        </aside>
      )}
      <div className={styles.talk}>
        <div className={styles.thread}>
          {trouble !== '' && (
            <p className={styles.trouble} role="status">
              {trouble}
            </p>
          )}
          {!known && <p className={styles.trouble}>No host that can be reached now has {model}. Another model can be picked.</p>}
          {conversation.turns.length === 0 && !running && <Beginning />}
          <Thread conversation={conversation} running={running} allowed={hindrance === ''} onResend={resend} onRegenerate={regenerate} />
        </div>
        <Composer running={running} hindrance={hindrance} onSend={(text) => void go(withQuestion(conversation, text))} onStop={() => stop(id)} />
      </div>
    </div>
  );
}

function Beginning() {
  return (
    <div className={styles.beginning}>
      <p>Ask a model of the fleet. The host that has it ready answers.</p>
      <p className="quiet">What is said goes to the model alone, and is kept in this browser alone.</p>
    </div>
  );
}

function useMayAsk(): boolean {
  const { data: session } = useQuery(sessionQuery);
  return session === undefined || may(session.role, 'inference'); // the server decides in any case
}

/** Which model is asked: the address's, else the conversation's, else the one that is ready first. */
function useModel(conversation: Conversation) {
  const { model: asked } = useSearch({ from: '/inside/chat' });
  const navigate = useNavigate({ from: '/chat' });
  const { data } = useQuery(modelsQuery);
  const choices = useMemo(() => data && choicesOf(data), [data]);
  const [first, setFirst] = useState<string>();
  // It stays the same when another one is loaded meanwhile.
  if (first === undefined && choices?.[0]) setFirst(choices[0].name);
  const model = asked ?? (conversation.model === '' ? (first ?? '') : conversation.model);
  const known = model === '' || choices === undefined || choiceOf(choices, model) !== undefined;
  const pick = (picked: string) => void navigate({ search: (now) => ({ ...now, model: picked }), replace: true });
  return { model, known, pick };
}

function wide(width: string): boolean {
  return window.matchMedia(`(min-width: ${width})`).matches;
}
