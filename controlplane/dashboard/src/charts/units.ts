import { bytes, bytesPerSecond, percent } from '../ui/units';

/** How a chart writes its values, and by which steps its axis is divided. */
export interface Unit {
  format: (value: number) => string;
  steps?: number[];
}

const powersOfTwo = Array.from({ length: 51 }, (_, i) => 2 ** i);

export const inPercent: Unit = { format: percent };
export const inBytes: Unit = { format: bytes, steps: powersOfTwo };
export const inBytesPerSecond: Unit = { format: bytesPerSecond, steps: powersOfTwo };
export const inCelsius: Unit = { format: (n) => `${n.toFixed(0)} °C` };
export const inWatts: Unit = { format: (n) => `${n.toFixed(0)} W` };
export const inNumber: Unit = { format: (n) => String(n), steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] };
