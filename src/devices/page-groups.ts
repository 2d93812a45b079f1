import type { PageRequestInterface } from '../memory/page-request-interface.ts';
import type { PciDevice } from '../pci/device.ts';
import { DmaAgent } from './dma-agent.ts';
import { VfioPciDevice } from './vfio-pci.ts';

/** The page requests of a device; null where it cannot make any. */
export function pageGroupsOf(device: PciDevice): PageRequestInterface | null {
  if (device instanceof DmaAgent) return device.requestsPages ? device.pageGroups : null;
  if (!(device instanceof VfioPciDevice)) return null;
  const { capabilities, pages } = device.vfio.function;
  return capabilities.pageRequests ? pages.groups : null;
}
