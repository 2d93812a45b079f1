import type { Mapping } from '../../../src/iommu/unit.ts';
import { Permission } from '../../../src/memory/access.ts';
import { type IommuRegion, type RegionEvent, RegionNotifier } from '../../../src/memory/iommu-region.ts';
import { VfioPciDevice } from '../../../src/devices/vfio-pci.ts';
import type { UnitRig } from './rig.ts';

/** Addresses in a row that lead to guest-physical addresses in a row, with the same right to write. */
export interface Run {
  readonly iova: bigint;
  readonly size: bigint;
  readonly address: bigint;
  readonly writable: boolean;
}

/** The same by ascending address, neighbours as one. */
export function merged(runs: Iterable<Run>): Run[] {
  const all: Run[] = [];
  for (const run of [...runs].toSorted((a, b) => (a.iova < b.iova ? -1 : 1))) {
    const last = all.at(-1);
    const continues =
      last !== undefined &&
      last.iova + last.size === run.iova &&
      last.address + last.size === run.address &&
      last.writable === run.writable;
    if (continues) all[all.length - 1] = { ...last, size: last.size + run.size };
    else all.push(run);
  }
  return all;
}

export function runOf({ iova, size, address, permissions }: Mapping): Run {
  return { iova, size, address, writable: permissions.includes('write') };
}

/** What the host has mapped for an assigned device, as guest-physical addresses: RAM is one block, from 0 on. */
export function containerOf(rig: UnitRig, name: string): Run[] {
  const device = rig.machine.findDevice(name);
  const table = device instanceof VfioPciDevice ? device.vfio.function.table : null;
  if (table === null) throw new Error(`${name} has no container`);
  const ranges = [...table.rangesIn(0n, (1n << 64n) - 1n)];
  return merged(
    ranges.flatMap(({ iova, size, hpa, readonly }) => {
      const found = rig.machine.host.memory.locate(hpa);
      return found === null ? [] : [{ iova, size, address: BigInt(found.offset), writable: !readonly }];
    }),
  );
}

/** A notifier of maps and unmaps, as those who shadow a region have it; it takes no map over another one. */
export class Recorder {
  /** Where it is registered. */
  #region: IommuRegion | null = null;
  #notifier: RegionNotifier | null = null;
  readonly #pages = new Map<bigint, { address: bigint; size: bigint; writable: boolean }>();
  readonly complaints: string[] = [];

  /** Registers at the region that is shown now, as whoever comes, and is told what there is; null: at none. */
  follow(region: IommuRegion | null): void {
    if (region === this.#region) return;
    if (this.#notifier !== null) this.#region?.unregisterNotifier(this.#notifier);
    this.#region = region;
    this.#notifier = region && this.#notifierOf(region);
    if (this.#notifier !== null) region?.registerNotifier(this.#notifier);
    this.replay();
  }

  /** Forgets everything, and is told it anew. */
  replay(): void {
    this.#pages.clear();
    if (this.#notifier !== null) this.#region?.replay(this.#notifier);
  }

  runs(): Run[] {
    return merged([...this.#pages].map(([iova, page]) => ({ iova, ...page })));
  }

  #notifierOf({ size }: IommuRegion): RegionNotifier {
    return new RegionNotifier({
      name: 'recorder',
      device: 'agent0',
      kind: 'device',
      events: ['map', 'unmap'],
      start: 0n,
      last: size - 1n,
      notify: (event) => this.#hear(event),
    });
  }

  #hear({ type, entry, replaces }: RegionEvent): void {
    const { iova, mask, permissions, translated } = entry;
    const touched = [...this.#overlapping(iova, iova + mask)];
    if (type === 'map') {
      if (touched.length > 0 && replaces !== true) this.complaints.push(`map over ${touched.map(String).join()}`);
    } else {
      for (const start of touched) {
        const { size } = this.#pages.get(start)!;
        if (start < iova || start + size - 1n > iova + mask) this.complaints.push(`unmap cuts ${start}`);
      }
    }
    for (const start of touched) this.#pages.delete(start);
    if (type !== 'map') return;
    const writable = (permissions & Permission.write) !== 0;
    this.#pages.set(iova, { address: translated, size: mask + 1n, writable });
  }

  *#overlapping(first: bigint, last: bigint): Generator<bigint> {
    for (const [start, { size }] of [...this.#pages]) if (start <= last && start + size - 1n >= first) yield start;
  }
}
