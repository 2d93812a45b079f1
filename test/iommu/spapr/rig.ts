import { DEFAULT_WINDOWS, type HostBridgeWindows } from '../../../src/iommu/spapr/host-bridge.ts';
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import type { TcePlace } from '../../../src/iommu/spapr/space.ts';
import { SpaprTceUnit } from '../../../src/iommu/spapr/unit.ts';
import type { IommuRegion, RegionEvent, RegionEventType } from '../../../src/memory/iommu-region.ts';
import { RegionNotifier } from '../../../src/memory/iommu-region.ts';
import { RamBlock } from '../../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../../src/memory/region.ts';
import { MemoryTopology } from '../../../src/memory/topology.ts';
import { recordedEvents } from '../support.ts';

const RAM_SIZE = 0x100_0000n;
const ALL = 1n << 64n;
export const PCI_LIOBN = 0x8000_0000n;
export const DYNAMIC = 0x800_0000_0000_0000n;
export const BUID = 0x800_0000_2000_0000n;
export const VIO_REG = 0x7100_0000;
const ARGUMENTS = 0xf_f000n;
export const LIST = 0xf_e000n;

function place(label: string, location: string, sourceId: number | null): TcePlace {
  return {
    requesters: [{ label, location }],
    name: location,
    requesterOf: (id) => (id === sourceId ? label : null),
  };
}

/** Memory of 16 MiB, a host bridge with one function (08), and a VIO device with a window of 16 MiB. */
export function rig(windows: Partial<HostBridgeWindows> = {}) {
  const { seen, operations, ...trace } = recordedEvents();
  const topology = new MemoryTopology(operations);
  const block = new RamBlock('ram', RAM_SIZE, operations);
  const system = MemoryRegion.container(topology, 'system', ALL);
  system.addSubregion(0n, MemoryRegion.ram(topology, 'ram', block));
  const memory = topology.createAddressSpace('memory', system);
  const unit = new SpaprTceUnit({ qomPath: '/machine/spapr-tce', systemMemory: memory, ...trace });
  unit.addHostBridge({
    index: 0,
    place: place('nic0', 'pci@800000020000000', 8),
    windows: { ...DEFAULT_WINDOWS, ...windows },
  });
  const vio = unit.addVio({ reg: VIO_REG, place: place('vio0', 'vio@71000000', null), size: 0x100_0000n });
  const [pci] = unit.deviceSpaces();
  const call = (number: number, ...args: bigint[]) => operations.run(() => unit.hypercalls.call(number, args));
  const put64 = (address: bigint, ...words: bigint[]) => {
    const bytes = new Uint8Array(8 * words.length);
    for (const [index, word] of words.entries()) new DataView(bytes.buffer).setBigUint64(8 * index, word);
    memory.write(address, bytes);
  };
  /** An RTAS call; gives the hypercall's status and the return values, signed. */
  const rtas = (token: number, args: readonly number[], returns: number) => {
    const bytes = new Uint8Array(4 * (3 + args.length + returns));
    const view = new DataView(bytes.buffer);
    for (const [index, word] of [token, args.length, returns, ...args].entries()) view.setUint32(4 * index, word);
    memory.write(ARGUMENTS, bytes);
    const { status } = call(Hypercall.rtas, ARGUMENTS);
    memory.read(ARGUMENTS, bytes);
    return {
      status,
      values: Array.from({ length: returns }, (_, index) => view.getInt32(4 * (3 + args.length + index))),
    };
  };
  return { unit, pci: pci!, vio, memory, topology, seen, operations, call, put64, rtas };
}

/** A notifier that writes down what it is told: `+` a map (`=` one that replaces), `-` an unmap. */
export function recording(region: IommuRegion, events: RegionEventType[] = ['map', 'unmap']) {
  const told: string[] = [];
  const invalidated: string[] = [];
  const notifier = new RegionNotifier({
    name: 'n',
    device: 'nic0',
    kind: 'vfio',
    events,
    start: 0n,
    last: region.size - 1n,
    notify: (event) => void told.push(textOf(event)),
    invalidated: (first, last) => void invalidated.push(`${first.toString(16)}-${last.toString(16)}`),
  });
  region.registerNotifier(notifier);
  return { notifier, told, invalidated };
}

function textOf({ type, entry, replaces }: RegionEvent): string {
  const sign = type === 'map' ? (replaces === true ? '=' : '+') : '-';
  const target = type === 'map' ? `>${entry.translated.toString(16)}/${entry.permissions}` : '';
  return `${sign}${entry.iova.toString(16)}:${(entry.mask + 1n).toString(16)}${target}`;
}
