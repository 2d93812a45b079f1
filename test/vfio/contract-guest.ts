import type { Gpa } from '../../src/core/address.ts';
import type { HostOptions } from '../../src/host/host.ts';
import type { NotifierIommuObject } from '../../src/iommu/object.ts';
import type { IotlbFlush, PasidCacheFlush } from '../../src/memory/iommu-object.ts';
import type { VfioDevice } from '../../src/vfio/device.ts';
import { VfioRig } from './rig.ts';

export const CONTRACTS = ['pasid-table', 'iommufd'] as const;
type Contract = (typeof CONTRACTS)[number];

const PRESENT = 1n;
const RW = 7n;

/** Where the guest of these tests keeps its tables: directories with their leaf tables behind them, first stages, data. */
export const DIRECTORY = 0x10_0000n;
export const SPARE_DIRECTORY = 0x12_0000n;
/** Four tables of 4 KiB for each root. */
export const ROOTS = [0x20_0000n, 0x21_0000n, 0x22_0000n];
const DATA = 0x80_0000n;
export const IOVA = 0x4000_0000n;

/** A guest with one assigned device, by either contract: what it does to its tables, flushes, and what its device sees. */
export class ContractGuest {
  readonly rig: VfioRig;
  readonly device: VfioDevice;
  readonly object: NotifierIommuObject;

  constructor(contract: Contract, host?: HostOptions) {
    this.rig = new VfioRig({ unit: true, ...(host !== undefined && { host }) });
    this.device = this.rig.attach('nic0', 0, '0000:3b:00.0', contract === 'iommufd' ? 'iommufd0' : undefined);
    this.object = this.rig.unit!.space(0).object;
    // Each data page begins with its own number.
    for (let page = 0; page < 16; page++) this.poke(DATA + 0x1000n * BigInt(page), BigInt(page));
    for (const root of ROOTS) {
      for (const level of [3n, 2n, 1n]) {
        const above = root + 0x1000n * (3n - level);
        const index = (IOVA >> (12n + 9n * level)) & 511n;
        this.poke(above + 8n * index, (above + 0x1000n) | RW);
      }
    }
  }

  poke(address: bigint, value: bigint): void {
    this.rig.operations.run(() => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      this.rig.low.block!.write(Number(address), bytes);
    });
  }

  /** An entry of the table at `directory`: type 1 first stage, 4 pass-through, others that no host takes. */
  entry(pasid: number, root: bigint, { domainId = 1, type = 1n, directory = DIRECTORY } = {}): void {
    const leaf = leafTable(directory, pasid);
    this.poke(directory + 8n * BigInt(pasid >> 6), leaf | PRESENT);
    const at = leaf + 64n * BigInt(pasid & 63);
    this.poke(at + 8n, BigInt(domainId));
    this.poke(at + 16n, root);
    this.poke(at, PRESENT | (type << 6n));
  }

  clear(pasid: number): void {
    this.poke(leafTable(DIRECTORY, pasid) + 64n * BigInt(pasid & 63), 0n);
  }

  /** Points page number `index` from {@link IOVA} on, under a root, at a data page; null takes it away. */
  map(root: bigint, index: number, page: number | null): void {
    const value = page === null ? 0n : (DATA + 0x1000n * BigInt(page)) | RW;
    this.poke(root + 0x3000n + 8n * BigInt(index), value);
  }

  bind(address = DIRECTORY, size = 0x1000n): void {
    this.rig.operations.run(() =>
      this.object.bind({ address: address as Gpa, size, format: 'vtd-scalable' }, 'command'),
    );
  }

  unbind(): void {
    this.rig.operations.run(() => this.object.unbind('command'));
  }

  flushPasids(flush: PasidCacheFlush = { granularity: 'global' }) {
    return this.rig.operations.run(() => this.object.flushPasidCache(flush, 'command'));
  }

  flush(flush: Partial<IotlbFlush> & Pick<IotlbFlush, 'granularity'>) {
    return this.rig.operations.run(() => this.object.flushIotlb({ leafOnly: false, ...flush }, 'command'));
  }

  /** What the device reads there: the number of the data page, or `fault`. */
  sees(pasid: number | undefined, index = 0, base = IOVA): number | 'fault' {
    const bytes = new Uint8Array(1);
    const address = base + 0x1000n * BigInt(index);
    const request = { address, write: false, bytes, ...(pasid !== undefined && { pasid }) };
    const result = this.rig.operations.run(() => this.device.dmaPath.move(request));
    return result.kind === 'moved' ? bytes[0]! : 'fault';
  }

  /** The events since the last call that have one of these names. */
  take(...names: string[]): { name: string; data: unknown }[] {
    return this.rig.log.splice(0).filter(({ name }) => names.includes(name));
  }
}

/** The data page's address, as a device without PASID sees it. */
export const dataPage = (page: number): bigint => DATA + 0x1000n * BigInt(page);

function leafTable(directory: bigint, pasid: number): bigint {
  return directory + 0x1000n * BigInt(1 + (pasid >> 6));
}
