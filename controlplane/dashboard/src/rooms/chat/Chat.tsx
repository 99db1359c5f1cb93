import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import { Loading, Notice } from '../../ui/Notice';
import { newConversation } from './conversation';
import { openLibrary, useLibrary } from './library';
import { Talk } from './Talk';

/** Talks with the models of the fleet. What is said is kept in this browser alone. */
export function Chat() {
  const { chat } = useSearch({ from: '/inside/chat' });
  const navigate = useNavigate({ from: '/chat' });
  const list = useLibrary((library) => library.list);
  const [draft, setDraft] = useState(() => newConversation(''));
  useEffect(openLibrary, []);
  if (list === null) return <Loading label="Loading the conversations" />;

  // A draft in which something was said is one of the conversations now.
  if (chat === undefined && list.some(({ id }) => id === draft.id)) setDraft(newConversation(''));
  const conversation = chat === undefined || chat === draft.id ? (list.find(({ id }) => id === draft.id) ?? draft) : list.find(({ id }) => id === chat);
  if (conversation === undefined) {
    return (
      <Notice title="This conversation is not here" tone="warn">
        <p>It was deleted, or it is kept in another browser.</p>
        <p>
          <Link to="/chat">Begin another one</Link>
        </p>
      </Notice>
    );
  }
  return (
    <Talk
      key={conversation.id}
      conversation={conversation}
      list={list}
      onBegin={(model) => navigate({ search: { model, chat: conversation.id }, replace: true })}
    />
  );
}
