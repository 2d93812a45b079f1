import { CommandError } from '../core/errors.ts';
import type { PciBus } from '../pci/bus.ts';
import type { DeviceContext } from './context.ts';

/**
 * The root bus that a vIOMMU given as a device takes over, with all buses below.
 * @param driver its type, for the sentence
 * @throws CommandError when the machine has no PCI, has a vIOMMU of its own that cannot be replaced, or has one already
 */
export function rootBusForUnit(context: DeviceContext, driver: string): PciBus {
  const { units } = context;
  const bus = context.rootBus();
  if (bus === null) throw new CommandError(`${driver} needs a machine with PCI; choose -M viommu or q35`);
  if (units.builtIn !== null) {
    const sentence = `${driver} is for machines without vIOMMU, and this one always has ${units.builtIn.kind}`;
    throw new CommandError(`${sentence}; choose -M viommu or q35`);
  }
  if (units.all.length > 0) throw new CommandError('QEMU does not support multiple vIOMMUs for x86 yet.');
  return bus;
}
