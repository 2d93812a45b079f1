import type { Bdf } from '../core/bdf.ts';
import { PciBridge } from './bridge.ts';
import type { PciBus } from './bus.ts';
import type { PciDevice } from './device.ts';

function bridges(bus: PciBus): PciBridge[] {
  return bus
    .functions()
    .filter((device) => device instanceof PciBridge)
    .filter((bridge) => bridge.realized);
}

/** The bus and all below it, depth first, bridges in the order of their devfn. */
export function buses(root: PciBus): readonly PciBus[] {
  return [root, ...bridges(root).flatMap((bridge) => buses(bridge.secondaryBus))];
}

/** All functions, bus by bus in the order of `buses`, by devfn. */
export function devices(root: PciBus): readonly PciDevice[] {
  return buses(root).flatMap((bus) => bus.functions());
}

/**
 * Gives the buses their numbers as firmware does: depth first, bridges in the order of their devfn, each getting the
 * next free number. Returns the highest number given.
 */
export function numberBuses(bus: PciBus, last: number = bus.number): number {
  let highest = last;
  for (const bridge of bridges(bus)) {
    const secondary = highest + 1;
    // While the buses below are being found, everything above the secondary bus is routed to the bridge.
    bridge.setBusNumbers({ primary: bus.number, secondary, subordinate: 0xff });
    highest = numberBuses(bridge.secondaryBus, secondary);
    bridge.setBusNumbers({ primary: bus.number, secondary, subordinate: highest });
  }
  return highest;
}

/** The bus that software reaches under `number`; the root wins over buses that were given none. */
export function findBusByNumber(root: PciBus, number: number): PciBus | null {
  return buses(root).find((bus) => bus.number === number) ?? null;
}

/**
 * The bus that a configuration access to `number` comes to: down through the bridges whose range of bus numbers holds
 * it. Other than `findBusByNumber` this is what hardware does; a bus behind a bridge that does not lead to it is out
 * of reach.
 */
export function busBehind(bus: PciBus, number: number): PciBus | null {
  if (bus.number === number) return bus;
  const below = bridges(bus).map((bridge) => ({ bridge, secondary: bridge.secondaryBus }));
  const direct = below.find(({ secondary }) => secondary.number === number);
  if (direct !== undefined) return direct.secondary;
  const way = below.find(({ bridge }) => bridge.leadsTo(number));
  return way === undefined ? null : busBehind(way.secondary, number);
}

/** The function at an address of segment 0. */
export function findByBdf(root: PciBus, bdf: Bdf): PciDevice | null {
  if (bdf.segment !== 0) return null;
  return findBusByNumber(root, bdf.bus)?.deviceAt((bdf.device << 3) | bdf.function) ?? null;
}

/** The bus of the first root port, by devfn, that devices may be plugged into and on which none sits. */
export function firstFreePort(root: PciBus): PciBus | null {
  return (
    bridges(root)
      .map((bridge) => bridge.secondaryBus)
      .find((bus) => bus.hotpluggable && bus.functions().length === 0) ?? null
  );
}
