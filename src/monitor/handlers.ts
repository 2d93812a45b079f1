import type { Machine } from '../machine/machine.ts';
import type { CommandContext, Handlers } from '../qmp/commands.ts';
import { batchHandlers } from './batch.ts';
import { breakHandlers } from './breaks.ts';
import { checkHandlers } from './checks.ts';
import { deviceHandlers } from './devices.ts';
import { dmaHandlers } from './dma.ts';
import { eventLogHandlers } from './event-log.ts';
import { faultHandlers } from './faults.ts';
import { guestHandlers } from './guest.ts';
import { hostHandlers } from './host.ts';
import type { Identity } from './identity.ts';
import { iommuHandlers } from './iommu.ts';
import { mappingHandlers } from './mappings.ts';
import { memoryHandlers } from './memory.ts';
import { migrationHandlers } from './migration.ts';
import { objectModelHandlers } from './object-model.ts';
import { objectListingHandlers } from './object-listings.ts';
import { pageRequestHandlers } from './page-requests.ts';
import { pciHandlers } from './pci.ts';
import { powerHandlers } from './power.ts';
import { probeHandlers } from './probes.ts';
import { protocolHandlers } from './protocol.ts';
import { reverseTranslationHandlers } from './reverse-translation.ts';
import { runStateHandlers } from './run-state.ts';
import { spaprHandlers } from './spapr.ts';
import { traceHandlers } from './traces.ts';
import { translationHandlers } from './translation.ts';
import { vhostHandlers } from './vhost.ts';
import { virtioIommuHandlers } from './virtio-iommu.ts';
import { zpciHandlers } from './zpci.ts';

type AnyHandler = (args: never, context: CommandContext) => unknown;

/**
 * A handler for every command of the schema, on this machine. Each call is one operation with a number of its own,
 * the number that the events which it causes carry.
 */
export function createHandlers(machine: Machine, identity: Identity): Handlers {
  const handlers: Handlers = {
    ...protocolHandlers(machine, identity),
    ...runStateHandlers(machine),
    ...powerHandlers(machine),
    ...deviceHandlers(machine),
    ...pciHandlers(machine),
    ...objectModelHandlers(machine),
    ...objectListingHandlers(machine),
    ...probeHandlers(),
    ...memoryHandlers(machine),
    ...dmaHandlers(machine),
    ...pageRequestHandlers(machine),
    ...iommuHandlers(machine),
    ...translationHandlers(machine),
    ...mappingHandlers(machine),
    ...reverseTranslationHandlers(machine),
    ...guestHandlers(machine),
    ...virtioIommuHandlers(machine),
    ...vhostHandlers(machine),
    ...spaprHandlers(machine),
    ...zpciHandlers(machine),
    ...hostHandlers(machine),
    ...traceHandlers(machine),
    ...eventLogHandlers(machine),
    ...checkHandlers(machine),
    ...breakHandlers(machine),
    ...faultHandlers(machine),
    ...batchHandlers(machine),
    ...migrationHandlers(machine),
  };
  const asOperations = Object.entries(handlers as Record<string, AnyHandler>).map(
    ([name, handler]): [string, AnyHandler] => [
      name,
      (args, context) => machine.operations.run(() => handler(args, context)),
    ],
  );
  return Object.fromEntries(asOperations) as unknown as Handlers;
}
