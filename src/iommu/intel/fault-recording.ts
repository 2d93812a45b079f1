import type { TracePoints } from '../../trace/points/table.ts';
import { faultReason } from '../faults.ts';
import type { EventRegisters } from './event-registers.ts';
import type { FaultSink, TranslationFaultReport } from './invalidation.ts';
import type { RegisterFile } from '../register-file.ts';
import { Offset } from './registers.ts';

/** Fields of FSTS. The fault record index (15:8) is always 0: there is one record. */
const FaultStatus = { PFO: 1, PPF: 1 << 1, IQE: 1 << 4 } as const;
const ANY_STATUS = FaultStatus.PFO | FaultStatus.PPF | FaultStatus.IQE;

const CONTEXT_RESERVED = 0x0b;

/** Fields of the record's upper half (VT-d, section 11.4.14). */
const RECORD_PRESENT = 1n << 63n;
const RECORD_READ = 1n << 62n;
const RECORD_PASID = 40n;
const RECORD_REASON = 32n;
const RECORD_WITH_PASID = 1n << 31n;
const SOURCE_MASK = 0xffffn;

/**
 * Fault status, the one fault record, and the fault event (VT-d, sections 7.2 and 7.3). Nothing is stored beside the
 * registers.
 *
 * `strict-spec` has the specification's reading of two places: a reserved bit of a context entry (0xb) counts as
 * qualified (QEMU: FPD does not hide it), and clearing the record's F, too, clears a pending event when that was the
 * last thing to serve (QEMU: only a write to FSTS does).
 */
export class FaultRecording implements FaultSink {
  readonly #file: RegisterFile;
  readonly #event: EventRegisters;
  readonly #strict: boolean;
  readonly #onRecorded: (fault: TranslationFaultReport) => void;
  readonly #points: TracePoints;

  constructor(options: {
    file: RegisterFile;
    event: EventRegisters;
    strict: boolean;
    /** Told of a fault once software can read it. */
    onRecorded: (fault: TranslationFaultReport) => void;
    points: TracePoints;
  }) {
    this.#file = options.file;
    this.#event = options.event;
    this.#strict = options.strict;
    this.#onRecorded = options.onRecorded;
    this.#points = options.points;
  }

  /** IQE: the invalidation queue has met an error and stands still until software clears it. */
  get queueError(): boolean {
    return (this.#file.get32(Offset.FSTS) & FaultStatus.IQE) !== 0;
  }

  /**
   * Records a fault, unless fault processing is disabled and the fault is one that this hides, unless an earlier
   * overflow stands, and unless the record still holds a fault: one of the same source is collapsed into it, one of
   * another is an overflow.
   */
  record(fault: TranslationFaultReport): void {
    const points = this.#points;
    if (fault.faultProcessingDisabled && this.#isQualified(fault.code)) {
      points.vtd_fault_disabled?.();
      return;
    }
    points.vtd_dmar_fault?.(fault.sourceId, fault.code, fault.address, fault.write);
    const status = this.#file.get32(Offset.FSTS);
    if ((status & FaultStatus.PFO) !== 0) return;
    const held = this.#file.get64(Offset.FRCD_HIGH);
    if ((held & RECORD_PRESENT) !== 0n) {
      if ((held & SOURCE_MASK) !== BigInt(fault.sourceId)) this.#raise(FaultStatus.PFO);
      return;
    }
    const low = fault.address & ~0xfffn;
    const high = upperHalf(fault);
    points.vtd_frr_new?.(0, high, low);
    this.#file.set64(Offset.FRCD, low);
    this.#file.set64(Offset.FRCD_HIGH, RECORD_PRESENT | high);
    points.vtd_fsts_ppf?.(true);
    this.#raise(FaultStatus.PPF);
    this.#onRecorded(fault);
  }

  /** The invalidation queue met an error. */
  reportQueueError(): void {
    this.#raise(FaultStatus.IQE);
  }

  /** Software wrote FSTS: a pending event goes when nothing is left to serve. */
  statusWritten(): void {
    if ((this.#file.get32(Offset.FSTS) & ANY_STATUS) !== 0) return;
    if (this.#event.pending) this.#points.vtd_fsts_clear_ip?.();
    this.#event.clearPending();
  }

  /** Software wrote the half of the record with F in it. */
  recordWritten(): void {
    const held = (this.#file.get64(Offset.FRCD_HIGH) & RECORD_PRESENT) !== 0n;
    this.#points.vtd_fsts_ppf?.(held);
    if (held) return;
    this.#file.change32(Offset.FSTS, 0, FaultStatus.PPF);
    if (this.#strict) this.statusWritten();
  }

  controlWritten(): void {
    this.#event.controlWritten();
  }

  /** Sets a status bit. An event is due only when software has served everything before. */
  #raise(bit: number): void {
    const before = this.#file.get32(Offset.FSTS);
    this.#file.change32(Offset.FSTS, bit, 0);
    if ((before & ANY_STATUS) === 0) this.#event.raise();
  }

  #isQualified(code: number): boolean {
    return faultReason(code).qualified || (this.#strict && code === CONTEXT_RESERVED);
  }
}

/** AT, EXE and PRIV are always 0, as in QEMU 11.1.3. */
function upperHalf({ sourceId, code, write, pasid }: TranslationFaultReport): bigint {
  const withPasid = pasid === undefined ? 0n : RECORD_WITH_PASID | (BigInt(pasid) << RECORD_PASID);
  return (write ? 0n : RECORD_READ) | withPasid | (BigInt(code) << RECORD_REASON) | BigInt(sourceId);
}
