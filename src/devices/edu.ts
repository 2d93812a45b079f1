import type { TimerHandle } from '../core/clock.ts';
import type { MmioOperations } from '../memory/mmio.ts';
import { PciDevice, type PciDeviceState, type PciIdentity } from '../pci/device.ts';
import { uint64 } from '../qom/kinds.ts';
import { objectProperty } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';

export const eduProperties = {
  /** The addresses that the device's own DMA engine can issue. */
  dmaMask: objectProperty('dma_mask', uint64, 0x0fff_ffffn),
} as const;

/** Registers in BAR 0. */
const Offset = {
  identification: 0x00,
  liveness: 0x04,
  factorial: 0x08,
  status: 0x20,
  interruptStatus: 0x24,
  raiseInterrupt: 0x60,
  acknowledgeInterrupt: 0x64,
  source: 0x80,
  destination: 0x88,
  count: 0x90,
  command: 0x98,
} as const;

/** Version 1.0 of the device, and its name. */
const IDENTIFICATION = 0x0100_00edn;
/** Of the registers from here on accesses of 8 bytes are taken, too. */
const FIRST_WIDE = 0x80;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** In the status register: a finished factorial interrupts. */
const STATUS_INTERRUPT = 0x80;

/** In the DMA command. */
const Dma = { run: 0x1n, toMemory: 0x2n, interrupt: 0x4n } as const;

/** In the interrupt status. */
const Cause = { factorial: 0x1, dma: 0x100 } as const;

const BUFFER_START = 0x4_0000n;
const BUFFER_SIZE = 4096;
const DMA_NANOSECONDS = 100_000_000n;

/** 34! and all above are multiples of 2^32. */
const FACTORIAL_VANISHES = 34;

export interface EduState extends PciDeviceState {
  liveness: number;
  factorial: number;
  status: number;
  interruptStatus: number;
  source: bigint;
  destination: bigint;
  count: bigint;
  command: bigint;
  buffer: Uint8Array;
  /** When the running transfer ends, in nanoseconds of the clock. */
  deadline: bigint | null;
}

/**
 * QEMU's educational device: a register that answers with what was written, a factorial, an interrupt on command, and
 * a DMA engine with a buffer of 4 KiB that takes 100 ms of guest time for every transfer. A reset leaves its own
 * registers as they are, as QEMU's does.
 */
export class EduDevice extends PciDevice {
  readonly identity: PciIdentity = {
    vendor: 0x1234,
    device: 0x11e8,
    classCode: 0x00ff,
    revision: 0x10,
    interruptPin: 1,
    bars: [{ index: 0, kind: 'memory', size: 0x10_0000, name: 'edu-mmio' }],
    capabilities: [{ kind: 'msi', at: 0x40, vectors: 1, wide: true }],
  };
  readonly #context: DeviceContext;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #liveness = 0;
  #factorial = 0;
  #status = 0;
  #interruptStatus = 0;
  #source = 0n;
  #destination = 0n;
  #count = 0n;
  #command = 0n;
  #timer: TimerHandle | null = null;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  override save(): EduState {
    return {
      ...super.save(),
      liveness: this.#liveness,
      factorial: this.#factorial,
      status: this.#status,
      interruptStatus: this.#interruptStatus,
      source: this.#source,
      destination: this.#destination,
      count: this.#count,
      command: this.#command,
      buffer: this.#buffer.slice(),
      deadline: this.#timer?.at ?? null,
    };
  }

  override restore(state: EduState): void {
    super.restore(state);
    this.#liveness = state.liveness;
    this.#factorial = state.factorial;
    this.#status = state.status;
    this.#interruptStatus = state.interruptStatus;
    this.#source = state.source;
    this.#destination = state.destination;
    this.#count = state.count;
    this.#command = state.command;
    this.#buffer.set(state.buffer);
    this.#stopTimer();
    if (state.deadline !== null) this.#startTimer(state.deadline);
  }

  protected override barOperations(): MmioOperations {
    return {
      valid: { min: 4, max: 8 },
      implementation: { min: 4, max: 8 },
      read: (offset, size) => (offset < FIRST_WIDE && size !== 4 ? ALL_ONES : this.#read(offset)),
      write: (offset, size, value) => {
        if (offset >= FIRST_WIDE || size === 4) this.#write(offset, value);
      },
    };
  }

  protected override onUnrealize(): void {
    this.#stopTimer();
    super.onUnrealize();
  }

  #read(offset: number): bigint {
    switch (offset) {
      case Offset.identification:
        return IDENTIFICATION;
      case Offset.liveness:
        return BigInt(this.#liveness);
      case Offset.factorial:
        return BigInt(this.#factorial);
      case Offset.status:
        return BigInt(this.#status);
      case Offset.interruptStatus:
        return BigInt(this.#interruptStatus);
      case Offset.source:
        return this.#source;
      case Offset.destination:
        return this.#destination;
      case Offset.count:
        return this.#count;
      case Offset.command:
        return this.#command;
      default:
        return ALL_ONES;
    }
  }

  #write(offset: number, value: bigint): void {
    switch (offset) {
      case Offset.liveness:
        this.#liveness = ~Number(value) >>> 0;
        return;
      case Offset.factorial:
        this.#computeFactorial(Number(value));
        return;
      case Offset.status:
        this.#status = Number(value) & STATUS_INTERRUPT;
        return;
      case Offset.raiseInterrupt:
        this.#raise(Number(value));
        return;
      case Offset.acknowledgeInterrupt:
        this.#lower(Number(value));
        return;
      default:
        this.#writeDma(offset, value);
    }
  }

  /** The engine's registers stay as they are while it runs. */
  #writeDma(offset: number, value: bigint): void {
    if ((this.#command & Dma.run) !== 0n) return;
    switch (offset) {
      case Offset.source:
        this.#source = value;
        return;
      case Offset.destination:
        this.#destination = value;
        return;
      case Offset.count:
        this.#count = value;
        return;
      case Offset.command:
        if ((value & Dma.run) === 0n) return;
        this.#command = value;
        this.#startTimer(this.#context.clock.now + DMA_NANOSECONDS);
    }
  }

  /** QEMU computes it in a thread; here it is done at once, so that no run differs from another. */
  #computeFactorial(value: number): void {
    this.#factorial = factorial(value);
    if ((this.#status & STATUS_INTERRUPT) !== 0) this.#raise(Cause.factorial);
  }

  #raise(causes: number): void {
    this.#interruptStatus = (this.#interruptStatus | causes) >>> 0;
    if (this.#interruptStatus === 0) return;
    if (this.registers.msiEnabled) this.notifyMsi(0);
    else this.setInterruptLevel(true);
  }

  #lower(causes: number): void {
    this.#interruptStatus = (this.#interruptStatus & ~causes) >>> 0;
    if (this.#interruptStatus === 0 && !this.registers.msiEnabled) this.setInterruptLevel(false);
  }

  #startTimer(at: bigint): void {
    this.#timer = this.#context.clock.schedule(at, () => this.#finishDma());
  }

  #stopTimer(): void {
    if (this.#timer !== null) this.#context.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #finishDma(): void {
    this.#timer = null;
    const mask = this.value(eduProperties.dmaMask);
    const toMemory = (this.#command & Dma.toMemory) !== 0n;
    const bytes = this.#bufferPart(toMemory ? this.#source : this.#destination);
    if (bytes !== null && toMemory) this.dmaWrite(this.#destination & mask, bytes);
    else if (bytes !== null) this.dmaRead(this.#source & mask, bytes);
    const interrupt = (this.#command & Dma.interrupt) !== 0n;
    this.#command &= ~Dma.run;
    if (interrupt) this.#raise(Cause.dma);
  }

  /** The part of the buffer that a transfer takes; null when it is not all inside. */
  #bufferPart(address: bigint): Uint8Array | null {
    const offset = address - BUFFER_START;
    if (offset < 0n || offset + this.#count > BigInt(BUFFER_SIZE)) return null;
    return this.#buffer.subarray(Number(offset), Number(offset + this.#count));
  }
}

/** In 32 bits, as the device's register has them. */
function factorial(value: number): number {
  if (value >= FACTORIAL_VANISHES) return 0;
  let result = 1;
  for (let factor = 2; factor <= value; factor += 1) result = Math.imul(result, factor) >>> 0;
  return result;
}
