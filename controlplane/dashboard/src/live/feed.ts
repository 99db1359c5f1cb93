import type { QueryClient } from '@tanstack/react-query';

import { operationsQuery } from '../api/models';
import { hostsQuery, modelsQuery } from '../api/queries';
import { sessionQuery } from '../api/session';
import type { Host, HostMetrics, MetricsUpdate, ModelInfo, ModelProgress } from '../api/types.gen';
import { Pace } from '../ui/pace';
import { type Frame, LiveConnection } from './connection';
import { withProgress } from './operations';
import { useLive } from './store';

const topics = ['metrics_update', 'models_list', 'hosts_list', 'host_metrics', 'model_progress'] as const;

/** How often the operations are asked for, at most, while they go on, in milliseconds. */
const operationsEveryMs = 1000;

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

  // What is pushed says how far operations are; their rates, and new ones, come with the list.
  const operations = new Pace(operationsEveryMs, () => void queries.invalidateQueries({ queryKey: operationsQuery.queryKey }));

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
      case 'model_progress': {
        const told = data as ModelProgress;
        queries.setQueryData(operationsQuery.queryKey, (list) => list && withProgress(list, told));
        queries.setQueryData(modelsQuery.queryKey, (list) =>
          list?.map((model) => (model.id === told.model_id && model.progress !== null ? { ...model, progress: told.progress } : model)),
        );
        operations.ask();
        break;
      }
    }
  };

  const connection = new LiveConnection(address(), topics, {
    onFrame: take,
    onPhase: (phase, retryAt) => {
      useLive.setState({ phase, retryAt });
      // A page that was opened while the server was away doesn't know yet who is signed in.
      if (phase !== 'live') return;
      void queries.refetchQueries({ predicate: (query) => query.state.status === 'error' });
      operations.ask(); // some may have ended meanwhile
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
    operations.stop();
    connection.stop();
  };
}

function address(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
}
