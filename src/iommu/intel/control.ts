import type { TracePoints } from '../../trace/points/table.ts';
import type { InterruptRemapping } from './interrupt-remapping.ts';
import type { InvalidationQueue } from './invalidation-queue.ts';
import type { RootMode, TranslationControl } from './invalidation.ts';
import type { IntelProperties } from './properties.ts';
import type { RegisterFile } from '../register-file.ts';
import { Offset } from './registers.ts';

/** Bits of GCMD; GSTS has the state of each in the same place (VT-d, sections 11.4.4 and 11.4.5). */
const Bit = {
  TE: 0x8000_0000,
  SRTP: 0x4000_0000,
  QIE: 0x0400_0000,
  IRE: 0x0200_0000,
  SIRTP: 0x0100_0000,
  CFI: 0x0080_0000,
} as const;

/** RTADDR: scalable mode, and the extended root table of revision 2. */
const SCALABLE_ROOT = 1n << 10n;
const EXTENDED_ROOT = 1n << 11n;

/**
 * The global command register. One write can change several things, in this order: TE, SRTP, QIE, SIRTP, IRE. Bits that
 * stand for a state are taken as the new state, so that software repeats those that it wants to keep.
 *
 * `strict-spec` has the specification's reading of CFI (QEMU: stored nowhere).
 */
export class GlobalCommand {
  readonly #file: RegisterFile;
  readonly #translation: TranslationControl;
  readonly #queue: InvalidationQueue;
  readonly #interrupts: InterruptRemapping;
  readonly #properties: IntelProperties;
  readonly #points: TracePoints;

  constructor(options: {
    file: RegisterFile;
    translation: TranslationControl;
    queue: InvalidationQueue;
    interrupts: InterruptRemapping;
    properties: IntelProperties;
    points: TracePoints;
  }) {
    this.#file = options.file;
    this.#translation = options.translation;
    this.#queue = options.queue;
    this.#interrupts = options.interrupts;
    this.#properties = options.properties;
    this.#points = options.points;
  }

  /** QIES */
  get queueEnabled(): boolean {
    return this.#has(Bit.QIE);
  }

  /** IRES */
  get interruptRemappingEnabled(): boolean {
    return this.#has(Bit.IRE);
  }

  /** CFIS */
  get compatibilityFormat(): boolean {
    return this.#has(Bit.CFI);
  }

  /** Software wrote GCMD. */
  written(): void {
    const command = this.#file.get32(Offset.GCMD);
    const status = this.#file.get32(Offset.GSTS);
    const changed = (command ^ status) >>> 0;
    this.#points.vtd_reg_write_gcmd?.(status, command);
    const { dmaTranslation, interruptRemapping, strictSpec } = this.#properties;
    if ((changed & Bit.TE) !== 0 && dmaTranslation) {
      this.#follow(command, Bit.TE);
      this.#translation.setEnabled((command & Bit.TE) !== 0);
    }
    if ((command & Bit.SRTP) !== 0) this.#setRoot();
    if ((changed & Bit.QIE) !== 0) this.#switchQueue((command & Bit.QIE) !== 0);
    if ((command & Bit.SIRTP) !== 0) {
      this.#interrupts.latch(this.#file.get64(Offset.IRTA));
      this.#set(Bit.SIRTP);
    }
    if ((changed & Bit.IRE) !== 0 && interruptRemapping) {
      this.#points.vtd_ir_enable?.((command & Bit.IRE) !== 0);
      this.#follow(command, Bit.IRE);
    }
    if (interruptRemapping && strictSpec) this.#follow(command, Bit.CFI);
  }

  /** RTPS stays set from here on, as SIRTP's does: the table counts until the next one is set. */
  #setRoot(): void {
    const register = this.#file.get64(Offset.RTADDR);
    const { awBits } = this.#properties;
    const address = Number(BigInt.asUintN(awBits, register) & ~0xfffn);
    this.#set(Bit.SRTP);
    this.#translation.setRoot({ address, mode: this.#modeOf(register) });
  }

  #modeOf(register: bigint): RootMode {
    const { ecs, scalableMode } = this.#properties;
    if (scalableMode && (register & SCALABLE_ROOT) !== 0n) return 'scalable';
    if (ecs && (register & EXTENDED_ROOT) !== 0n) return 'ecs';
    return 'legacy';
  }

  #switchQueue(on: boolean): void {
    this.#points.vtd_inv_qi_enable?.(on);
    if (on) {
      this.#set(Bit.QIE);
      this.#queue.enable();
    } else if (this.#queue.disable()) {
      this.#file.change32(Offset.GSTS, 0, Bit.QIE);
    }
  }

  #has(bit: number): boolean {
    return (this.#file.get32(Offset.GSTS) & bit) !== 0;
  }

  #set(bit: number): void {
    this.#file.change32(Offset.GSTS, bit, 0);
  }

  #follow(command: number, bit: number): void {
    this.#file.change32(Offset.GSTS, command & bit, ~command & bit);
  }
}
