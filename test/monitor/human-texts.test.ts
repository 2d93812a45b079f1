import { describe, expect, it } from 'vitest';
import { createMachine } from '../../src/machine/create.ts';
import { createHumanMonitor } from '../../src/monitor/human/commands.ts';
import { DumpFormats } from '../../src/monitor/human/dump-format.ts';

const identity = {
  version: { qemu: { micro: 22, minor: 2, major: 7 }, package: 'viommud-0' },
  uuid: '00000000-0000-0000-0000-000000000000',
};

/** The monitor of a machine; the texts come with LF line ends. */
function monitorOf(...[config]: Parameters<typeof createMachine>): (line: string) => string {
  const machine = createMachine(config);
  const monitor = createHumanMonitor(machine, identity, (action) => action(), new DumpFormats());
  return (line) => machine.operations.run(() => monitor.execute(line)).replaceAll('\r\n', '\n');
}

const usage = (sentence: string, command: string): string =>
  `${sentence}\nTry "help ${command}" for more information\n`;

const IDENTIFIER = "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n";
const HOST_NODES = "Error: Invalid parameter type for 'host-nodes', expected: array\n";

// Recorded from QEMU 7.2.22 with -M none.
describe('expressions and formats, line after line, as QEMU answers them', () => {
  const ask = monitorOf({ type: 'none' });

  it.each([
    ['xp 0+', usage('unexpected end of expression', 'xp')],
    ['xp (1', usage("')' expected", 'xp')],
    ['xp 1/0', usage('division by zero', 'xp')],
    ['xp 1 2', usage('xp: extraneous characters at the end of line', 'xp')],
    ['xp /z 0', usage("invalid char in format: 'z'", 'xp')],
    ['xp $pc', usage('unknown register', 'xp')],
    ['xp 0', '0000000000000000: Cannot access memory\n'],
    ["p 'a'", '0x61\n'],
    ['p 5 5', usage('print|p: extraneous characters at the end of line', 'p')],
    ['p /x 10', '0xa\n'],
    ['p /d 10', '10\n'],
    ['p -1', '-1\n'],
    ['p /o 10', '012\n'],
    ['p /c 65', "'A'\n"],
    ['p /u 10', '10\n'],
    ['p /i 5', '5\n'],
    ['p ~0', '-1\n'],
    ['p (1+2)*3', '9\n'],
    ['p 1|2^3&4', '0\n'],
    ['p 7%4', '3\n'],
    ['p', usage('unexpected end of expression', 'p')],
    ['p zz', usage("invalid char 'z' in expression", 'p')],
    ['p 99999999999999999999', usage('number too large', 'p')],
    ['sum 0', usage('unexpected end of expression', 'sum')],
    ['i /b 0x80', 'portb[0x0080] = 0xff\n'],
    ['i /h 80', 'portw[0x0050] = 0xffff\n'],
    ['i 0xcf8', 'portb[0x0cf8] = 0xff\n'],
    ['x /4x 0', 'Can not dump without CPU\n'],
  ])('%j', (line, text) => {
    expect(ask(line)).toBe(text);
  });
});

describe('memory of a q35', () => {
  const ask = monitorOf({ type: 'q35', memory: 64n << 20n });

  it.each([
    [
      'xp /4gx 0',
      '0000000000000000: 0x0000000000000000 0x0000000000000000\n0000000000000010: 0x0000000000000000 0x0000000000000000\n',
    ],
    ['xp /2wx 0x1000', '0000000000001000: 0x00000000 0x00000000\n'],
    ['xp /3hx 0', '0000000000000000: 0x0000 0x0000 0x0000\n'],
    ['xp /2c 0', "0000000000000000: '\\x00' '\\x00' '\\x00' '\\x00'\n"],
    ['xp /8bx 0', '0000000000000000: 0x00 0x00 0x00 0x00 0x00 0x00 0x00 0x00\n'],
    ['xp 0x100000000', '0000000100000000: Cannot access memory\n'],
    ['sum 0 16', '00000\n'],
  ])('%j', (line, text) => {
    expect(ask(line)).toBe(text);
  });
});

// Recorded from QEMU 7.2.22, but for what the chipset has there and not here.
describe('trees', () => {
  const ask = monitorOf({
    type: 'q35',
    noDefaults: true,
    devices: [
      { values: { driver: 'pcie-root-port', id: 'rp1', chassis: '1', addr: '3' } },
      { values: { driver: 'edu', id: 'edu0', addr: '4' } },
    ],
  });

  it('of devices has the newest first', () => {
    const text = ask('info qtree');
    expect(text).toContain(`bus: main-system-bus
  type System
  dev: q35-pcihost, id ""
    MCFG = -1 (0xffffffffffffffff)
    pci-hole64-size = 34359738368 (32 GiB)
    short_root_bus = 0 (0x0)
    below-4g-mem-size = 134217728 (128 MiB)
    above-4g-mem-size = 0 (0 B)
    x-pci-hole64-fix = true
    x-config-reg-migration-enabled = true
    bypass-iommu = false
    bus: pcie.0
      type PCIE
      dev: edu, id "edu0"
        addr = 04.0
        romfile = ""
        romsize = 4294967295 (0xffffffff)
        rombar = 1 (0x1)
        multifunction = false
        x-pcie-lnksta-dllla = true
        x-pcie-extcap-init = true
        failover_pair_id = ""
        acpi-index = 0 (0x0)
        class Class 00ff, addr 00:04.0, pci id 1234:11e8 (sub 1af4:1100)
        bar 0: mem at 0xffffffffffffffff [0xffffe]
      dev: pcie-root-port, id "rp1"
        x-migrate-msix = true
        bus-reserve = 4294967295 (0xffffffff)
        io-reserve = 18446744073709551615 (16 EiB)
`);
    expect(text).toContain('        bus: rp1\n          type PCIE\n');
  });

  it('of objects are sorted by name', () => {
    expect(ask('info qom-tree edu0')).toBe(
      '/edu0 (edu)\n  /bus master container[0] (memory-region)\n  /bus master[0] (memory-region)\n' +
        '  /edu-mmio[0] (memory-region)\n',
    );
    expect(ask('info qom-tree /nope')).toBe("Path '/nope' could not be resolved.\n");
    expect(ask('info qom-tree a b')).toBe(usage('qom-tree: extraneous characters at the end of line', 'info qom-tree'));
  });

  it('of what the model does not have are empty, or say so', () => {
    expect(ask('info network')).toBe('');
    expect(ask('info balloon')).toBe('Error: No balloon device has been activated\n');
    expect(ask('info memory_size_summary')).toBe('base memory: 134217728\nplugged memory: 0\n');
  });
});

describe('objects by the human monitor', () => {
  const ask = monitorOf({ type: 'none' });

  it.each([
    ['object_add memory-backend-ram', "Error: Parameter 'id' is missing\n"],
    ['object_add memory-backend-ram,id=m', "Error: Parameter 'size' is missing\n"],
    ['object_add memory-backend-ram,id=m,size=1M', ''],
    ['qom-list /objects', 'type (string)\nm (child<memory-backend-ram>)\n'],
    ['qom-list', '/\n'],
    ['qom-get /objects/m size', '1048576\n'],
    ['qom-get /objects/m policy', '"default"\n'],
    ['qom-get /machine memory', '{\n    "size": 0\n}\n'],
    ['qom-set /objects/m merge x', "Error: Parameter 'merge' expects 'on' or 'off'\n"],
    ['qom-set /objects/m merge off', ''],
    ['qom-get /objects/m merge', 'false\n'],
    ['qom-set -j /objects/m merge true', ''],
    ['object_del m', ''],
    ['object_del m', "Error: object 'm' not found\n"],
  ])('%j', (line, text) => {
    expect(ask(line)).toBe(text);
  });
});

// Recorded from QEMU 7.2.22 with -M q35 -m 64 -S.
describe('how lines are read, as QEMU reads them', () => {
  const ask = monitorOf({ type: 'q35', memory: 64n << 20n });
  const extraneous = (command: string, name: string): string =>
    usage(`${name}: extraneous characters at the end of line`, command);

  it.each([
    ['xp/2gx 0', '0000000000000000: 0x0000000000000000 0x0000000000000000\n'],
    ['/x 0', "unknown command: ''\n"],
    [
      'xp /2c 0',
      "0000000000000000: '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' '\\x00' " +
        "'\\x00' '\\x00' '\\x00' '\\x00' '\\x00'\n",
    ],
    ['xp /xw 010', '0000000000000008: 0x00000000\n'],
    ['xp /x 09', extraneous('xp', 'xp')],
    ['xp /x 0x', extraneous('xp', 'xp')],
    ['info mtree -fd', extraneous('info mtree', 'mtree')],
    ['info mtree -f -f', usage('mtree: unsupported option -f', 'info mtree')],
    ['object_add iothread,id=1x', "Error: Parameter 'id' expects an identifier\n" + IDENTIFIER],
    ['object_add memory-backend-ram,id=h,size=1M,host-nodes=0,policy=bind', HOST_NODES],
    ['device_add edu,id=1x,bus=rp0', 'Try "help device_add" for more information\n'],
    ['qom-set /machine kernel a b', ''],
    ['qom-get /machine kernel', '"a b"\n'],
    ['qom-set /machine kernel "a b"', ''],
    ['qom-get /machine kernel', '"\\"a b\\""\n'],
    ['qom-set -j /machine kernel "a b"', ''],
    ['qom-get /machine kernel', '"a b"\n'],
    ['qom-set /machine kernel   ', usage('qom-set: string expected', 'qom-set')],
  ])('%s', (line, text) => {
    expect(ask(line)).toBe(text);
  });
});
