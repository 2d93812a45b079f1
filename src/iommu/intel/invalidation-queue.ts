import type { AddressSpace } from '../../memory/address-space.ts';
import type { TracePoints } from '../../trace/points/table.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import {
  type Descriptor,
  type DescriptorOptions,
  decodeDescriptor,
  descriptorType,
  DescriptorType,
  type PageGroupResponse,
  type WaitRequest,
} from './descriptors.ts';
import type { EventRegisters } from './event-registers.ts';
import type { FaultRecording } from './fault-recording.ts';
import type { TranslationControl } from './invalidation.ts';
import type { IntelProperties } from './properties.ts';
import type { RegisterFile } from '../register-file.ts';
import { Offset } from './registers.ts';

/** ICS.IWC */
const WAIT_COMPLETE = 1;
const HEAD_MASK = 0x7_fff0n;
/** Descriptors of a queue with QS=0; DW halves them. */
const SMALLEST_QUEUE = 256;
const DOUBLE_WIDTH = 0x800n;
const NO_DESCRIPTOR = 0;

/** How trace points call the types of descriptors. */
const TRACED_TYPES: ReadonlyMap<number, string> = new Map([
  [DescriptorType.context, 'context-cache'],
  [DescriptorType.iotlb, 'iotlb'],
  [DescriptorType.deviceIotlb, 'device'],
  [DescriptorType.interruptEntryCache, 'iec'],
  [DescriptorType.wait, 'wait'],
  [DescriptorType.pasidIotlb, 'p-iotlb'],
  [DescriptorType.pasidCache, 'pasid-cache'],
  [DescriptorType.pasidDeviceIotlb, 'device-piotlb'],
  [DescriptorType.pageGroupResponse, 'page group response'],
]);

export interface InvalidationQueueState {
  readonly base: bigint;
  readonly entries: number;
  readonly wide: boolean;
  readonly head: number;
  readonly tail: number;
  readonly lastType: number;
}

/**
 * The invalidation queue (VT-d, section 6.5.2). Descriptors are carried out as soon as the tail is written; one that
 * cannot be taken stops the queue with the head on it.
 *
 * `strict-spec` has the specification's reading of three places: the queue goes on by itself once IQE is cleared (QEMU:
 * with the next write of the tail); it can be disabled at any time (QEMU: only with head at tail and a wait descriptor as
 * the last one); and a tail that was written before the queue was enabled is read in the width that the queue then has
 * (QEMU: in the width of the time when it was written, so that of a queue of 32-byte descriptors it counts double).
 */
export class InvalidationQueue implements Snapshottable<InvalidationQueueState> {
  readonly #file: RegisterFile;
  readonly #memory: AddressSpace;
  readonly #translation: TranslationControl;
  readonly #faults: FaultRecording;
  readonly #completion: EventRegisters;
  readonly #properties: IntelProperties;
  readonly #onPageResponse: (response: PageGroupResponse) => void;
  readonly #points: TracePoints;
  /** What was latched when the queue was enabled. */
  #base = 0n;
  #entries = SMALLEST_QUEUE;
  #wide = false;
  /** Both count descriptors. */
  #head = 0;
  #tail = 0;
  #lastType = NO_DESCRIPTOR;

  constructor(options: {
    file: RegisterFile;
    memory: AddressSpace;
    translation: TranslationControl;
    faults: FaultRecording;
    completion: EventRegisters;
    properties: IntelProperties;
    onPageResponse: (response: PageGroupResponse) => void;
    points: TracePoints;
  }) {
    this.#file = options.file;
    this.#memory = options.memory;
    this.#translation = options.translation;
    this.#faults = options.faults;
    this.#completion = options.completion;
    this.#properties = options.properties;
    this.#onPageResponse = options.onPageResponse;
    this.#points = options.points;
  }

  /** Where the queue lies: what was latched, beside the fields of IQA that are not latched. */
  get addressRegister(): bigint {
    return this.#base | (this.#file.get64(Offset.IQA) & (DOUBLE_WIDTH | 7n));
  }

  /** QIE was set: latches address, size and width. A tail that was written before is worked off at once. */
  enable(): void {
    const address = this.#file.get64(Offset.IQA);
    const { awBits, scalableMode } = this.#properties;
    this.#base = BigInt.asUintN(awBits, address) & ~0xfffn;
    this.#wide = scalableMode && (address & DOUBLE_WIDTH) !== 0n;
    this.#entries = (SMALLEST_QUEUE << Number(address & 7n)) >> (this.#wide ? 1 : 0);
    this.#lastType = NO_DESCRIPTOR;
    if (this.#properties.strictSpec) this.#tail = Number(this.#file.get64(Offset.IQT)) >>> this.#shift;
    this.#points.vtd_inv_qi_setup?.(this.#base, this.#entries);
    if (this.#tail === 0) return;
    this.#points.vtd_warn_invalid_qi_tail?.(this.#tail);
    this.#run();
  }

  /** QIE was cleared. @returns false when the queue stays enabled */
  disable(): boolean {
    const idle = this.#head === this.#tail && this.#lastType === DescriptorType.wait;
    if (!idle && !this.#properties.strictSpec) return false;
    this.#setHead(0);
    return true;
  }

  /** Software wrote the lower half of IQT. */
  tailWritten(enabled: boolean): void {
    const tail = Number(this.#file.get64(Offset.IQT));
    // Bit 4 is reserved with descriptors of 32 bytes; the tail then stays where it was.
    if (this.#wide && (tail & 0x10) !== 0) {
      this.#faults.reportQueueError();
      return;
    }
    this.#tail = tail >>> this.#shift;
    this.#points.vtd_inv_qi_tail?.(this.#tail);
    if (enabled) this.#run();
  }

  /** Software wrote FSTS, and so may have cleared IQE. */
  errorCleared(enabled: boolean): void {
    if (this.#properties.strictSpec && enabled && this.#head !== this.#tail) this.#run();
  }

  /** Software wrote ICS: a pending completion event goes with IWC. */
  completionStatusWritten(): void {
    if ((this.#file.get32(Offset.ICS) & WAIT_COMPLETE) !== 0) return;
    if (this.#completion.pending) this.#points.vtd_reg_ics_clear_ip?.();
    this.#completion.clearPending();
  }

  reset(): void {
    this.restore({ base: 0n, entries: SMALLEST_QUEUE, wide: false, head: 0, tail: 0, lastType: NO_DESCRIPTOR });
  }

  save(): InvalidationQueueState {
    return {
      base: this.#base,
      entries: this.#entries,
      wide: this.#wide,
      head: this.#head,
      tail: this.#tail,
      lastType: this.#lastType,
    };
  }

  restore(state: InvalidationQueueState): void {
    this.#base = state.base;
    this.#entries = state.entries;
    this.#wide = state.wide;
    this.#head = state.head;
    this.#tail = state.tail;
    this.#lastType = state.lastType;
  }

  /** log2 of the size of a descriptor. */
  get #shift(): number {
    return this.#wide ? 5 : 4;
  }

  #run(): void {
    if (this.#faults.queueError) return;
    this.#points.vtd_inv_qi_fetch?.();
    while (this.#head !== this.#tail) {
      if (this.#tail >= this.#entries || !this.#carryOutHead()) {
        this.#faults.reportQueueError();
        return;
      }
      this.#setHead(this.#head + 1 === this.#entries ? 0 : this.#head + 1);
    }
  }

  /** @returns false when the descriptor at the head cannot be taken */
  #carryOutHead(): boolean {
    this.#points.vtd_inv_qi_head?.(this.#head);
    const words = this.#fetch(this.#base + (BigInt(this.#head) << BigInt(this.#shift)));
    if (words === null) {
      this.#lastType = NO_DESCRIPTOR;
      return false;
    }
    this.#lastType = descriptorType(words[0] ?? 0n);
    const kind = TRACED_TYPES.get(this.#lastType);
    if (kind !== undefined) this.#points.vtd_inv_desc?.(kind, words[1] ?? 0n, words[0] ?? 0n);
    const { ecs, strictSpec, svm } = this.#properties;
    const options: DescriptorOptions = { wide: this.#wide, svm, ecs, strict: strictSpec };
    const descriptor = decodeDescriptor(words, options);
    return descriptor !== null && this.#carryOut(descriptor, words);
  }

  #fetch(address: bigint): bigint[] | null {
    const bytes = new Uint8Array(1 << this.#shift);
    if (!this.#memory.read(address, bytes).ok) return null;
    const view = new DataView(bytes.buffer);
    return Array.from({ length: bytes.length / 8 }, (_, word) => view.getBigUint64(8 * word, true));
  }

  #carryOut(descriptor: Descriptor, words: readonly bigint[]): boolean {
    switch (descriptor.kind) {
      case 'invalidate':
        descriptor.apply(this.#translation);
        return true;
      case 'wait':
        if (this.#carryOutWait(descriptor.wait)) return true;
        this.#points.vtd_inv_desc_wait_write_fail?.(words[1] ?? 0n, words[0] ?? 0n);
        return false;
      case 'response':
        this.#onPageResponse(descriptor.response);
        return true;
      case 'interrupt-entry-cache': {
        const { selective, index, mask } = descriptor;
        this.#points.vtd_inv_desc_iec?.(selective, index, mask);
        this.#points.x86_iommu_iec_notify?.(!selective, index, mask);
        return true;
      }
    }
  }

  /** Everything before has been done: the status word and the interrupt say so at once. */
  #carryOutWait({ status, interrupt }: WaitRequest): boolean {
    if (status !== null) {
      this.#points.vtd_inv_desc_wait_sw?.(status.address, status.data);
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, status.data, true);
      if (!this.#memory.write(status.address, bytes).ok) return false;
    }
    if (interrupt) this.#complete();
    return true;
  }

  /** One interrupt stands for all that come before software has seen it. */
  #complete(): void {
    const points = this.#points;
    if ((this.#file.get32(Offset.ICS) & WAIT_COMPLETE) !== 0) {
      points.vtd_inv_desc_wait_irq?.('One pending, skip current');
      return;
    }
    this.#file.change32(Offset.ICS, WAIT_COMPLETE, 0);
    if (this.#completion.masked) {
      points.vtd_inv_desc_wait_irq?.('IM in IECTL_REG is set, new event not generated');
    } else {
      points.vtd_inv_desc_wait_irq?.('IM in IECTL_REG is clear, generate event');
    }
    this.#completion.raise();
  }

  #setHead(head: number): void {
    this.#head = head;
    this.#file.set64(Offset.IQH, (BigInt(head) << BigInt(this.#shift)) & HEAD_MASK);
  }
}
