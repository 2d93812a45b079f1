import type { MachineConfig } from '../../../src/machine/create.ts';
import { EDU_BUFFER, EDU_BUFFER_SIZE, QtestDriver, type WordSize } from './qtest-driver.ts';
import {
  bytesOf,
  type Numeric,
  type Scenario,
  type ScenarioMachine,
  type ScenarioStep,
  type StepResult,
} from './scenario.ts';

/** Offset and width in bytes of the registers by name, in the order of `dump_regs`. */
const REGISTERS: Readonly<Record<string, readonly [offset: number, size: WordSize]>> = {
  VER: [0x00, 4],
  CAP: [0x08, 8],
  ECAP: [0x10, 8],
  GCMD: [0x18, 4],
  GSTS: [0x1c, 4],
  RTADDR: [0x20, 8],
  CCMD: [0x28, 8],
  FSTS: [0x34, 4],
  FECTL: [0x38, 4],
  FEDATA: [0x3c, 4],
  FEADDR: [0x40, 4],
  FEUADDR: [0x44, 4],
  AFLOG: [0x58, 8],
  PMEN: [0x64, 4],
  PLMBASE: [0x68, 4],
  PLMLIMIT: [0x6c, 4],
  PHMBASE: [0x70, 8],
  PHMLIMIT: [0x78, 8],
  IQH: [0x80, 8],
  IQT: [0x88, 8],
  IQA: [0x90, 8],
  ICS: [0x9c, 4],
  IECTL: [0xa0, 4],
  IEDATA: [0xa4, 4],
  IEADDR: [0xa8, 4],
  IEUADDR: [0xac, 4],
  IRTA: [0xb8, 8],
  PQH: [0xc0, 8],
  PQT: [0xc8, 8],
  PQA: [0xd0, 8],
  PRS: [0xdc, 4],
  PECTL: [0xe0, 4],
  PEDATA: [0xe4, 4],
  PEADDR: [0xe8, 4],
  PEUADDR: [0xec, 4],
  IVA: [0xf0, 8],
  IOTLB: [0xf8, 8],
  FRCD_LO: [0x220, 8],
  FRCD_HI: [0x228, 8],
};

const MSI_CAPABILITY = 5;

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const field = (value: bigint, shift: number, mask: number): number => Number((value >> BigInt(shift)) & BigInt(mask));

interface Device {
  readonly type: 'edu' | 'iommu-testdev';
  readonly devfn: number;
  readonly bar: bigint;
}

/** A DMA step's place in its device's buffer. */
interface Slot {
  readonly device: string;
  readonly offset: number;
  readonly size: number;
}

const onOff = (value: unknown): string => (value === true ? 'on' : 'off');

/** The unit's properties under the names of QEMU 11.1. */
function unitProperties(machine: ScenarioMachine): Record<string, string> {
  const unit = machine.iommu ?? {};
  const values: Record<string, string> = { driver: 'intel-iommu', 'aw-bits': String(unit['aw_bits'] ?? 48) };
  if (unit['scalable'] === true) values['scalable-mode'] = 'on';
  if (unit['first_stage'] === true) values['fsts'] = 'on';
  for (const name of ['fs1gp', 'caching_mode', 'device_iotlb', 'snoop_control', 'dma_translation', 'stale_tm']) {
    if (name in unit) values[name.replaceAll('_', '-')] = onOff(unit[name]);
  }
  values['intremap'] = onOff(unit['intremap']);
  if (unit['intremap'] === true) values['eim'] = 'off';
  return values;
}

/**
 * Plays one scenario in this process, step for step as rig.py plays it on a QEMU. Write payloads are brought into edu's
 * buffer and read slots filled with 0xaa while remapping is still off; what was read is fetched at the end, with
 * translation off again, so that nothing disturbs the unit's caches between the steps.
 */
export class ScenarioPlayer {
  readonly #scenario: Scenario;
  readonly #driver: QtestDriver;
  readonly #devices = new Map<string, Device>();
  readonly #slots = new Map<number, Slot>();
  /** The page through which edu's buffer is filled and fetched. */
  readonly #staging: bigint;

  /** @param config - what else the machine is made with */
  constructor(scenario: Scenario, config: Pick<MachineConfig, 'traceLog'> = {}) {
    this.#scenario = scenario;
    const machine = scenario.machine ?? {};
    const memory = BigInt(machine.ram_mb ?? 256) << 20n;
    this.#staging = memory - 0x2000n;
    const devices = machine.devices ?? [{ id: 'edu0', type: 'edu', addr: '03.0' } as const];
    this.#driver = new QtestDriver({
      ...config,
      memory,
      devices: [
        { values: unitProperties(machine) },
        ...devices.map(({ type, addr }) => ({
          values: { driver: type, addr, ...(type === 'edu' && { dma_mask: '0xffffffffffffffff' }) },
        })),
      ],
    });
    devices.forEach(({ id, type, addr }, index) => {
      const [slot, fn] = addr.split('.').map((part) => Number.parseInt(part, 16));
      this.#devices.set(id, { type, devfn: slot! * 8 + fn!, bar: 0xe000_0000n + BigInt(index) * 0x10_0000n });
    });
  }

  /** @returns what the steps gave, in the form in which rig.py records it */
  play(): StepResult[] {
    this.#enableDevices();
    this.#fillBuffers();
    const results: StepResult[] = [];
    this.#scenario.steps.forEach((step, index) => {
      const result = this.#run(step);
      if (result === null) return;
      const { label } = step;
      results.push({ step: index, op: step.op, ...(label !== undefined && { label }), ...result });
    });
    this.#harvest(results);
    return results;
  }

  #enableDevices(): void {
    for (const { devfn, bar } of this.#devices.values()) this.#driver.enableDevice(devfn, Number(bar));
  }

  #edus(): [string, Device][] {
    return [...this.#devices].filter(([, { type }]) => type === 'edu');
  }

  #device(step: ScenarioStep, fallback: string): Device {
    return this.#devices.get(step.dev ?? fallback)!;
  }

  #fillBuffers(): void {
    const images = new Map(this.#edus().map(([id]) => [id, Buffer.alloc(EDU_BUFFER_SIZE, 0xaa)]));
    const next = new Map<string, number>();
    this.#scenario.steps.forEach((step, index) => {
      const device = step.dev ?? 'edu0';
      const image = images.get(device);
      if (image === undefined || (step.op !== 'dma_read' && step.op !== 'dma_write')) return;
      const payload = step.op === 'dma_write' ? bytesOf(step) : null;
      const size = payload?.length ?? Number(step.len);
      const offset = next.get(device) ?? 0;
      next.set(device, (offset + size + 7) & ~7);
      this.#slots.set(index, { device, offset, size });
      payload?.copy(image, offset);
    });
    for (const [id, { bar }] of this.#edus()) {
      this.#driver.writeBytes(this.#staging, images.get(id)!);
      this.#driver.eduTransfer(bar, this.#staging, EDU_BUFFER, EDU_BUFFER_SIZE, false);
    }
    this.#driver.writeBytes(this.#staging, Buffer.alloc(0x1000));
  }

  #harvest(results: readonly StepResult[]): void {
    const [gcmd, size] = REGISTERS['GCMD']!;
    this.#driver.writeRegister(gcmd, size, 0n);
    for (const [id, { bar }] of this.#edus()) {
      this.#driver.writeBytes(this.#staging, Buffer.alloc(0x1000, 0x55));
      this.#driver.eduTransfer(bar, EDU_BUFFER, this.#staging, EDU_BUFFER_SIZE, true);
      const buffer = this.#driver.readBytes(this.#staging, EDU_BUFFER_SIZE);
      for (const result of results) {
        const slot = this.#slots.get(result['step'] as number);
        if (result['op'] !== 'dma_read' || slot?.device !== id) continue;
        result['data'] = buffer.subarray(slot.offset, slot.offset + slot.size).toString('hex');
      }
    }
  }

  /** @returns null for a step that gives nothing */
  #run(step: ScenarioStep): StepResult | null {
    const driver = this.#driver;
    switch (step.op) {
      case 'comment':
        return null;
      case 'mem_write':
        driver.writeBytes(BigInt(step.addr!), bytesOf(step));
        return null;
      case 'mem_fill':
        driver.writeBytes(BigInt(step.addr!), Buffer.alloc(Number(step.size), Number(step.byte ?? 0)));
        return null;
      case 'mem_read':
        return { data: driver.readBytes(BigInt(step.addr!), Number(step.len)).toString('hex') };
      case 'reg_write': {
        driver.writeRegister(...this.#register(step), BigInt(step.value!));
        return null;
      }
      case 'reg_read':
        return { reg: step.reg, value: hex(driver.readRegister(...this.#register(step))) };
      case 'dma_read':
      case 'dma_write':
        return this.#dma(step);
      case 'edu_msi':
        return this.#message(step);
      case 'itd_dma':
        return this.#testDeviceDma(step);
      case 'faults': {
        const faults = this.#faults();
        return step.clear === true ? { faults, after_clear: this.#clearFaults() } : { faults };
      }
      case 'clear_faults':
        this.#clearFaults();
        return null;
      case 'reset':
        driver.reset();
        driver.step(1_000_000n);
        this.#enableDevices();
        return null;
      case 'dump_regs': {
        const values = Object.entries(REGISTERS).map(([name, place]) => [name, hex(driver.readRegister(...place))]);
        return { regs: Object.fromEntries(values) };
      }
      default:
        throw new Error(`unknown step ${step.op}`);
    }
  }

  #register(step: ScenarioStep): [offset: number, size: WordSize] {
    const [offset, width] = REGISTERS[step.reg!] ?? [Number(step.reg), 4];
    return [offset + Number(step.offset ?? 0), (step.size === undefined ? width : Number(step.size)) as WordSize];
  }

  #dma(step: ScenarioStep): StepResult | null {
    const { bar } = this.#device(step, 'edu0');
    const { offset, size } = this.#slots.get(this.#scenario.steps.indexOf(step))!;
    const inBuffer = EDU_BUFFER + BigInt(offset);
    const stride = BigInt(step.stride ?? 0x1000);
    for (let index = 0n; index < BigInt(step.count ?? 1); index += 1n) {
      const iova = BigInt(step.iova!) + index * stride;
      if (step.op === 'dma_read') this.#driver.eduTransfer(bar, iova, inBuffer, size, false);
      else this.#driver.eduTransfer(bar, inBuffer, iova, size, true);
    }
    const result = step.faults === false ? null : { faults: this.#faults() };
    if (step.clear === true) this.#clearFaults();
    return result;
  }

  #message(step: ScenarioStep): StepResult {
    const { devfn, bar } = this.#device(step, 'edu0');
    const capability = this.#driver.findCapability(devfn, MSI_CAPABILITY);
    const address = BigInt(step.addr!);
    this.#driver.writeConfig(devfn, capability + 4, 4, Number(BigInt.asUintN(32, address)));
    this.#driver.writeConfig(devfn, capability + 8, 4, Number(address >> 32n));
    this.#driver.writeConfig(devfn, capability + 12, 4, Number(step.data));
    this.#driver.writeConfig(devfn, capability + 2, 2, 1);
    this.#driver.write(bar + 0x60n, 4, 1n);
    this.#driver.write(bar + 0x64n, 4, 1n);
    return { faults: this.#faults() };
  }

  #testDeviceDma(step: ScenarioStep): StepResult {
    const { bar } = this.#device(step, 'itd0');
    const set = (register: bigint, value: Numeric | bigint): void =>
      this.#driver.write(bar + register, 4, BigInt(value));
    set(0x04n, BigInt.asUintN(32, BigInt(step.iova!)));
    set(0x08n, BigInt(step.iova!) >> 32n);
    set(0x1cn, BigInt.asUintN(32, BigInt(step.gpa!)));
    set(0x20n, BigInt(step.gpa!) >> 32n);
    set(0x0cn, step.len!);
    set(0x18n, step.attrs ?? 0);
    set(0x14n, 1);
    this.#driver.read(bar, 4);
    return { dma_result: hex(this.#driver.read(bar + 0x10n, 4)), faults: this.#faults() };
  }

  #faults(): StepResult {
    const read = (name: string): bigint => this.#driver.readRegister(...REGISTERS[name]!);
    const fsts = read('FSTS');
    const [low, high] = [read('FRCD_LO'), read('FRCD_HI')];
    const record = {
      F: field(high, 63, 1),
      T: field(high, 62, 1),
      AT: field(high, 60, 3),
      PV: field(high, 40, 0xfffff),
      FR: hex(field(high, 32, 0xff)),
      PP: field(high, 31, 1),
      EXE: field(high, 30, 1),
      PRIV: field(high, 29, 1),
      SID: hex(field(high, 0, 0xffff)),
      FI: hex(low & ~0xfffn),
    };
    return {
      fsts: hex(fsts),
      PFO: field(fsts, 0, 1),
      PPF: field(fsts, 1, 1),
      IQE: field(fsts, 4, 1),
      FRI: field(fsts, 8, 0xff),
      fectl: hex(read('FECTL')),
      frcd_lo: hex(low),
      frcd_hi: hex(high),
      frcd: record.F === 1 ? record : null,
    };
  }

  /** @returns the registers afterwards */
  #clearFaults(): StepResult {
    this.#driver.writeRegister(...REGISTERS['FRCD_HI']!, 1n << 63n);
    this.#driver.writeRegister(...REGISTERS['FSTS']!, 0x11n);
    const read = (name: string): string => hex(this.#driver.readRegister(...REGISTERS[name]!));
    return { fsts: read('FSTS'), fectl: read('FECTL') };
  }
}
