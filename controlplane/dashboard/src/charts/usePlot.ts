import { useEffect, useState } from 'react';

import type { Plot } from './plot';

interface Loaded {
  Plot?: typeof Plot;
  error?: unknown;
}

/** Loads what draws charts, which is too large to come with the page. */
export function usePlot(): Loaded {
  const [loaded, setLoaded] = useState<Loaded>({});
  useEffect(() => {
    let wanted = true;
    import('./plot').then(
      (part) => wanted && setLoaded({ Plot: part.Plot }),
      (error: unknown) => wanted && setLoaded({ error }),
    );
    return () => {
      wanted = false;
    };
  }, []);
  return loaded;
}
