import type { TransactionAttributes } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { type AccessSize, BusError, type MmioOperations } from '../../memory/mmio.ts';
import { AddressSpaceTableMemory } from '../../memory/table-memory.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { INTERRUPT_RANGE_START, MessageWriter } from '../interrupt-messages.ts';
import { RegisterFile, type RegisterFileState } from '../register-file.ts';
import { CommandBuffer, type CommandBufferState } from './command-buffer.ts';
import type { Command, CommandTarget } from './commands.ts';
import { DeviceTableReader } from './device-table.ts';
import { EventLog, type EventLogState } from './event-log.ts';
import { EventCode } from './faults.ts';
import { InterruptRemapping, senderOf } from './interrupt-remapping.ts';
import type { AmdProperties } from './properties.ts';
import { BASE_ADDRESS, Control, Offset, registerDefinitions, REGISTERS_SIZE, Status } from './registers.ts';

/** What an event says. */
export interface AmdEvent {
  readonly code: number;
  /** 12 bits of its first word, beside the code. */
  readonly flags?: number;
  /** As the log has it; 0 for commands. */
  readonly deviceId: number;
  /** Whose request it was; absent for commands. */
  readonly requester?: number;
  /** The address of the request. */
  readonly address?: bigint;
  readonly write?: boolean;
}

/** What control and device table registers set. */
export interface AmdControl {
  readonly enabled: boolean;
  /** Guest-physical address of the device table. */
  readonly deviceTable: number;
}

export interface RegisterLevelState {
  registers: RegisterFileState;
  deviceTable: number;
  commands: CommandBufferState;
  events: EventLogState;
}

export interface RegisterLevelOptions {
  readonly properties: AmdProperties;
  readonly systemMemory: AddressSpace;
  readonly target: CommandTarget;
  /** An interrupt of the unit's own function. */
  readonly interrupt: () => void;
  /** Every event, also those that the log has no room for. */
  readonly onEvent: (event: AmdEvent) => void;
}

/** Events after which the unit's function tells that it has signalled a target abort. */
const ABORTS: readonly number[] = [
  EventCode.pageFault,
  EventCode.deviceTableHardwareError,
  EventCode.pageTableHardwareError,
  EventCode.commandHardwareError,
];

/** Is told by no register. */
const UNKNOWN = 0xffn;

/** What software sees of the unit: registers, command buffer, event log, and the range that interrupts are written to. */
export class RegisterLevel implements AmdControl, Snapshottable<RegisterLevelState> {
  readonly mmio: MmioOperations;
  readonly interruptRange: MmioOperations;
  readonly #file: RegisterFile;
  readonly #commands: CommandBuffer;
  readonly #events: EventLog;
  readonly #interrupts: InterruptRemapping;
  readonly #messages: MessageWriter;
  readonly #systemMemory: AddressSpace;
  readonly #senders: DeviceTableReader;
  readonly #senderTables: AddressSpaceTableMemory;
  readonly #target: CommandTarget;
  readonly #interrupt: () => void;
  readonly #onEvent: (event: AmdEvent) => void;
  readonly #onAbort: () => void;
  #deviceTable = 0;
  #engaged = false;

  /** @param options.onAbort the unit's function is to show a signalled target abort */
  constructor(options: RegisterLevelOptions & { onAbort: () => void }) {
    const { properties, systemMemory, target, interrupt, onEvent, onAbort } = options;
    this.#target = target;
    this.#interrupt = interrupt;
    this.#onEvent = onEvent;
    this.#onAbort = onAbort;
    this.#systemMemory = systemMemory;
    const file = new RegisterFile(registerDefinitions(properties), REGISTERS_SIZE);
    this.#file = file;
    this.#events = new EventLog({ file, memory: systemMemory, interrupt });
    this.#commands = new CommandBuffer({
      file,
      memory: systemMemory,
      carryOut: (command) => this.#carryOut(command),
      report: (code, flags) => this.report({ code, flags, deviceId: 0 }),
    });
    this.#interrupts = new InterruptRemapping(systemMemory, properties);
    this.#messages = new MessageWriter(systemMemory);
    this.#senders = new DeviceTableReader(properties.dmaTranslation);
    this.#senderTables = new AddressSpaceTableMemory(systemMemory);
    this.mmio = {
      valid: { min: 1, max: 8 },
      implementation: { min: 1, max: 8 },
      read: (offset, size) => this.#exclusively(() => this.#read(offset, size)),
      write: (offset, size, value) => this.#exclusively(() => this.#write(offset, size, value)),
    };
    this.interruptRange = {
      valid: { min: 4, max: 4 },
      implementation: { min: 4, max: 4 },
      read: () => 0n,
      write: (offset, _size, value, attributes) => this.#message(offset, Number(value), attributes),
    };
  }

  get enabled(): boolean {
    return (this.#control & Control.enable) !== 0n;
  }

  get deviceTable(): number {
    return this.#deviceTable;
  }

  /** Logs an event, as far as the log takes it. */
  report(event: AmdEvent): void {
    const { code, flags = 0, deviceId } = event;
    this.#events.write({ code, flags, deviceId });
    if (ABORTS.includes(code)) this.#onAbort();
    this.#onEvent(event);
  }

  /** All registers, in the order of their offsets. */
  registers(): { name: string; value: bigint }[] {
    return this.#file.definitions.map(({ name, offset }) => ({ name, value: this.#file.get64(offset) }));
  }

  reset(): void {
    this.#file.reset();
    this.#commands.reset();
    this.#events.reset();
    this.#deviceTable = 0;
    this.#interrupts.wideEntries = false;
  }

  save(): RegisterLevelState {
    return {
      registers: this.#file.save(),
      deviceTable: this.#deviceTable,
      commands: this.#commands.save(),
      events: this.#events.save(),
    };
  }

  restore(state: RegisterLevelState): void {
    this.#file.restore(state.registers);
    this.#deviceTable = state.deviceTable;
    this.#commands.restore(state.commands);
    this.#events.restore(state.events);
    this.#applyControl();
  }

  get #control(): bigint {
    return this.#file.get64(Offset.control);
  }

  /** Whatever the unit does because of an access to its registers cannot access them again. */
  #exclusively<Result>(access: () => Result): Result {
    if (this.#engaged) throw new BusError('The unit is engaged in an access to its registers');
    this.#engaged = true;
    try {
      return access();
    } finally {
      this.#engaged = false;
    }
  }

  /** A single byte is no size that QEMU's unit has an answer to. */
  #read(offset: number, size: AccessSize): bigint {
    return size === 1 ? UNKNOWN : this.#file.readBySoftware(offset, size);
  }

  /** A base takes effect once its upper half is written; a single byte is not stored, and acts all the same. */
  #write(offset: number, size: AccessSize, value: bigint): void {
    if (size !== 1) this.#file.writeBySoftware(offset, size, value);
    const complete = size === 8 || offset % 8 !== 0;
    switch (offset - (offset % 8)) {
      case Offset.control:
        this.#controlWritten();
        return;
      case Offset.deviceTable:
        if (complete) this.#deviceTable = Number(this.#file.get64(Offset.deviceTable) & BASE_ADDRESS);
        return;
      case Offset.commandBase:
        if (complete) this.#commands.baseWritten();
        return;
      case Offset.commandHead:
        this.#commands.headWritten();
        return;
      case Offset.commandTail:
        this.#commands.tailWritten();
        return;
      case Offset.eventBase:
        this.#events.baseWritten();
        return;
      case Offset.eventHead:
        this.#events.headWritten();
        return;
      case Offset.eventTail:
        this.#events.tailWritten();
    }
  }

  #controlWritten(): void {
    this.#applyControl();
    let status = this.#file.get64(Offset.status) & ~(Status.commandBufferRuns | Status.eventLogRuns);
    if (this.#commands.enabled) status |= Status.commandBufferRuns;
    if (this.#events.enabled) status |= Status.eventLogRuns;
    this.#file.set64(Offset.status, status);
    this.#commands.run();
  }

  #applyControl(): void {
    const control = this.#control;
    const is = (bit: bigint): boolean => (control & bit) !== 0n;
    this.#events.enabled = is(Control.enable) && is(Control.eventLog);
    this.#events.interrupts = is(Control.eventInterrupt);
    this.#commands.enabled = is(Control.enable) && is(Control.commandBuffer);
    this.#interrupts.wideEntries = is(Control.guestVirtualApic);
  }

  #carryOut(command: Command): void {
    switch (command.kind) {
      case 'completion-wait':
        if (command.store !== null) this.#store(command.store);
        if (!command.interrupt) return;
        this.#file.set64(Offset.status, this.#file.get64(Offset.status) | Status.completionInterrupt);
        this.#interrupt();
        return;
      case 'device-table-entry':
        this.#target.invalidateDeviceTableEntry(command.deviceId);
        return;
      case 'pages':
        this.#target.invalidatePages(command);
        return;
      case 'iotlb-pages':
        this.#target.invalidateIotlb(command);
        return;
      case 'all':
        this.#target.invalidateAll();
        return;
      case 'nothing':
    }
  }

  /** What cannot be stored is lost. */
  #store({ address, data }: { address: bigint; data: bigint }): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, data, true);
    this.#systemMemory.write(address, bytes);
  }

  /** Messages of senders whose entry says nothing of interrupts pass, also while the unit is off. @throws BusError */
  #message(offset: number, data: number, attributes: TransactionAttributes): void {
    const message = { address: INTERRUPT_RANGE_START + BigInt(offset), data };
    const remapped = this.#file.get64(Offset.deviceTable) === 0n ? message : this.#remap(message, attributes);
    if (remapped === null) throw new BusError('The interrupt was blocked by interrupt remapping');
    this.#messages.send(remapped, attributes);
  }

  #remap(message: { address: bigint; data: number }, attributes: TransactionAttributes): typeof message | null {
    const deviceId = senderOf(attributes.requester);
    const senders = this.#senders;
    if (senders.read(this.#senderTables, this.#deviceTable, deviceId)) return this.#interrupts.remap(message, senders);
    const { address } = message;
    this.report({ code: senders.code, deviceId, requester: deviceId, address, write: true });
    return null;
  }
}
