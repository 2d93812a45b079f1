import type { TransactionAttributes } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { type AccessSize, BusError, type MmioOperations } from '../../memory/mmio.ts';
import { noTracePoints, type TracePoints } from '../../trace/points/table.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { GlobalCommand } from './control.ts';
import type { PageGroupResponse } from './descriptors.ts';
import { INTERRUPT_RANGE_START } from '../interrupt-messages.ts';
import { EventRegisters } from './event-registers.ts';
import { FaultRecording } from './fault-recording.ts';
import { InterruptRemapping, type InterruptRemappingState } from './interrupt-remapping.ts';
import { InvalidationQueue, type InvalidationQueueState } from './invalidation-queue.ts';
import type { FaultSink, TranslationControl, TranslationFaultReport } from './invalidation.ts';
import { MessageWriter } from '../interrupt-messages.ts';
import { PageRequestQueue } from './page-request-queue.ts';
import type { IntelProperties } from './properties.ts';
import { RegisterFile, type RegisterFileState } from '../register-file.ts';
import { RegisterInvalidation } from './register-invalidation.ts';
import { Offset, REGISTERS_SIZE, registerDefinitions } from './registers.ts';

export interface RegisterLevelOptions {
  readonly properties: IntelProperties;
  /** Where tables and queues lie, and where messages go to. */
  readonly systemMemory: AddressSpace;
  readonly translation: TranslationControl;
  /** Told of each fault that software can read now; not of those that are hidden, collapsed or lost. */
  readonly onRecorded: (fault: TranslationFaultReport) => void;
  /** Told of software's answers to page requests. */
  readonly onPageResponse?: (response: PageGroupResponse) => void;
  /** Software has cleared an overflow of the page request queue. */
  readonly onPageRequestRoom?: () => void;
  readonly points?: TracePoints;
}

export interface RegisterLevelState {
  readonly registers: RegisterFileState;
  readonly queue: InvalidationQueueState;
  readonly interrupts: InterruptRemappingState;
}

/** A register as software reads it. */
export interface RegisterValue {
  readonly name: string;
  /** From the start of the register region, in bytes. */
  readonly offset: number;
  readonly width: 4 | 8;
  readonly value: bigint;
}

/**
 * What software sees of the unit: its registers, the queue that hangs on them, the faults and interrupts. It drives the
 * translation side and is told of faults by it.
 *
 * Registers are accessed with 4 or 8 bytes. 8 bytes that cover two registers of 4 are two accesses, lower first; QEMU
 * ends itself there for all but FEADDR.
 */
export class RegisterLevel implements FaultSink, Snapshottable<RegisterLevelState> {
  /** The region `intel_iommu`. */
  readonly mmio: MmioOperations;
  /** What devices write their interrupt messages to. */
  readonly interruptRange: MmioOperations;
  readonly pageRequests: PageRequestQueue;
  readonly #file: RegisterFile;
  readonly #translation: TranslationControl;
  readonly #faults: FaultRecording;
  readonly #completion: EventRegisters;
  readonly #invalidation: RegisterInvalidation;
  readonly #queue: InvalidationQueue;
  readonly #interrupts: InterruptRemapping;
  readonly #command: GlobalCommand;
  readonly #messages: MessageWriter;
  /** Offsets that begin a register of 4 bytes. */
  readonly #narrow: ReadonlySet<number>;
  readonly #actions: ReadonlyMap<number, () => void>;
  readonly #points: TracePoints;
  #engaged = false;

  constructor({ properties, systemMemory, translation, onRecorded, ...options }: RegisterLevelOptions) {
    const file = new RegisterFile(registerDefinitions(properties), REGISTERS_SIZE);
    const points = options.points ?? noTracePoints;
    const messages = new MessageWriter(systemMemory);
    const event = (control: number): EventRegisters => new EventRegisters({ file, control, messages, points });
    this.#points = points;
    this.#file = file;
    this.#messages = messages;
    this.#translation = translation;
    this.#narrow = new Set(file.definitions.filter(({ width }) => width === 4).map(({ offset }) => offset));
    const faultEvent = event(Offset.FECTL);
    const strict = properties.strictSpec;
    this.#faults = new FaultRecording({ file, event: faultEvent, strict, onRecorded, points });
    this.#completion = event(Offset.IECTL);
    this.#queue = new InvalidationQueue({
      file,
      memory: systemMemory,
      translation,
      faults: this.#faults,
      completion: this.#completion,
      properties,
      onPageResponse: options.onPageResponse ?? (() => {}),
      points,
    });
    this.#interrupts = new InterruptRemapping({ memory: systemMemory, faults: this.#faults, properties, points });
    this.#command = new GlobalCommand({
      file,
      translation,
      queue: this.#queue,
      interrupts: this.#interrupts,
      properties,
      points,
    });
    this.#invalidation = new RegisterInvalidation(file, translation, () => this.#command.queueEnabled);
    this.pageRequests = new PageRequestQueue({
      file,
      memory: systemMemory,
      event: event(Offset.PECTL),
      addressWidth: properties.awBits,
      onRoom: options.onPageRequestRoom ?? (() => {}),
    });
    this.#actions = this.#actionsByOffset();
    const sizes = { min: 4, max: 8 } as const;
    this.mmio = {
      valid: sizes,
      implementation: sizes,
      read: (offset, size) => this.#exclusively(() => this.#readBySoftware(offset, size)),
      write: (offset, size, value) => this.#exclusively(() => this.#writeBySoftware(offset, size, value)),
    };
    this.interruptRange = {
      valid: { min: 4, max: 4 },
      implementation: { min: 4, max: 4 },
      read: () => 0n,
      write: (offset, _size, value, attributes) => this.#interrupt(offset, Number(value), attributes),
    };
  }

  /** GSTS.QIES */
  get queueEnabled(): boolean {
    return this.#command.queueEnabled;
  }

  record(fault: TranslationFaultReport): void {
    this.#faults.record(fault);
  }

  /** All registers, in the order of their offsets. */
  registers(): RegisterValue[] {
    return this.#file.definitions.map(({ name, offset, width }) => ({
      name,
      offset,
      width,
      value: this.#read(offset, width),
    }));
  }

  /** Back to power-on, the translation side included. */
  reset(): void {
    this.#file.reset();
    this.#queue.reset();
    this.#interrupts.reset();
    this.#translation.reset();
  }

  save(): RegisterLevelState {
    return { registers: this.#file.save(), queue: this.#queue.save(), interrupts: this.#interrupts.save() };
  }

  /** The translation side is not told: its state is its own. */
  restore(state: RegisterLevelState): void {
    this.#file.restore(state.registers);
    this.#queue.restore(state.queue);
    this.#interrupts.restore(state.interrupts);
  }

  /**
   * A descriptor can name the registers themselves as the place of its status word. As in QEMU, whatever the unit does
   * because of an access cannot access it again.
   */
  #exclusively<Result>(access: () => Result): Result {
    if (this.#engaged) throw new BusError('The unit is engaged in an access to its registers');
    this.#engaged = true;
    try {
      return access();
    } finally {
      this.#engaged = false;
    }
  }

  #readBySoftware(offset: number, size: AccessSize): bigint {
    this.#points.vtd_reg_read?.(offset, size);
    return this.#read(offset, size);
  }

  #writeBySoftware(offset: number, size: AccessSize, value: bigint): void {
    this.#points.vtd_reg_write?.(offset, size, value);
    this.#write(offset, size, value);
  }

  #read(offset: number, size: AccessSize): bigint {
    if (offset === Offset.IQA || offset === Offset.IQA + 4) {
      const value = this.#queue.addressRegister;
      return size === 8 ? value : BigInt.asUintN(32, value >> BigInt(8 * (offset - Offset.IQA)));
    }
    return this.#file.readBySoftware(offset, size === 8 ? 8 : 4);
  }

  #write(offset: number, size: AccessSize, value: bigint): void {
    if (size === 8 && this.#narrow.has(offset)) {
      this.#write(offset, 4, BigInt.asUintN(32, value));
      this.#write(offset + 4, 4, value >> 32n);
      return;
    }
    this.#file.writeBySoftware(offset, size === 8 ? 8 : 4, value);
    for (let half = offset; half < offset + size; half += 4) this.#actions.get(half)?.();
  }

  /** What a write sets off, by the 4 bytes that do it: of a register of 8 bytes it is one half. */
  #actionsByOffset(): ReadonlyMap<number, () => void> {
    return new Map<number, () => void>([
      [Offset.GCMD, () => this.#command.written()],
      [Offset.CCMD + 4, () => this.#invalidation.contextWritten()],
      [Offset.IOTLB + 4, () => this.#invalidation.iotlbWritten()],
      [Offset.FSTS, () => this.#faultStatusWritten()],
      [Offset.FECTL, () => this.#faultControlWritten()],
      [Offset.FRCD_HIGH + 4, () => this.#faults.recordWritten()],
      [Offset.IQT, () => this.#queue.tailWritten(this.queueEnabled)],
      [Offset.ICS, () => this.#queue.completionStatusWritten()],
      [Offset.IECTL, () => this.#completionControlWritten()],
      [Offset.PRS, () => this.pageRequests.statusWritten()],
      [Offset.PECTL, () => this.pageRequests.controlWritten()],
    ]);
  }

  #faultControlWritten(): void {
    this.#points.vtd_reg_write_fectl?.(this.#file.get32(Offset.FECTL));
    this.#faults.controlWritten();
  }

  #completionControlWritten(): void {
    this.#points.vtd_reg_write_iectl?.(this.#file.get32(Offset.IECTL));
    this.#completion.controlWritten();
  }

  #faultStatusWritten(): void {
    this.#faults.statusWritten();
    this.#queue.errorCleared(this.queueEnabled);
  }

  /** @throws BusError for a message that is blocked */
  #interrupt(offset: number, data: number, attributes: TransactionAttributes): void {
    let message = { address: INTERRUPT_RANGE_START + BigInt(offset), data };
    const { address } = message;
    this.#points.vtd_ir_remap_msi_req?.(address, data);
    if (this.#command.interruptRemappingEnabled) {
      const remapped = this.#interrupts.remap(message, attributes, this.#command.compatibilityFormat);
      if (remapped === null) throw new BusError('The interrupt was blocked by interrupt remapping');
      message = remapped;
    }
    this.#points.vtd_ir_remap_msi?.(address, data, message.address, message.data);
    this.#messages.send(message, attributes);
  }
}
