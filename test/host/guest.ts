import { OperationCounter } from '../../src/core/operation.ts';
import type { Gpa } from '../../src/core/address.ts';
import { type Bdf, parseBdf } from '../../src/core/bdf.ts';
import type { HostFunction } from '../../src/host/function.ts';
import { Host, type HostOptions } from '../../src/host/host.ts';
import type { HostPageTable } from '../../src/host/page-table.ts';
import type { DmaResult } from '../../src/memory/dma.ts';
import type { PasidTableFormat } from '../../src/memory/iommu-object.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import type { ModelEvent, ModelEvents } from '../../src/trace/model-events.ts';
import { Trace } from '../../src/trace/trace.ts';

export const MIB = 1n << 20n;
export const PRESENT = 1n;
const WRITABLE = 2n;
const USER = 4n;
const LARGE = 1n << 7n;
export const RW = PRESENT | WRITABLE | USER;
export const RO = PRESENT | USER;
/** What a walk has set in a leaf that was read. */
export const ACCESSED = 1n << 5n;

export const bdf = (text: string): Bdf => parseBdf(text)!;

type StaleEvent = Extract<ModelEvent, { name: 'HOST_STALE_TRANSLATION' }>['data'];

/** A guest with RAM from guest-physical 0, one assigned function `dev0`, and helpers to write its tables. */
export class Guest {
  readonly operations = new OperationCounter();
  readonly trace = new Trace(this.operations);
  readonly events: ModelEvents = this.trace.events;
  readonly host: Host;
  readonly ram: RamBlock;
  readonly stage: HostPageTable;
  readonly device: HostFunction;
  readonly stale: StaleEvent[] = [];

  constructor({ ram = 64n * MIB, options }: { ram?: bigint; options?: HostOptions } = {}) {
    this.host = new Host({ operations: this.operations, ...this.trace.parts, ...(options ? { options } : {}) });
    this.ram = new RamBlock('ram', ram, this.operations);
    this.stage = this.host.iommu.createPageTable();
    this.stage.map(0n, ram, this.host.memory.hpaOf(this.ram, 0), false);
    this.device = this.host.findFunction(bdf('3b:00.0'))!;
    this.device.claim(() => 'dev0');
    this.device.attach(this.stage);
    this.events.subscribe((event) => {
      if (event.name === 'HOST_STALE_TRANSLATION') this.stale.push(event.data);
    });
  }

  /** Writes a 64-bit word as one operation; returns the operation's number. */
  poke(address: bigint, value: bigint): number {
    return this.operations.run(() => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      this.ram.write(Number(address), bytes);
      return this.operations.current;
    });
  }

  peek(address: bigint): bigint {
    const bytes = new Uint8Array(8);
    this.ram.read(Number(address), bytes);
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  /** A scalable-mode entry: type 1 first stage, 4 pass-through. Directory at `table`, one leaf table per 64 PASIDs. */
  pasidEntry(
    table: bigint,
    leafTable: bigint,
    pasid: number,
    { root, domainId = 1, type = 1n, flags = PRESENT, mode = 0n }: PasidEntryFields,
  ): void {
    this.poke(table + 8n * BigInt(pasid >> 6), leafTable | PRESENT);
    const at = leafTable + 64n * BigInt(pasid & 63);
    this.poke(at, flags | (type << 6n));
    this.poke(at + 8n, BigInt(domainId));
    this.poke(at + 16n, root | (mode << 2n));
  }

  /** Maps one page in 4-level tables at `root`; tables below it are taken from `pool`, an address that it advances. */
  mapPage(root: bigint, iova: bigint, target: bigint, flags: bigint, pool: { next: bigint }, level = 1): bigint {
    let table = root;
    for (let at = 4; at > level; at--) {
      const slot = table + 8n * ((iova >> BigInt(3 + 9 * at)) & 511n);
      let entry = this.peek(slot);
      if ((entry & PRESENT) === 0n) {
        entry = pool.next | RW;
        pool.next += 0x1000n;
        this.poke(slot, entry);
      }
      table = entry & 0xf_ffff_ffff_f000n;
    }
    const slot = table + 8n * ((iova >> BigInt(3 + 9 * level)) & 511n);
    this.poke(slot, target | flags | (level > 1 ? LARGE : 0n));
    return slot;
  }

  bind(address: bigint, size = 4096n, format: PasidTableFormat = 'vtd-scalable', device = this.device): void {
    device.bindPasidTable({ address: address as Gpa, size, format });
  }

  read(address: bigint, size: number, pasid?: number, device = this.device): { result: DmaResult; data: Uint8Array } {
    const bytes = new Uint8Array(size);
    const result = this.operations.run(() =>
      device.dmaPath().move({ address, write: false, bytes, ...(pasid === undefined ? {} : { pasid }) }),
    );
    return { result, data: bytes };
  }

  /** The first byte at an address, or the fault's code. */
  byte(address: bigint, pasid?: number, device = this.device): number | { code: number | undefined } {
    const { result, data } = this.read(address, 1, pasid, device);
    return result.kind === 'fault' ? { code: result.code } : data[0]!;
  }

  write(address: bigint, bytes: Uint8Array, pasid?: number, device = this.device): DmaResult {
    return this.operations.run(() =>
      device.dmaPath().move({ address, write: true, bytes, ...(pasid === undefined ? {} : { pasid }) }),
    );
  }

  hpa(gpa: bigint): bigint {
    return this.host.memory.hpaOf(this.ram, gpa);
  }
}

interface PasidEntryFields {
  root: bigint;
  domainId?: number;
  type?: bigint;
  flags?: bigint;
  mode?: bigint;
}

export const DIRECTORY = 0x10_0000n;
export const LEAF_TABLE = 0x10_1000n;
export const ROOT = 0x20_0000n;
export const POOL = 0x21_0000n;
export const DATA = 0x100_0000n;

/** PASID 5 in domain 1 with iova 0x4000_0000 read-write on the page at DATA, whose first byte is 0xa1. */
export function simpleGuest(options?: HostOptions): Guest & { slot: bigint } {
  const guest = new Guest(options ? { options } : {});
  guest.pasidEntry(DIRECTORY, LEAF_TABLE, 5, { root: ROOT });
  const slot = guest.mapPage(ROOT, 0x4000_0000n, DATA, RW, { next: POOL });
  guest.poke(DATA, 0xa1n);
  guest.poke(DATA + 0x1000n, 0xb2n);
  guest.bind(DIRECTORY);
  return Object.assign(guest, { slot });
}
