import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/options/config-file.ts';
import { OptionError } from '../../src/options/error.ts';
import type { Options } from '../../src/options/options.ts';
import { parseOptions } from '../../src/options/parse.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'viommud-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string, ...argv: string[]): Options {
  const path = join(folder, 'x.cfg');
  writeFileSync(path, text);
  return parseOptions(['-readconfig', path, ...argv]);
}

/** What stderr shows, with the file's name alone. */
function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof OptionError) return error.text('PROGRAM').replaceAll(`${folder}/`, '');
    throw error;
  }
  throw new Error('taken');
}

describe('-readconfig', () => {
  it('takes sections for options', () => {
    const options = read(
      [
        '# a machine',
        '[machine]',
        '  type = "q35"',
        '[memory]',
        '  size = "64M"',
        '[device "e0"]',
        '  driver = "edu"',
        '  addr = "04.0"',
        '[object "m0"]',
        '  qom-type = "memory-backend-ram"',
        '  size = "1M"',
        '',
        '[chardev "c"]',
        '  backend = "socket"',
        '  path = "/tmp/a,b"',
        '  server = "on"',
        '  wait = "off"',
        '[mon]',
        '  chardev = "c"',
        '  mode = "control"',
      ].join('\n'),
      ...['-set', 'device.e0.addr=05.0', '-name', 'later'],
    );
    expect(options).toMatchObject({
      machine: { type: 'q35' },
      memory: 64n << 20n,
      name: 'later',
      devices: [{ driver: 'edu', values: { id: 'e0', driver: 'edu', addr: '05.0' }, typed: false }],
      objects: [{ type: 'memory-backend-ram', values: { id: 'm0', size: '1M' } }],
      monitors: [{ chardev: 'c', endpoint: { kind: 'unix', path: '/tmp/a,b', server: true, wait: false } }],
    });
    expect(options.devices[0]!.option).toBe(`:${folder}/x.cfg:8`);
  });

  it.each([
    ['[nope]\n  driver = "edu"\n', "PROGRAM:x.cfg:2: There is no option group 'nope'\n"],
    ['[nope]\n', "PROGRAM: There is no option group 'nope'\n"],
    ['x = "y"\n', 'PROGRAM:x.cfg:1: no group defined\n'],
    ['[device "e0"]\n driver = "edu"\n   \n', 'PROGRAM:x.cfg:3: parse error\n'],
    ['[memory]\n  size = "x"\n', "PROGRAM:x.cfg:2: Parameter 'size' expects a non-negative number below 2^64\n"],
    ['[device "1x"]\n  driver = "edu"\n', "PROGRAM:x.cfg:2: Parameter 'id' expects an identifier\n"],
    [
      '[chardev "c"]\n backend = "null"\n[chardev "c"]\n backend = "null"\n',
      "PROGRAM:x.cfg:4: Duplicate ID 'c' for chardev\n",
    ],
    ['[mon]\n chardev = "q"\n mode = "control"\n', 'PROGRAM:x.cfg:3: chardev "q" not found\n'],
    ['[global]\n driver="edu"\n', `PROGRAM:x.cfg:2: Invalid parameter 'driver="edu"'\n`],
    ['[device "e0"]\n[device "e1"]\n driver = "x"\n', "PROGRAM: Parameter 'driver' is missing\n"],
    [
      '[rtc]\n base = "x"\n',
      "PROGRAM: invalid datetime format\nvalid formats: '2006-06-17T16:01:21' or '2006-06-17'\n",
    ],
  ])('refuses as QEMU does: %j', (text, stderr) => {
    expect(refusal(text)).toBe(stderr);
  });

  it('scans as QEMU does: a value without quotes is empty, what follows one is not looked at', () => {
    expect(parseConfig('[device "a]\n driver = edu\n x = "1" junk\n[device "b" junk\n', 'f')).toEqual([
      {
        group: 'device',
        id: 'a]',
        values: [
          ['driver', ''],
          ['x', '1'],
        ],
        place: ':f:3',
      },
      { group: 'device', id: 'b', values: [], place: ':f:3' },
    ]);
  });

  it('says why a file cannot be read', () => {
    expect(() => parseOptions(['-readconfig', '/nope'])).toThrow(
      "-readconfig /nope: Could not open '/nope': No such file or directory",
    );
    expect(() => parseOptions(['-readconfig', folder])).toThrow('Cannot read config file: Is a directory');
  });
});
