import { useEffectEvent, useLayoutEffect, useState } from 'react';

import { messageOf } from '../../../api/client';
import { toast } from '../../../ui/toasts';
import { droppedIn, type Picked } from './picked';

/**
 * Takes files and folders that are dropped anywhere on the page, unless what they are
 * dropped on takes them itself, and says whether some are being held over it. A browser
 * would leave the page for them.
 */
export function useDropped(take: (picked: Picked) => void, enabled: boolean): boolean {
  const [over, setOver] = useState(false);
  const taken = useEffectEvent(take);
  useLayoutEffect(() => {
    if (!enabled) return;
    const drag = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes('Files') !== true) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false); // it is off the page, and not only over another part of it
    };
    const drop = (event: DragEvent) => {
      setOver(false);
      if (event.defaultPrevented || event.dataTransfer === null || event.dataTransfer.files.length === 0) return;
      event.preventDefault();
      droppedIn(event.dataTransfer).then(taken, (error: unknown) => toast(messageOf(error), 'bad'));
    };
    window.addEventListener('dragover', drag);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', drag);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, [enabled]);
  return over;
}
