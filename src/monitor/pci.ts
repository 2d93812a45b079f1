import type { Machine } from '../machine/machine.ts';
import { describePci } from '../pci/query.ts';
import type { HandlersOf } from './handlers-of.ts';

/** What software sees on the PCI buses. */
export function pciHandlers(machine: Machine): HandlersOf<'query-pci'> {
  return { 'query-pci': () => (machine.rootBus === null ? [] : describePci(machine.rootBus)) };
}
