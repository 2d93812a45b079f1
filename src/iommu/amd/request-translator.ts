import { type Access, Permission } from '../../memory/access.ts';
import type { IommuEntry } from '../../memory/iommu-region.ts';
import { isInterrupt } from '../interrupt-messages.ts';
import { type IotlbEntry, NO_PASID } from '../iotlb.ts';
import { amdTranslationFault, EventCode } from './faults.ts';
import type { AmdEvent } from './register-level.ts';
import type { Remapping, TranslatedSpace } from './remapping.ts';
import { MODE_NONE } from './tables.ts';

const PAGE_MASK = 0xfffn;
const PAGE_SHIFT = 12n;
/** Whether an entry is stale is found out by walking again, not from what it came from. */
const NOTHING: IotlbEntry['derivedFrom'] = [];

/** Flags of a page fault: the interrupt bit as QEMU sets it for all, and what was asked for. */
const PAGE_FAULT_FLAGS = { read: 0x9, write: 0xa } as const;

/**
 * Translates the requests of emulated devices: IOTLB, device table, page tables. Fills the IOTLB and reports events, in
 * the order of QEMU 11.1.3.
 */
export class RequestTranslator {
  readonly #remapping: Remapping;
  readonly #report: (event: AmdEvent) => void;

  constructor(remapping: Remapping, report: (event: AmdEvent) => void) {
    this.#remapping = remapping;
    this.#report = report;
  }

  /** Missing rights are told by the entry. Access `none` leaves no trace. */
  translate(target: TranslatedSpace, address: bigint, access: Access): IommuEntry {
    const { enabled, iotlb } = this.#remapping;
    if (!enabled) return this.#identity(address, Permission.readWrite);
    if (isInterrupt(address)) return this.#identity(address, Permission.write);
    const { deviceId } = target.space;
    const page = Number(address >> PAGE_SHIFT);
    const looks = access === 'none';
    const hit = looks ? iotlb.peek(deviceId, 0, NO_PASID, page) : iotlb.lookup(deviceId, 0, NO_PASID, page);
    if (hit !== null) return this.#entryOf(hit);
    return this.#miss(deviceId, address, access);
  }

  #miss(deviceId: number, address: bigint, access: Access): IommuEntry {
    const remapping = this.#remapping;
    const { entry } = remapping;
    if (!remapping.read(deviceId)) return this.#refuse(entry.code, deviceId, address, access);
    if (!entry.valid) return this.#identity(address, Permission.readWrite);
    if (!entry.translationValid) return this.#refused(address, access, 0);
    const { domainId, mode } = entry;
    const page = Number(address >> PAGE_SHIFT);
    const tables = remapping.tables;
    if (tables === null) {
      if (mode !== MODE_NONE) return this.#refused(address, access, 0);
      return this.#keep({ deviceId, domainId, page, frame: page, shift: 12, level: 1, rights: entry.rights }, access);
    }
    const { memory, walker } = remapping;
    if (!walker.walk(memory, tables, page, access)) return this.#pageFault(deviceId, address, access);
    const { frame, level, permissions: rights, shift } = walker;
    return this.#keep({ deviceId, domainId, page, frame, shift, level, rights }, access);
  }

  /** The IOTLB has an entry for each 4 KiB that was asked for, which knows how large its page is. */
  #keep(
    found: {
      deviceId: number;
      domainId: number;
      page: number;
      frame: number;
      shift: number;
      level: number;
      rights: number;
    },
    access: Access,
  ): IommuEntry {
    const { deviceId, domainId, page, frame, level, rights, shift } = found;
    const entry: IotlbEntry = {
      table: deviceId,
      domainId,
      pasid: NO_PASID,
      page,
      frame,
      shift: 12,
      pageShift: shift,
      permissions: rights,
      stage: 'second',
      level,
      dirty: true,
      derivedFrom: NOTHING,
      operation: this.#remapping.systemMemory.topology.operations.current,
    };
    if (access !== 'none' && rights !== Permission.none) this.#remapping.iotlb.insert(entry);
    return this.#entryOf(entry);
  }

  #pageFault(deviceId: number, address: bigint, access: Access): IommuEntry {
    if (access !== 'none') {
      const write = access === 'write';
      const request = { requester: deviceId, address, write };
      // The log has the function alone, without the bus.
      const devfn = deviceId & 0xff;
      if (this.#remapping.walker.unreadable >= 0) {
        this.#report({ code: EventCode.pageTableHardwareError, deviceId: devfn, ...request });
      }
      const flags = write ? PAGE_FAULT_FLAGS.write : PAGE_FAULT_FLAGS.read;
      this.#report({ code: EventCode.pageFault, flags, deviceId: devfn, ...request });
    }
    return this.#refused(address, access, EventCode.pageFault);
  }

  #refuse(code: number, deviceId: number, address: bigint, access: Access): IommuEntry {
    if (access !== 'none') this.#report({ code, deviceId, requester: deviceId, address, write: access === 'write' });
    return this.#refused(address, access, code);
  }

  #entryOf({ page, frame, pageShift = 12, permissions }: IotlbEntry): IommuEntry {
    const inPage = page % 2 ** (pageShift - 12);
    return {
      target: this.#remapping.systemMemory,
      iova: BigInt(page - inPage) << PAGE_SHIFT,
      translated: BigInt(frame - inPage) << PAGE_SHIFT,
      mask: (1n << BigInt(pageShift)) - 1n,
      permissions,
    };
  }

  #identity(address: bigint, permissions: number): IommuEntry {
    const iova = address & ~PAGE_MASK;
    return { target: this.#remapping.systemMemory, iova, translated: iova, mask: PAGE_MASK, permissions };
  }

  #refused(address: bigint, access: Access, code: number): IommuEntry {
    const iova = address & ~PAGE_MASK;
    const { systemMemory: target } = this.#remapping;
    const fault = amdTranslationFault(code, access, address);
    return { target, iova, translated: 0n, mask: PAGE_MASK, permissions: Permission.none, fault };
  }
}
