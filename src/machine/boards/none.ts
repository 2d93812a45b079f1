import type { Board, BoardParts } from './board.ts';
import { installPlainRam } from './ram.ts';

/** No bus and no devices; RAM from address 0 on, if any is asked for. @throws CommandError for a bad size */
export function buildNone(parts: BoardParts): Board {
  if (parts.memorySize > 0n) installPlainRam(parts);
  return {
    rootBus: null,
    interrupts: null,
    devicesBeyondPci: () => [],
    populate: () => {},
    boot: () => {},
    reset: () => {},
  };
}
