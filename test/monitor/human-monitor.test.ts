import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import type { HumanCommand } from '../../src/monitor/human/command.ts';
import { readKeyValues } from '../../src/monitor/human/key-values.ts';
import { HumanMonitor } from '../../src/monitor/human/monitor.ts';

const given: string[] = [];
const commands: HumanCommand[] = [
  {
    names: ['quit', 'q'],
    parameters: [],
    usage: '',
    help: 'quit the emulator',
    run: () => {
      given.push('quit');
      return '';
    },
  },
  {
    names: ['device_del'],
    parameters: [{ kind: 'string', name: 'id' }],
    usage: 'device',
    help: 'remove device',
    run: ({ strings }) => {
      throw new CommandError(`Device '${strings[0]}' not found`, 'DeviceNotFound');
    },
  },
];
const topics: HumanCommand[] = [
  {
    names: ['mtree'],
    parameters: [
      { kind: 'flag', letter: 'f' },
      { kind: 'flag', letter: 'o' },
    ],
    usage: '[-f][-o]',
    help: 'show memory tree',
    run: ({ flags }) => `flags ${[...flags].join('')}\nsecond line\n`,
  },
  { names: ['version'], parameters: [], usage: '', help: 'show the version', run: () => '7.2.22\n' },
];
const monitor = new HumanMonitor(commands, topics);

describe('lines and their texts, as QEMU answers them', () => {
  it.each<[string, string]>([
    ['', ''],
    [' ', ''],
    ['nope', "unknown command: 'nope'\r\n"],
    ['nope é', "unknown command: 'nope'\r\n"],
    ['INFO version', "unknown command: 'INFO'\r\n"],
    ['info nope', "unknown command: 'info nope'\r\n"],
    ['help nope', "unknown command: 'nope'\r\n"],
    ['  info   version  ', '7.2.22\r\n'],
    ['info mtree', 'flags \r\nsecond line\r\n'],
    ['info mtree -f -o', 'flags fo\r\nsecond line\r\n'],
    [
      'info mtree -fo',
      'mtree: extraneous characters at the end of line\r\nTry "help info mtree" for more information\r\n',
    ],
    ['info mtree -x', 'mtree: unsupported option -x\r\nTry "help info mtree" for more information\r\n'],
    [
      'info mtree zzz',
      'mtree: extraneous characters at the end of line\r\nTry "help info mtree" for more information\r\n',
    ],
    [
      'info version\ninfo status',
      'version: extraneous characters at the end of line\r\nTry "help info version" for more information\r\n',
    ],
    ['quit extra', 'quit|q: extraneous characters at the end of line\r\nTry "help quit" for more information\r\n'],
    ['device_del', 'device_del: string expected\r\nTry "help device_del" for more information\r\n'],
    ['device_del nope', "Error: Device 'nope' not found\r\n"],
    ['help q', 'quit|q  -- quit the emulator\r\n'],
    ['help info mtree', 'info mtree [-f][-o] -- show memory tree\r\n'],
  ])('%j', (line, text) => {
    expect(monitor.execute(line)).toBe(text);
    // Whatever came before, the monitor still works.
    expect(monitor.execute('info version')).toBe('7.2.22\r\n');
  });

  it('runs a command by each of its names', () => {
    given.length = 0;
    expect([monitor.execute('q'), monitor.execute('quit')]).toEqual(['', '']);
    expect(given).toEqual(['quit', 'quit']);
  });

  it('lists what there is', () => {
    expect(monitor.execute('info')).toBe(
      'info mtree [-f][-o] -- show memory tree\r\ninfo version  -- show the version\r\n',
    );
    expect(monitor.execute('help').split('\r\n').slice(0, -1)).toEqual([
      'device_del device -- remove device',
      'help|? [cmd] -- show the help',
      'info [subcommand] -- show various information about the system state',
      'quit|q  -- quit the emulator',
    ]);
  });
});

describe('key=value text', () => {
  it.each<[string, Record<string, string>]>([
    ['', {}],
    ['edu', { driver: 'edu' }],
    ['edu,id=e,bus=rp1', { driver: 'edu', id: 'e', bus: 'rp1' }],
    ['driver=edu,id=e', { driver: 'edu', id: 'e' }],
    ['edu,multifunction', { driver: 'edu', multifunction: 'on' }],
    ['edu,id=a,,b', { driver: 'edu', id: 'a,b' }],
    ['edu,id=a=b', { driver: 'edu', id: 'a=b' }],
  ])('%j', (text, values) => {
    expect(readKeyValues(text, 'driver')).toEqual(values);
  });
});
