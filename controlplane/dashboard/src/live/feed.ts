import type { QueryClient } from '@tanstack/react-query';

import { hostsQuery, modelsQuery } from '../api/queries';
import { sessionQuery } from '../api/session';
import type { Host, HostMetrics, MetricsUpdate, ModelInfo } from '../api/types.gen';
import { type Frame, LiveConnection } from './connection';
import { useLive } from './store';

const topics = ['metrics_update', 'models_list', 'hosts_list', 'host_metrics'] as const;

/**
 * Keeps the page current until the function that it returns is called: lists go
 * to the query cache and measurements to the live store, at most once a frame.
 * A page that nobody looks at asks for nothing.
 */
export function feed(queries: QueryClient): () => void {
  let metrics: HostMetrics | undefined;
  let totals: MetricsUpdate | undefined;
  let frame: number | undefined;

  const flush = () => {
    frame = undefined;
    useLive.setState({
      ...(totals && { totals }),
      ...(metrics && {
        at: metrics.at,
        heardAt: Date.now(),
        hosts: new Map(metrics.hosts.map((host) => [host.id, host])),
      }),
    });
    metrics = totals = undefined;
  };
  const flushSoon = () => (frame ??= requestAnimationFrame(flush));

  const take = ({ type, data }: Frame) => {
    switch (type) {
      case 'host_metrics':
        metrics = data as HostMetrics;
        flushSoon();
        break;
      case 'metrics_update':
        totals = data as MetricsUpdate;
        flushSoon();
        break;
      case 'hosts_list':
        queries.setQueryData(hostsQuery.queryKey, data as Host[]);
        break;
      case 'models_list':
        queries.setQueryData(modelsQuery.queryKey, data as ModelInfo[]);
        break;
    }
  };

  const connection = new LiveConnection(address(), topics, {
    onFrame: take,
    onPhase: (phase, retryAt) => {
      useLive.setState({ phase, retryAt });
      // A page that was opened while the server was away doesn't know yet who is signed in.
      if (phase === 'live') void queries.refetchQueries({ predicate: (query) => query.state.status === 'error' });
    },
    // A browser doesn't say why a WebSocket was refused; asking who is signed in does.
    onRefused: () => void queries.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  });

  const look = () => {
    if (document.hidden) connection.stop('paused');
    else connection.start();
  };
  const online = () => connection.retryNow();
  document.addEventListener('visibilitychange', look);
  window.addEventListener('online', online);
  useLive.setState({ retryNow: online });
  look();

  return () => {
    document.removeEventListener('visibilitychange', look);
    window.removeEventListener('online', online);
    if (frame !== undefined) cancelAnimationFrame(frame);
    connection.stop();
  };
}

function address(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
}
