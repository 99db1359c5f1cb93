import { CopyButton } from '../../ui/CopyButton';
import { Dialog } from '../../ui/Dialog';
import { curlOf, requestOf } from './ask';
import type { Conversation } from './conversation';
import styles from './CurlDialog.module.css';

interface Props {
  conversation: Conversation;
  /** The place of the answer that the command asks for again. */
  at: number;
  onClose: () => void;
}

/** Shows the command that asks for the same answer in a shell. */
export function CurlDialog({ conversation, at, onClose }: Props) {
  const command = curlOf(requestOf(conversation, conversation.turns.slice(0, at)), window.location.origin);
  return (
    <Dialog title="The same in a shell" onClose={onClose} actions={<CopyButton text={command} />}>
      <p>
        Put a key into <code>CORRAL_KEY</code> first.
      </p>
      <pre className={styles.command} tabIndex={0} role="region" aria-label="Command">
        <code>{command}</code>
      </pre>
    </Dialog>
  );
}
