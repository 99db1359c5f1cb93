import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef } from 'react';

import type { Entry } from './buffer';
import styles from './LogTail.module.css';

const lineHeightPixels = 20;

/** How long after a movement of the hand a scroll still comes of it, in milliseconds. */
const handMs = 600;

/** This far from the end still counts as being there, in pixels. */
const endPixels = 40;

interface Props {
  lines: readonly Entry[];
  wrap: boolean;
  /** Whether the end is kept in sight. */
  follow: boolean;
  /** Called when somebody scrolls up, away from the end. */
  onHold: () => void;
  /** Called when somebody scrolls down to the end again. */
  onFollow: () => void;
}

/** Lines of a log, of which only those in sight are in the page. */
export function LogLines({ lines, wrap, follow, onHold, onFollow }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const lastHand = useRef(-Infinity);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing of it is kept beyond a render
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => lineHeightPixels,
    getItemKey: (i) => lines[i]?.id ?? i,
    overscan: 20,
  });

  useEffect(() => virtual.measure(), [wrap, virtual]);
  useEffect(() => {
    if (follow && lines.length > 0) virtual.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [lines, follow, wrap, virtual]);

  // New lines scroll the box as well; only what a person does holds it still.
  const hand = () => {
    lastHand.current = performance.now();
  };
  const scrolled = () => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, scrollHeight, clientHeight } = element;
    const up = scrollTop < lastTop.current;
    lastTop.current = scrollTop;
    if (performance.now() - lastHand.current > handMs) return;
    const atEnd = scrollHeight - scrollTop - clientHeight <= endPixels;
    if (follow && up && !atEnd) onHold();
    if (!follow && !up && atEnd) onFollow();
  };

  return (
    <div
      ref={box}
      className={`${styles.lines} ${wrap ? styles.wrap : ''}`}
      onScroll={scrolled}
      onWheel={hand}
      onTouchMove={hand}
      onKeyDown={hand}
      onPointerDown={hand}
      onPointerMove={(event) => {
        if (event.buttons !== 0) hand();
      }}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Lines"
    >
      <div className={styles.all} style={{ height: virtual.getTotalSize() }}>
        <div className={styles.window} style={{ transform: `translateY(${virtual.getVirtualItems()[0]?.start ?? 0}px)` }}>
          {virtual.getVirtualItems().map(({ index, key }) => {
            const line = lines[index];
            return (
              <div key={key} data-index={index} ref={wrap ? virtual.measureElement : undefined} className={line?.mark ? styles.mark : styles.line}>
                {line?.text}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}
