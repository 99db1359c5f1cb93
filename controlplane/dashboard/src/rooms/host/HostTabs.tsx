import * as Tabs from '@radix-ui/react-tabs';
import { useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';

import styles from './HostTabs.module.css';
import { hostTabs } from './search';

type Tab = (typeof hostTabs)[number];

const labels: Record<Tab, string> = { overview: 'Overview', models: 'Models', logs: 'Logs' };

/** The parts of a host. Which one is open stands in the address. */
export function HostTabs({ tab, host, children }: { tab: Tab; host: string; children: ReactNode }) {
  const navigate = useNavigate();
  const open = (value: string) =>
    void navigate({ to: '/hosts/$host', params: { host }, search: value === 'overview' ? {} : { tab: value as Tab }, replace: true });
  return (
    <Tabs.Root value={tab} onValueChange={open}>
      <Tabs.List className={styles.tabs} aria-label="Parts of the host">
        {hostTabs.map((name) => (
          <Tabs.Trigger key={name} value={name} className={styles.tab}>
            {labels[name]}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      <Tabs.Content value={tab} className={styles.content} tabIndex={-1}>
        {children}
      </Tabs.Content>
    </Tabs.Root>
  );
}
