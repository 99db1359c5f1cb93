import { useRouter } from '@tanstack/react-router';
import type { ComponentProps, MouseEvent } from 'react';

interface Props extends ComponentProps<'a'> {
  /** The host's name. */
  host: string;
}

/**
 * A link to a host for lists of many: the router's own link follows every change
 * of the address, which a thousand of them would make dear.
 */
export function HostLink({ host, onClick, ...rest }: Props) {
  const router = useRouter();
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    void router.navigate({ to: '/hosts/$host', params: { host } });
  };
  return <a href={`/hosts/${encodeURIComponent(host)}`} onClick={follow} {...rest} />;
}
