import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseKeyValues } from '../../src/options/key-value.ts';
import { defaultOptions } from '../../src/options/options.ts';
import { helpText, parseOptions } from '../../src/options/parse.ts';

/** What the recordings' QEMU, QEMU's IOMMU rig and libvirt's probe were started with. */
const harnesses = JSON.parse(
  readFileSync(new URL('./harness-command-lines.json', import.meta.url), 'utf8'),
) as readonly (readonly string[])[];

describe('command lines', () => {
  it.each(harnesses.map((argv) => [argv.join(' '), argv] as const))('of a harness are taken: %s', (_, argv) => {
    const options = parseOptions(argv);
    expect(options.action.kind).toBe('run');
    expect(options.monitors.length).toBeGreaterThan(0);
    expect(options.warnings).toEqual([]);
  });

  it('may be empty', () => {
    expect(parseOptions([])).toEqual(defaultOptions());
  });

  it('take one dash or two', () => {
    expect(parseOptions(['--S', '--m', '64'])).toMatchObject({ startPaused: true, memory: 64n << 20n });
  });

  it('end where help or the version is asked for', () => {
    expect(parseOptions(['-version', '-nonsense']).action).toEqual({ kind: 'version' });
    expect(parseOptions(['--help']).action).toEqual({ kind: 'help' });
    expect(parseOptions(['-h']).action).toEqual({ kind: 'help' });
  });

  it.each([
    [['-M', 'help'], 'machines', null],
    [['-M', 'none', '-machine', 'help'], 'machine', 'none'],
    [['-machine', 'q35,?'], 'machine', 'q35'],
    [['-device', 'help'], 'devices', null],
    [['-device', 'edu,help'], 'device', 'edu'],
    [['-object', '?'], 'objects', null],
    [['-object', 'iothread,help'], 'object', 'iothread'],
    [['-trace', 'help'], 'traces', null],
    [['-d', 'unimp,trace:help'], 'traces', null],
  ] as const)('ask for a list: %j', (argv, subject, name) => {
    expect(parseOptions(argv).action).toMatchObject({ kind: 'list', subject, name });
    expect(() => parseOptions([...argv, '-nonsense'])).toThrow('-nonsense: invalid option');
  });

  it.each([
    [['-accel', 'help'], 0, 'Accelerators supported in QEMU binary:\ntcg\nkvm\nqtest\n'],
    [['-chardev', 'help'], 0, 'Available chardev backend types: \n  stdio\n  null\n  socket\n'],
    [['-mon', 'chardev=c,help'], 1, 'mon options:\n  chardev=<str>\n  mode=<str>\n  pretty=<bool (on/off)>\n'],
    [['-global', 'help'], 1, 'global options:\n  driver=<str>\n  property=<str>\n  value=<str>\n'],
    [['-display', 'help'], 0, 'Available display backend types:\nnone\n'],
  ] as const)('are answered at once: %j', (argv, status, text) => {
    expect(parseOptions(argv).action).toEqual({ kind: 'print', status, text });
  });

  it('end with the items of -d where one is unknown', () => {
    expect(parseOptions(['-d', 'nope']).action).toMatchObject({ kind: 'print', status: 1 });
  });
});

describe('the machine', () => {
  it('keeps its properties as texts, the last one of a name', () => {
    const { machine } = parseOptions(['-M', 'q35,unplug-ack=guest', '-machine', 'type=viommu,unplug-ack=at-once']);
    expect(machine).toEqual({
      type: 'viommu',
      values: { 'unplug-ack': 'at-once' },
      option: '-machine type=viommu,unplug-ack=at-once',
    });
  });

  it.each([
    ['64', 64n << 20n],
    ['4G', 4n << 30n],
    ['1.5G', 3n << 29n],
    ['size=0x1000', 0x1000n << 20n],
    ['1T', 1n << 40n],
    ['64M,slots=4,maxmem=1G', 64n << 20n],
    ['0', null],
    ['', null],
  ])('-m %s', (argument, memory) => {
    expect(parseOptions(['-m', argument]).memory).toBe(memory);
  });

  it('has its maximum memory in bytes', () => {
    expect(parseOptions(['-m', '64M,slots=0x2,maxmem=1G'])).toMatchObject({ memorySlots: 2, maxMemory: 1n << 30n });
  });

  it('takes accelerators from either option, not from both', () => {
    const names = (...argv: string[]): string[] => parseOptions(argv).accelerators.map(({ name }) => name);
    expect(names('-accel', 'qtest')).toEqual(['qtest']);
    expect(names('-accel', 'kvm', '-accel', 'tcg,thread=single')).toEqual(['kvm', 'tcg']);
    expect(names('-accel', 'kvm:tcg')).toEqual(['kvm', 'tcg']);
    expect(names('-machine', 'none,accel=kvm:tcg')).toEqual(['kvm', 'tcg']);
    const mixed = parseOptions(['-M', 'none,accel=nope:tcg']);
    expect(mixed.accelerators.map(({ name }) => name)).toEqual(['tcg']);
    expect(mixed.warnings).toEqual(['invalid accelerator nope']);
    expect(mixed.machine.values).toEqual({});
  });

  it('has a name, an identity and what else is only told', () => {
    const argv = [
      '-name',
      'vm one,debug-threads=on',
      '-uuid',
      '12345678-9ABC-def0-1234-56789abcdef0',
      '-smp',
      '2,cores=2',
    ];
    expect(parseOptions(argv)).toMatchObject({
      name: 'vm one',
      debugThreads: true,
      uuid: '12345678-9abc-def0-1234-56789abcdef0',
      processors: 2,
    });
    expect(parseOptions(['-name', 'guest=a,,b,process=p'])).toMatchObject({ name: 'a,b', processName: 'p' });
  });

  it('notes globals, traces, logs and policies', () => {
    const argv = [
      '-global',
      'edu.dma_mask=1',
      '-trace',
      'vtd_*,file=t.log',
      '-trace',
      'events=e',
      '-D',
      'log',
      '-d',
      'trace:x',
    ];
    expect(parseOptions([...argv, '-compat', 'deprecated-input=reject', '-icount', 'shift=0,sleep=off'])).toMatchObject(
      {
        globals: [{ driver: 'edu', property: 'dma_mask', value: '1' }],
        traces: [
          { pattern: 'vtd_*', events: null, file: 't.log', option: '-trace vtd_*,file=t.log' },
          { pattern: null, events: 'e', file: null },
          { pattern: 'x', events: null, file: null, option: null },
        ],
        logFile: 'log',
        compatibility: { 'deprecated-input': 'reject' },
        icount: { shift: '0', sleep: 'off' },
      },
    );
  });

  it('obeys -action as the two older options', () => {
    expect(parseOptions(['-action', 'reboot=shutdown,shutdown=pause'])).toMatchObject({
      noReboot: true,
      noShutdown: true,
    });
    expect(parseOptions(['-no-reboot', '-action', 'reboot=reset'])).toMatchObject({ noReboot: false });
  });
});

describe('devices and objects', () => {
  it('keep the order and the texts', () => {
    const { devices } = parseOptions([
      '-device',
      'pcie-root-port,id=rp1,chassis=1',
      '-device',
      'edu,addr=1,addr=2,bus=rp1',
    ]);
    expect(devices).toEqual([
      {
        driver: 'pcie-root-port',
        values: { driver: 'pcie-root-port', id: 'rp1', chassis: '1' },
        typed: false,
        option: '-device pcie-root-port,id=rp1,chassis=1',
      },
      {
        driver: 'edu',
        values: { driver: 'edu', addr: '2', bus: 'rp1' },
        typed: false,
        option: '-device edu,addr=1,addr=2,bus=rp1',
      },
    ]);
  });

  it('may be JSON, whose values keep their types', () => {
    const text = `{'driver': "edu", "id": "a\\u00e9", "dma_mask": 18446744073709551615, "n": 5, "b": true, "l": [null, {}, -1]}`;
    const [device] = parseOptions(['-device', text]).devices;
    expect(device).toEqual({
      driver: 'edu',
      values: { driver: 'edu', id: 'aé', dma_mask: 0xffff_ffff_ffff_ffffn, n: 5, b: true, l: [null, {}, -1] },
      typed: true,
      option: `-device ${text}`,
    });
  });

  it('keep a fraction from being taken for an integer', () => {
    const [device] = parseOptions(['-device', '{"driver": "edu", "n": 1.0}']).devices;
    expect(device!.values['n']).not.toBe(1);
    expect(device!.values['n']).toMatchObject({ value: 1 });
  });

  it('keep a member of any name', () => {
    const [device] = parseOptions(['-device', 'edu,__proto__=1']).devices;
    expect(Object.entries(device!.values)).toContainEqual(['__proto__', '1']);
  });

  it('are named once each', () => {
    expect(parseOptions(['-device', 'edu,id=a', '-object', 'iothread,id=a']).objects).toMatchObject([
      { type: 'iothread', values: { 'qom-type': 'iothread', id: 'a' }, typed: false },
    ]);
  });
});

describe('-set', () => {
  it('changes a device that was given before', () => {
    const { devices } = parseOptions(['-device', 'edu,id=e0,addr=1', '-set', 'device.e0.addr=2']);
    expect(devices).toMatchObject([
      { values: { driver: 'edu', id: 'e0', addr: '2' }, option: '-device edu,id=e0,addr=1' },
    ]);
  });
});

describe('monitors', () => {
  it.each([
    ['unix:/tmp/q.sock,server=on,wait=off', { kind: 'unix', path: '/tmp/q.sock', server: true, wait: false }],
    ['unix:/tmp/q.sock,server=on', { kind: 'unix', server: true, wait: true }],
    ['unix:/tmp/q.sock,server,nowait', { kind: 'unix', server: true, wait: false }],
    ['unix:a,,b', { kind: 'unix', path: 'a,b', server: false, wait: false, reconnect: 0 }],
    ['unix:a,reconnect=3', { kind: 'unix', server: false, reconnect: 3 }],
    ['tcp:127.0.0.1:4444,server=on,wait=off', { kind: 'tcp', host: '127.0.0.1', port: '4444', server: true }],
    ['tcp::0,server=on', { kind: 'tcp', host: '', port: '0' }],
    ['tcp:127.0.0.1:4444,server=on,to=4450', { kind: 'tcp', port: '4444', lastPort: '4450' }],
    ['tcp:[::1]:4444', { kind: 'tcp', host: '::1', port: '4444', server: false }],
    ['stdio', { kind: 'stdio' }],
    ['mon:stdio', { kind: 'stdio' }],
    ['null', { kind: 'null' }],
  ])('-qmp %s', (argument, endpoint) => {
    const { monitors, warnings } = parseOptions(['-qmp', argument]);
    expect(monitors).toMatchObject([{ endpoint, pretty: false, chardev: null, option: `-qmp ${argument}` }]);
    expect(warnings).toEqual([]);
  });

  it('sit on character devices that may come later', () => {
    const { monitors, readlineMonitors, characterDevices } = parseOptions([
      '-mon',
      'chardev=c,mode=control,pretty=on',
      '-chardev',
      'socket,id=c,path=p,server=on,wait=off',
      '-mon',
      'd',
      '-chardev',
      'socket,id=d,host=h,port=1',
      '-qmp',
      'chardev:e',
      '-chardev',
      'null,id=e',
    ]);
    expect(characterDevices.map(({ id }) => id)).toEqual(['c', 'd', 'e']);
    expect(monitors).toMatchObject([
      { endpoint: { kind: 'unix', path: 'p' }, pretty: true, chardev: 'c' },
      { endpoint: { kind: 'null' }, pretty: false, chardev: 'e' },
    ]);
    expect(readlineMonitors).toMatchObject([{ endpoint: { kind: 'tcp', host: 'h', port: '1' }, option: '-mon d' }]);
  });

  it('sit on sockets that are handed down', () => {
    const { monitors } = parseOptions(['-chardev', 'socket,id=c,fd=25,server=on,wait=off', '-mon', 'c,mode=control']);
    expect(monitors).toMatchObject([{ endpoint: { kind: 'fd', fd: 25, server: true, wait: false } }]);
  });

  it('for humans may be none', () => {
    expect(parseOptions(['-monitor', 'none', '-serial', 'none', '-parallel', 'null']).readlineMonitors).toEqual([]);
    expect(parseOptions(['-monitor', 'null']).readlineMonitors).toEqual([]);
    expect(parseOptions(['-monitor', 'stdio']).readlineMonitors).toMatchObject([{ endpoint: { kind: 'stdio' } }]);
  });

  it('let qtest use a character device', () => {
    const { qtest } = parseOptions(['-qtest', 'chardev:c', '-chardev', 'socket,id=c,path=q,server=on,wait=off']);
    expect(qtest).toMatchObject({ kind: 'unix', path: 'q', server: true, wait: false });
    expect(() => parseOptions(['-qtest', 'chardev:c'])).toThrow('chardev "c" not found');
  });

  it('leave room for qtest', () => {
    expect(parseOptions(['-qtest', 'unix:q', '-qtest-log', '/dev/null'])).toMatchObject({
      qtest: { kind: 'unix', path: 'q', server: false },
      qtestLog: '/dev/null',
    });
  });
});

describe('key=value lists', () => {
  it('know implied keys, flags and doubled commas', () => {
    expect(parseKeyValues('edu,id=a,,b,on,nooff,x=', 'driver')).toEqual([
      { key: 'driver', value: 'edu' },
      { key: 'id', value: 'a,b' },
      { key: 'on', value: 'on', flag: 'on' },
      { key: 'off', value: 'off', flag: 'nooff' },
      { key: 'x', value: '' },
    ]);
  });

  it('give back every value that was written with its commas doubled', () => {
    const key = fc.stringMatching(/^[a-z][a-z-]{0,8}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.string()), { minLength: 1 }), (pairs) => {
        const text = pairs.map(([name, value]) => `${name}=${value.replaceAll(',', ',,')}`).join(',');
        expect(parseKeyValues(text, null)).toEqual(pairs.map(([name, value]) => ({ key: name, value })));
      }),
    );
  });
});

describe('the help text', () => {
  it('fits a terminal of 120 columns and names what users need', () => {
    const lines = helpText('viommud').split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
    for (const name of ['-machine, -M', '-qmp', '-device', '-pidfile']) {
      expect(lines.some((line) => line.trimStart().startsWith(name))).toBe(true);
    }
  });
});
