import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMachine } from '../../src/machine/create.ts';
import { MachineQtestTarget } from '../../src/machine/qtest-target.ts';
import { QtestLog } from '../../src/qtest/log.ts';
import { QtestSession } from '../../src/qtest/session.ts';

// Whatever software writes anywhere, it gets an answer: no access is an error of this program.
const UNIT = 0xfed9_0000;
const EDU = 0xe000_0000;
const TABLES = 0x10_0000;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

const address = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 0x240 }).map((offset) => UNIT + (offset & ~3)) },
  { weight: 1, arbitrary: fc.nat({ max: 0x240 }).map((offset) => UNIT + offset) },
  { weight: 3, arbitrary: fc.nat({ max: 0xa0 }).map((offset) => EDU + (offset & ~3)) },
  { weight: 3, arbitrary: fc.nat({ max: 0x3ff }).map((index) => TABLES + index * 8) },
  { weight: 1, arbitrary: fc.nat({ max: 0xfff }).map((offset) => 0xfee0_0000 + offset) },
  { weight: 1, arbitrary: fc.nat({ max: 0xffff_ffff }) },
);

/** Table words that lead somewhere more often than chance would. */
const word = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.nat({ max: 7 }).map((low) => BigInt(TABLES | low)),
  fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 0xfff })).map(([page, low]) => BigInt(TABLES + page * 0x1000 + low)),
  fc.nat({ max: 0xffff }).map(BigInt),
);

const commandBits = [0x8000_0000n, 0x4000_0000n, 0x0400_0000n, 0x0200_0000n, 0x0100_0000n, 0xc600_0000n, 0xc400_0000n];

const configRegister = fc
  .tuple(fc.constantFrom(0x00, 0x18, 0x10, 0xf8, 0xfa, 0xfb), fc.nat({ max: 0x3f }))
  .map(([devfn, register]) => hex(0x8000_0000 + (devfn << 8) + register * 4));

const line = fc.oneof(
  fc.tuple(fc.constantFrom('b', 'w', 'l', 'q'), address).map(([size, at]) => `read${size} ${hex(at)}`),
  fc
    .tuple(fc.constantFrom('b', 'w', 'l', 'q'), address, word)
    .map(([size, at, value]) => `write${size} ${hex(at)} ${hex(value)}`),
  fc.tuple(fc.nat({ max: 0x3ff }), word).map(([index, value]) => `writeq ${hex(TABLES + index * 8)} ${hex(value)}`),
  fc.constantFrom(...commandBits).map((bits) => `writel ${hex(UNIT + 0x18)} ${hex(bits)}`),
  fc.constantFrom(0x20, 0x90, 0xb8).map((register) => `writeq ${hex(UNIT + register)} ${hex(TABLES)}`),
  fc.nat({ max: 0x40 }).map((tail) => `writeq ${hex(UNIT + 0x88)} ${hex(tail * 16)}`),
  fc.constantFrom('writel 0xe0000098 1', 'writel 0xe0000098 3', 'writel 0xe0000060 1', 'clock_step 200000000'),
  fc
    .constantFrom(0x80, 0x88, 0x90)
    .chain((register) => fc.nat({ max: 0x4_2000 }).map((value) => `writeq ${hex(EDU + register)} ${value}`)),
  configRegister.map((value) => `outl 0xcf8 ${value}`),
  fc
    .tuple(fc.constantFrom('b', 'w', 'l'), fc.nat({ max: 3 }), fc.nat())
    .map(([size, at, value]) => `out${size} ${hex(0xcfc + at)} ${value}`),
  fc.tuple(fc.constantFrom('b', 'w', 'l'), fc.nat({ max: 0xffff })).map(([size, port]) => `in${size} ${port}`),
  fc.tuple(address, fc.nat({ max: 64 })).map(([at, size]) => `read ${hex(at)} ${size}`),
);

const units = [
  {},
  { 'caching-mode': 'on', 'device-iotlb': 'on', intremap: 'on' },
  { 'scalable-mode': 'on', intremap: 'on' },
  { 'scalable-mode': 'on', fsts: 'on', 'pasid-bits': '20', 'device-iotlb': 'on', svm: 'on' },
  { ecs: 'on' },
  { 'scalable-mode': 'on', 'strict-spec': 'on' },
];

describe('software in the guest', () => {
  it.each(units.map((values) => [JSON.stringify(values), values] as const))(
    'never ends the daemon: %s',
    (_name, values) => {
      fc.assert(
        fc.property(fc.array(line, { minLength: 20, maxLength: 120 }), (lines) => {
          const machine = createMachine({
            type: 'q35',
            noDefaults: true,
            memory: 16n << 20n,
            devices: [
              { values: { driver: 'intel-iommu', ...values } },
              { values: { driver: 'edu', addr: '03.0' } },
              { values: { driver: 'iommu-testdev', addr: '02.0' } },
            ],
          });
          const errors: [string, unknown][] = [];
          const session = new QtestSession({
            target: new MachineQtestTarget(machine, { virtualTime: true }),
            send: () => {},
            log: new QtestLog(null, () => 0),
            onInternalError: (error, text) => errors.push([text, error]),
          });
          const setUp = ['outl 0xcf8 0x80001810', 'outl 0xcfc 0xe0000000', 'outl 0xcf8 0x80001804', 'outw 0xcfc 0x6'];
          for (const text of [...setUp, ...lines, 'clock_step 1000000000']) session.push(Buffer.from(`${text}\n`));
          machine.operations.run(() => machine.reset());
          expect(errors).toEqual([]);
        }),
        { numRuns: 60 },
      );
    },
  );
});
