/** Configuration space against what was read from QEMU's q35. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Ports } from '../machine/ports.ts';
import { MachineRig } from '../machine/support.ts';

interface Recorded {
  readonly devfn: number;
  readonly start: string;
  /** Null: all ones. */
  readonly extended: string | null;
  readonly ones: string;
  readonly zeros: string;
}

const file = new URL('../fixtures/pci/q35-config.json', import.meta.url);
const { functions } = JSON.parse(readFileSync(file, 'utf8')) as { functions: Readonly<Record<string, Recorded>> };

/** Registers that do what is not modelled: their answers to writes are not compared. */
const notModelled: Readonly<Record<string, readonly number[]>> = {
  // Slot control: a written command is completed at once, and the interlock turns.
  'pcie-root-port': [0x6c],
  // The extended TSEG size, and the lock of SMRAM.
  mch: [0x50, 0x9c],
  // Power management control.
  'ICH9-LPC': [0xa0],
};

function machine(): Ports {
  const device = (driver: string, values: Record<string, string>): { values: Record<string, string> } => ({
    values: { driver, ...values },
  });
  const rig = new MachineRig({
    type: 'q35',
    memory: 256n << 20n,
    devices: [
      device('edu', { addr: '3' }),
      device('pci-testdev', { addr: '4', membar: '1M' }),
      device('pcie-root-port', { addr: '5', id: 'rp1', chassis: '1' }),
      device('pcie-pci-bridge', { addr: '7', id: 'br2' }),
    ],
  });
  return new Ports(rig.machine);
}

/** All registers of 4 bytes, as hexadecimal digits in the order of memory. */
function dump(read: (register: number) => number, count: number): string {
  const bytes = Buffer.alloc(count);
  for (let register = 0; register < count; register += 4) bytes.writeUInt32LE(read(register), register);
  return bytes.toString('hex');
}

/** One line for each register, so that a difference names it. */
function lines(hex: string, except: readonly number[] = []): string[] {
  return (hex.match(/.{8}/g) ?? []).flatMap((digits, index) =>
    except.includes(index * 4) ? [] : [`${(index * 4).toString(16)}: ${digits}`],
  );
}

describe.each(Object.entries(functions))('%s as QEMU 7.2.22 has it', (name, recorded) => {
  const { devfn } = recorded;

  it('at the start', () => {
    const ports = machine();
    expect(lines(dump((register) => ports.readConfig(0, devfn, register), 256))).toEqual(lines(recorded.start));
  });

  it('in extended configuration space', () => {
    const ports = machine();
    ports.writeConfig(0, 0, 0x60, 4, 0xb000_0001);
    const at = 0xb000_0100 + devfn * 0x1000;
    const extended = dump((register) => Number(ports.read(at + register, 4)), 256);
    expect(lines(extended)).toEqual(lines(recorded.extended ?? 'ff'.repeat(256)));
  });

  it('under writes of ones and zeros', () => {
    const ports = machine();
    const seen = { ones: Buffer.alloc(256), zeros: Buffer.alloc(256) };
    for (const answers of Object.values(seen)) answers.writeUInt32LE(ports.readConfig(0, devfn, 0), 0);
    for (let register = 4; register < 256; register += 4) {
      const value = ports.readConfig(0, devfn, register);
      for (const [pattern, answers] of [
        [0xffff_ffff, seen.ones],
        [0, seen.zeros],
      ] as const) {
        ports.writeConfig(0, devfn, register, 4, pattern);
        answers.writeUInt32LE(ports.readConfig(0, devfn, register), register);
      }
      ports.writeConfig(0, devfn, register, 4, value);
    }
    const except = notModelled[name];
    expect(lines(seen.ones.toString('hex'), except)).toEqual(lines(recorded.ones, except));
    expect(lines(seen.zeros.toString('hex'), except)).toEqual(lines(recorded.zeros, except));
  });
});
