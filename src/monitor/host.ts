import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** VFIO's containers and the host's IOMMU behind them. */
export function hostHandlers(machine: Machine): HandlersOf<'query-vfio' | 'query-host-iommu'> {
  return {
    'query-vfio': () => ({ containers: machine.describeVfio() }),
    'query-host-iommu': () => machine.host.describe(),
  };
}
