import * as Menu from '@radix-ui/react-dropdown-menu';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';

import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import type { Conversation } from './conversation';
import styles from './Conversations.module.css';
import { download } from './exports';
import { put, remove } from './library';
import { RenameDialog } from './RenameDialog';
import { stop } from './runs';

/** What can be done with a conversation that is kept. */
export function ConversationMenu({ conversation, here }: { conversation: Conversation; here: boolean }) {
  const navigate = useNavigate();
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null);
  const close = () => setDialog(null);
  return (
    <>
      <Menu.Root modal={false}>
        <Menu.Trigger className={styles.more} aria-label={`More for ${conversation.title}`}>
          <span aria-hidden>⋯</span>
        </Menu.Trigger>
        <Menu.Portal>
          <Menu.Content className={styles.menu} align="end" sideOffset={4} collisionPadding={8}>
            <Menu.Item className={styles.item} onSelect={() => setDialog('rename')}>
              Rename
            </Menu.Item>
            <Menu.Item className={styles.item} onSelect={() => download(conversation, 'md')}>
              Export as Markdown
            </Menu.Item>
            <Menu.Item className={styles.item} onSelect={() => download(conversation, 'json')}>
              Export as JSON
            </Menu.Item>
            <Menu.Item className={styles.item} onSelect={() => setDialog('delete')}>
              Delete
            </Menu.Item>
          </Menu.Content>
        </Menu.Portal>
      </Menu.Root>
      {dialog === 'rename' && <RenameDialog title={conversation.title} onClose={close} onRename={(title) => put({ ...conversation, title })} />}
      {dialog === 'delete' && (
        <Dialog
          title="Delete this conversation?"
          onClose={close}
          closeLabel="Keep it"
          actions={
            <Button
              kind="danger"
              onClick={() => {
                stop(conversation.id);
                if (here) void navigate({ to: '/chat' }).then(() => remove(conversation.id));
                else remove(conversation.id);
              }}
            >
              Delete
            </Button>
          }
        >
          <p className={styles.named}>“{conversation.title}” is kept nowhere else, so it cannot be brought back.</p>
        </Dialog>
      )}
    </>
  );
}
