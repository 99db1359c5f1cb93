import { useEffect, useState } from 'react';

import { useNow } from '../../../ui/Time';

// Windows of one browser know of the same uploads, of which each is sent by one of them.
// The lock that browsers have for this is only there over TLS and on the machine itself.
const channelName = 'corral uploads';

/** How often a window says at most that it sends an upload, and for how long that counts, in milliseconds. */
const everyMs = 1000;
const countsMs = 5000;

interface Said {
  from: number;
  url: string;
  sentBytes: number;
}

const me = Math.random();

/** Tells the other windows of this browser of an upload that this one sends. */
export class Teller {
  private readonly channel = 'BroadcastChannel' in window ? new BroadcastChannel(channelName) : undefined;
  private last = -Infinity;

  tell(url: string, sentBytes: number): void {
    const now = performance.now();
    if (url === '' || now - this.last < everyMs) return;
    this.last = now;
    this.channel?.postMessage({ from: me, url, sentBytes } satisfies Said);
  }

  close(): void {
    this.channel?.close();
  }
}

/** How many bytes other windows of this browser have sent of the uploads that they send now, by their addresses. */
export function useElsewhere(): ReadonlyMap<string, number> {
  const [heard, setHeard] = useState<ReadonlyMap<string, { at: number; sentBytes: number }>>(new Map());
  useEffect(() => {
    if (!('BroadcastChannel' in window)) return;
    const channel = new BroadcastChannel(channelName);
    channel.onmessage = ({ data }: MessageEvent<Said>) => {
      if (data.from !== me) setHeard((before) => new Map(before).set(data.url, { at: Date.now(), sentBytes: data.sentBytes }));
    };
    return () => channel.close();
  }, []);
  const now = useNow();
  return new Map([...heard].filter(([, { at }]) => now - at < countsMs).map(([url, { sentBytes }]) => [url, sentBytes]));
}
