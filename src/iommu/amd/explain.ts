import { stepOf } from '../entry-layout.ts';
import type { TranslationStep } from '../unit.ts';
import type { Remapping } from './remapping.ts';
import { DEVICE_TABLE_ENTRY, PAGE_TABLE_ENTRY } from './tables.ts';

/** The device table entry that was read last. */
export function explainEntry({ entry }: Remapping, deviceId: number): TranslationStep {
  return stepOf('second', DEVICE_TABLE_ENTRY, deviceId, entry.address, entry.words);
}

/** The page-table entries that the walker met last, from the top table down, as they stand in memory. */
export function explainPages({ memory, walker }: Remapping): TranslationStep[] {
  const explained: TranslationStep[] = [];
  for (let step = 0; step < walker.steps; step++) {
    const address = walker.stepAddress[step]!;
    memory.read(address);
    const words = Uint32Array.of(memory.low, memory.high);
    const index = (address % 0x1000) / 8;
    explained.push({ ...stepOf('second', PAGE_TABLE_ENTRY, index, address, words), level: walker.stepLevel[step]! });
  }
  return explained;
}
