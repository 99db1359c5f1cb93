import * as Menu from '@radix-ui/react-dropdown-menu';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';

import { messageOf } from '../api/client';
import { logout } from '../api/session';
import type { Session } from '../api/types.gen';
import { toast } from '../ui/toasts';
import { setTheme, type Theme, useTheme } from './theme';
import styles from './UserMenu.module.css';

const themes: { value: Theme; label: string }[] = [
  { value: 'system', label: 'As the system' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
];

/** Who is signed in, the theme, the keys, and the way out. It appears opened. */
export function UserMenu({ session, onHelp }: { session: Session; onHelp: () => void }) {
  const theme = useTheme();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const leave = async () => {
    try {
      await logout();
    } catch (error) {
      toast(messageOf(error), 'bad');
      return;
    }
    await navigate({ to: '/login' });
    queries.clear();
  };
  return (
    <Menu.Root modal={false} defaultOpen>
      <Menu.Trigger className={styles.trigger} aria-label={`Account ${session.name}`}>
        {session.name} <span aria-hidden>▾</span>
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Content className={styles.menu} align="end" sideOffset={6} collisionPadding={8}>
          <Menu.Label className={styles.label}>
            {session.anonymous ? 'No key is needed here' : `Signed in as ${session.role}`}
            <br />
            Corral {session.version}
          </Menu.Label>
          <Menu.Separator className={styles.line} />
          <Menu.RadioGroup value={theme} onValueChange={(value) => setTheme(value as Theme)} aria-label="Theme">
            {themes.map(({ value, label }) => (
              <Menu.RadioItem key={value} value={value} className={styles.item}>
                <Menu.ItemIndicator className={styles.chosen}>✓</Menu.ItemIndicator>
                {label}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
          <Menu.Separator className={styles.line} />
          <Menu.Item className={styles.item} onSelect={onHelp}>
            Keys
          </Menu.Item>
          {!session.anonymous && (
            <Menu.Item className={styles.item} onSelect={() => void leave()}>
              Sign out
            </Menu.Item>
          )}
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}
