import type { Line } from '../../charts/lines';
import type { GPU } from '../../api/types.gen';

export const cpuLines: Line[] = [{ label: 'CPU', pick: (reading) => reading.cpu_percent }];
export const memoryLines: Line[] = [{ label: 'Used', pick: (reading) => reading.memory_used_bytes }];
export const networkLines: Line[] = [
  { label: 'In', pick: (reading) => reading.received_bytes_per_second },
  { label: 'Out', pick: (reading) => reading.sent_bytes_per_second },
];
export const diskLines: Line[] = [
  { label: 'Read', pick: (reading) => reading.read_bytes_per_second },
  { label: 'Written', pick: (reading) => reading.written_bytes_per_second },
];
export const requestLines: Line[] = [{ label: 'In flight', pick: (reading) => reading.in_flight }];

/** A line for each GPU, which is found by what it is known by, whatever its place. */
export function gpuLines(gpus: readonly Pick<GPU, 'uuid' | 'index'>[], pick: (gpu: GPU) => number | undefined): Line[] {
  return gpus.map(({ uuid, index }) => ({
    label: `GPU ${index}`,
    pick: (reading) => {
      const gpu = reading.gpus.find((one) => one.uuid === uuid);
      return gpu === undefined ? undefined : pick(gpu);
    },
  }));
}
